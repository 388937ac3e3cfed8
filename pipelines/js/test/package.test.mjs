// The package as users get it: sizes, types, the tarball installed elsewhere, a baked module, the README's examples.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { examples, installed, packageFolder, refusals, run, targetFolder } from './here.mjs';

const folder = installed();

/** Runs a program with the installed package. */
function program(text, input = undefined) {
  const file = join(folder, 'program.mjs');
  writeFileSync(file, text);
  const stdio = [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'];
  return run(process.execPath, [file], { cwd: folder, stdio, input });
}

test('it is as small as it was promised to be', () => {
  const bytes = (file) => statSync(join(packageFolder, file)).size;
  assert.ok(bytes('maxconn.wasm') <= 344 * 1024, `wasm: ${bytes('maxconn.wasm')}`);
  assert.ok(bytes('guest.js') <= 20 * 1024, `glue: ${bytes('guest.js')}`);
  console.log(`wasm ${bytes('maxconn.wasm')} bytes, glue ${bytes('guest.js')} bytes`);
});

test('it depends on nothing, and every file that it names is there', () => {
  const manifest = JSON.parse(readFileSync(join(folder, 'node_modules/maxconn/package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);
  assert.match(manifest.version, /^\d+\.\d+\.\d+$/);
  assert.notEqual(manifest.version, '0.0.0');
  const files = Object.values(manifest.exports).flatMap((one) => (typeof one === 'string' ? [one] : Object.values(one)));
  for (const file of [...files, 'README.md', 'LICENSE']) statSync(join(folder, 'node_modules/maxconn', file));
});

test('what was installed from the tarball works', () => {
  const output = program(`
    import { Detector } from 'maxconn';
    import { DetectorTransform } from 'maxconn/node';
    import { DetectorStream } from 'maxconn/web';
    const detector = new Detector({ only: 'alerts' });
    const alerts = [...detector.push(${JSON.stringify(refusals(40))}), ...detector.finish()];
    console.log(alerts.map(({ record }) => record.maxconn.flood.state).join(), typeof DetectorTransform, typeof DetectorStream);
  `);
  assert.equal(output, 'start,end function function\n');
});

test('a baked module runs with its configuration', () => {
  const [config, baked] = [join(folder, 'maxconn.toml'), join(folder, 'baked.wasm')];
  writeFileSync(config, '[[rule]]\nname = "userip"\nthreshold = 5\n');
  const plugin = join(folder, 'node_modules/maxconn/maxconn.wasm');
  const command = join(targetFolder, 'release/maxconn');
  run(command, ['config', 'bake', '--config', config, '--plugin', plugin, '--output', baked]);
  assert.match(run(command, ['config', 'print', '--plugin', baked]), /threshold = 5\n/);
  const output = program(`
    import { readFile } from 'node:fs/promises';
    import { Detector, load } from 'maxconn';
    await load(await readFile('baked.wasm'));
    const lines = ${JSON.stringify(refusals(6))};
    const alerts = (config) => new Detector({ only: 'alerts', config }).push(lines).length;
    console.log(alerts(), alerts({}), alerts({ rule: [{ name: 'userip', threshold: 7 }] }));
  `);
  assert.equal(output, '1 1 0\n');
});

test('another module is refused with a sentence', () => {
  const output = program(`
    import { load } from 'maxconn';
    const empty = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
    await load(empty).catch((error) => console.log(error.message));
  `);
  assert.match(output, /not the module of the maxconn package/);
});

test('the examples of the README run as they stand', () => {
  const all = examples();
  assert.ok(all.length >= 4, `${all.length} examples`);
  writeFileSync(join(folder, 'mail.log'), `${refusals(60).join('\n')}\nJan  1 12:00:59 mail postfix: nothing\n`);
  for (const { name, text, expected } of all) {
    const output = program(text);
    assert.ok(expected !== undefined, `${name}: the README does not say what it prints`);
    assert.equal(output.trim(), expected.trim(), name);
  }
});
