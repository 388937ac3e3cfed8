// The types, by the newest TypeScript: the README's examples, and what must not compile.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { examples, installed, readme, run } from './here.mjs';

const folder = installed();
const modules = fileURLToPath(new URL('./node_modules', import.meta.url));
const STRICT = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, target: 'es2022' };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler' };
const NODE = { types: ['node'], typeRoots: [join(modules, '@types')] };

/** What the compiler says of a few files: nothing is good. */
function compile(programs, options) {
  const files = Object.keys(programs);
  for (const file of files) writeFileSync(join(folder, file), programs[file]);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...STRICT, ...options }, files }));
  try {
    run(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', folder], { cwd: folder });
    return '';
  } catch (error) {
    return error.stdout;
  } finally {
    for (const file of files) rmSync(join(folder, file));
  }
}

for (const [name, resolution] of Object.entries({ bundler: BUNDLER, nodenext: { module: 'nodenext', moduleResolution: 'nodenext' } })) {
  test(`the examples of the README compile: ${name}`, () => {
    const [, typed] = /^```ts\n(.*?)^```/ms.exec(readme());
    const programs = [['typed', typed], ...examples().map(({ name, text }) => [name, text])].map(([name, text]) => [`${name}.mts`, text]);
    assert.equal(compile(Object.fromEntries(programs), { ...NODE, ...resolution, lib: ['es2022'] }), '');
  });
}

test('streams need the types of a page or a worker, and for the rest no more than the README says', () => {
  const detector = `import { Detector, type Alert } from 'maxconn';
    const found: Alert[] = new Detector({ only: 'alerts' }).push('').map(({ record }) => record);
    export default found;`;
  assert.equal(compile({ 'detector.ts': detector }, { ...BUNDLER, types: [], lib: ['es2015'] }), '');
  const stream = `import { DetectorStream } from 'maxconn/web'; export default new DetectorStream();`;
  for (const lib of ['dom', 'webworker']) assert.equal(compile({ 'stream.ts': stream }, { ...BUNDLER, types: [], lib: ['es2022', lib] }), '');
  assert.match(compile({ 'stream.ts': stream }, { ...BUNDLER, types: [], lib: ['es2022'] }), /TransformStream/);
});

test('a kind tells what a record is, and configurations are checked', () => {
  const fine = `import { Detector, Result, type Configuration } from 'maxconn';
    const config: Configuration = { timezone: 'Europe/Berlin', rule: [{ name: 'userip', policy: 'pass' }] };
    for (const result of new Detector({ config }).push([''])) {
      if (!(result instanceof Result)) continue;
      if (result.kind === 'alert') console.log(result.record.maxconn.flood.cause.hint === 'retry-storm');
      else if (result.kind === 'event') console.log(result.record.maxconn?.limit?.scope, result.record['own']);
      else if (result.kind === 'record') console.log(result.record['message']);
      else if ('refusals' in result.record.maxconn) console.log(result.record.maxconn.refusals.count);
    }`;
  assert.equal(compile({ 'fine.mts': fine }, { ...BUNDLER, ...NODE, lib: ['es2022'] }), '');
  const wrong = [
    [`new Detector({ config: { max_key: 1 } })`, /max_key/],
    [`new Detector({ config: { rule: [{ name: 'a', policy: 'drop' }] } })`, /"drop"/],
    [`new Detector({ only: 'alert' })`, /"alert"/],
    [`new Detector({ only: 'alerts' }).push('').map(({ record }) => record.maxconn.floods)`, /floods/],
    [`new Detector().push('').map(({ record }) => record.maxconn.flood)`, /maxconn/],
  ];
  const programs = wrong.map(([text], at) => [`wrong${at}.mts`, `import { Detector } from 'maxconn'; ${text};`]);
  const said = compile(Object.fromEntries(programs), { ...BUNDLER, ...NODE, lib: ['es2022'] }).split('\n');
  wrong.forEach(([text, mistake], at) => assert.match(said.filter((line) => line.startsWith(`wrong${at}`)).join(), mistake, text));
});
