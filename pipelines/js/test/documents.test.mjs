// docs/maxconn.schema.json: the types of the package are made of it, and what really comes out and goes in keeps to it.
// tests/schema.rs holds its keys and bounds against the code.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'node:test';

import Ajv from 'ajv';
import { compile } from 'json-schema-to-typescript';
import { parse } from 'smol-toml';

import { cases, entry, refusals, root, run, targetFolder } from './here.mjs';

const file = (name) => readFileSync(root + name, 'utf8');
const schema = JSON.parse(file('docs/maxconn.schema.json'));
const all = cases();
/** A case whose records bring fields of our names and other types, which stay as they are. */
const BRINGS_ITS_OWN = 'ecs-scalar-skipped';

/** For users, documents may get more fields. Here each that is written must be in the schema. */
function closed(value) {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(closed);
  const inner = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, closed(member)]));
  return inner.properties === undefined ? inner : { additionalProperties: false, ...inner };
}

const ajv = new Ajv({ allErrors: true }).addSchema(closed(schema), 'maxconn');
const valid = (name) => ajv.getSchema(name === '' ? 'maxconn' : `maxconn#/definitions/${name}`);

function check(name, { ...document }, place) {
  // Where the record has something else than our group.
  for (const group of document.maxconn?.skipped ?? []) delete document[group];
  const validate = valid(name);
  assert.ok(validate(document), `${place}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(document)}`);
}

/** What a document is, by itself. */
function nameOf({ event, maxconn }) {
  if (event?.kind === 'alert') return 'Alert';
  if (event?.action === 'connection-limit-statistics') return 'Refusals';
  if (event?.kind === 'metric') return 'Statistics';
  return maxconn?.limit === undefined ? undefined : 'EnrichedEvent';
}

test('the types are made of the schema', async () => {
  const options = { additionalProperties: false, bannerComment: '', ignoreMinAndMaxItems: true, unreachableDefinitions: true, style: { printWidth: 160, singleQuote: true } };
  const compiled = await compile(structuredClone(schema), 'Configuration', options);
  const plain = compiled.replace(/(\n \*)?\n \* This interface was referenced by .*\n \* via the .*/g, '').replace(/\/\*\*\n \*\/\n/g, '');
  const made = `// Made of docs/maxconn.schema.json by \`UPDATE=1 make npm-test\`.\n\n${plain.replace(/\/\*\*\n +\* (.*)\n +\*\//g, '/** $1 */')}`;
  const name = 'pipelines/js/package/documents.d.ts';
  if (process.env.UPDATE === '1') writeFileSync(root + name, made);
  assert.equal(file(name), made, 'run `UPDATE=1 make npm-test`');
});

test('every document of every case keeps to it', () => {
  const seen = {};
  for (const { name, pieces } of all.filter(({ name }) => name !== BRINGS_ITS_OWN)) {
    for (const [kind, text] of pieces.filter(([kind]) => kind >= 2 && kind <= 4)) {
      const document = JSON.parse(text);
      const what = kind === 2 ? 'EnrichedEvent' : nameOf(document);
      seen[what] = (seen[what] ?? 0) + 1;
      check(what, document, name);
    }
  }
  for (const what of ['Alert', 'EnrichedEvent', 'Refusals', 'Statistics']) assert.ok(seen[what] > 5, `${what}: ${seen[what]}`);
});

test('what the command says of real logs keeps to it', () => {
  const logs = ['testdata/dovecot', 'testdata/servers'].flatMap((folder) => readdirSync(root + folder, { recursive: true }).map((name) => `${folder}/${name}`));
  const read = logs.filter((name) => /\.(log|gz|jsonl?|txt)$/.test(name));
  const output = run(`${targetFolder}/release/maxconn`, ['replay', '--only', 'changed', ...read.map((name) => root + name)], { maxBuffer: 1 << 28 });
  const documents = output.trim().split('\n').map((line) => JSON.parse(line));
  const alerts = documents.filter((document) => nameOf(document) === 'Alert');
  assert.ok(alerts.length > 20 && documents.length > 300, `${alerts.length} alerts of ${documents.length} documents`);
  for (const document of documents) check(nameOf(document), document, 'replay');
});

test('what Fluent Bit gets keeps to it, its route apart', () => {
  for (const line of file('testdata/golden/fluent-bit-documents.ndjson').trim().split('\n')) {
    const { maxconn_route: route, ...document } = JSON.parse(line.replace('"memory":0', '"memory_bytes":0'));
    const what = nameOf(document);
    if (route !== undefined) assert.ok(what !== undefined, line);
    if (what !== undefined) check(what, document, 'fluent-bit');
  }
});

test('every configuration of a case, and every right one of testdata/config, keeps to it', () => {
  for (const { name, config } of all.filter(({ config }) => config !== null)) check('', JSON.parse(config), name);
  for (const { why, config } of JSON.parse(file('testdata/config/good.json'))) check('', config, why);
});

test('the configurations of our pages keep to it', () => {
  const found = ['docs/configuration.md', 'docs/contract.md'].flatMap((page) => [...file(page).matchAll(/^```toml\n(.*?)^```/gms)]);
  assert.equal(found.length, 2);
  for (const [, toml] of found) check('', parse(toml), toml);
});

test('wrong configurations do not, as far as a schema can tell', () => {
  const wrong = JSON.parse(file('testdata/config/bad.json'));
  const told = wrong.filter(({ config }) => !valid('')(config));
  assert.ok(told.length > 50, `${told.length} of ${wrong.length}: ${wrong.filter((it) => !told.includes(it)).map(({ why }) => why)}`);
});

test('a document with a field less, more or of another type does not', () => {
  const [, text] = all.flatMap(({ pieces }) => pieces).find(([kind]) => kind === 3);
  for (const wrong of [
    (alert) => delete alert.maxconn.flood.count,
    (alert) => (alert.maxconn.flood.counted = 1),
    (alert) => (alert.maxconn.flood.count = '60'),
    (alert) => (alert.maxconn.flood.state = 'over'),
  ]) {
    const alert = JSON.parse(text);
    wrong(alert);
    assert.equal(valid('Alert')(alert), false);
  }
});

test('whatever a user calls himself, his alerts are documents of one line that keep to it', async () => {
  const { Detector } = await entry('maxconn.js');
  const names = [...JSON.parse(file('testdata/hostile_names.json')).names, '__proto__', 'constructor', '</script><script>', '$(reboot)', "'; --", '`x`', '\u2028', '\ud800', '"},"maxconn":{'];
  for (const name of names) {
    const detector = new Detector({ only: 'alerts' });
    const found = [...detector.push(refusals(40, name, (message) => ({ message, user: { name } }))), ...detector.finish()];
    detector.free();
    assert.equal(found.length, 2, name);
    for (const { text, record } of found) {
      assert.doesNotMatch(text, /[\u0000-\u001f]/);
      assert.equal(Object.getPrototypeOf(record.maxconn.flood), Object.prototype);
      check('Alert', record, name);
    }
  }
});
