// What the class promises beside what the cases show.
import assert from 'node:assert/strict';
import test from 'node:test';

import { entry, refusals } from './here.mjs';

const { Detector, MaxconnError, load } = await entry('maxconn.js');
const kinds = (results) => results.map(({ kind }) => kind);

test('objects, texts and bytes say the same', () => {
  const records = refusals(40, 'alice', (message) => ({ message, n: 1 }));
  const lines = records.map((record) => JSON.stringify(record));
  const texts = (input) => new Detector().push(input).map(({ text }) => text);
  const expected = texts(records);
  assert.equal(expected.length, 30);
  assert.deepEqual(texts(lines), expected);
  assert.deepEqual(texts(lines.join('\n')), expected);
  assert.deepEqual(texts(new TextEncoder().encode(`${lines.join('\n')}\n`)), expected);
  assert.deepEqual(texts(new TextEncoder().encode(lines.join('\n')).buffer), expected);
  const detector = new Detector();
  assert.deepEqual(records.flatMap((record) => detector.push(record).map(({ text }) => text)), expected);
});

test('a record without an event goes on as it came', () => {
  const detector = new Detector();
  const [first, second, third] = detector.push([{ message: 'Grüße 🙂', a: [1, 2] }, '{ "spaced": true }', 'text']);
  assert.equal(first.kind, 'record');
  assert.deepEqual(first.record, { message: 'Grüße 🙂', a: [1, 2] });
  assert.equal(second.text, '{ "spaced": true }');
  assert.deepEqual(third.record, { message: 'text' });
  assert.deepEqual(detector.push([]), []);
  assert.deepEqual(detector.push(''), []);
});

test('results stay as they are when the bytes they came from are used again', () => {
  const buffer = new TextEncoder().encode('{"n":1}\n');
  const [result] = new Detector().push(buffer);
  buffer.fill(0);
  assert.equal(result.text, '{"n":1}');
});

test('only what is asked for comes out, and all is counted', () => {
  const lines = ['nothing', ...refusals(40)];
  for (const [only, expected] of [['alerts', 1], ['events', 29], ['changed', 30], ['all', 31]]) {
    const detector = new Detector({ only });
    assert.equal(detector.push(lines).length, expected, only);
    assert.equal(detector.statistics().maxconn.statistics.records, 41);
  }
});

test('a timestamp without a year gets the last one that the clock has seen, unless another time is given', () => {
  const lines = refusals(1).map((line) => line.replace(/^\S+/, 'Jan  1 12:00:00'));
  const years = (source) => {
    const [{ record }] = new Detector({ source }).push(lines);
    return record['@timestamp']?.slice(0, 4);
  };
  // A day ahead at most, for its zone may be wrong.
  const isSeen = (year) => Date.UTC(year, 0, 1, 12) - Date.now() <= 86_405_000;
  const now = new Date().getUTCFullYear();
  const latest = isSeen(now + 1) ? now + 1 : isSeen(now) ? now : now - 1;
  assert.equal(years(undefined), String(latest));
  assert.equal(years({ path: '/var/log/mail.log' }), String(latest));
  assert.equal(years({ referenceTime: Date.UTC(2020, 1, 1) }), '2020');
  assert.equal(years({ referenceTime: null }), undefined);
});

test('a snapshot goes on as if nothing had happened', () => {
  const lines = refusals(100);
  const whole = new Detector();
  const expected = [...whole.push(lines), ...whole.finish()].map(({ text }) => text);
  const first = new Detector();
  const head = first.push(lines.slice(0, 50));
  const second = new Detector();
  assert.deepEqual(second.restore(first.snapshot()), []);
  first.free();
  const actual = [...head, ...second.push(lines.slice(50)), ...second.finish()].map(({ text }) => text);
  assert.deepEqual(actual, expected);
});

test('another configuration ends floods whose key changed', () => {
  const detector = new Detector({ only: 'alerts' });
  assert.deepEqual(kinds(detector.push(refusals(40))), ['alert']);
  const [end] = detector.configure({ rule: [{ name: 'userip', key: ['user'] }] });
  assert.equal(end.record.maxconn.flood.end_reason, 'reconfigured');
});

test('ticks end a quiet flood', () => {
  const detector = new Detector({ only: 'alerts' });
  detector.push(refusals(40));
  assert.deepEqual(detector.tick(1_000), []);
  const ends = detector.tick(new Date(1_000 + 10 * 60_000));
  assert.equal(ends.at(-1).record.maxconn.flood.end_reason, 'quiet');
});

test('what is wrong is said, with place and mend', () => {
  const refused = (call, path, problem) => {
    assert.throws(call, (error) => {
      assert.ok(error instanceof MaxconnError && error instanceof Error, String(error));
      assert.equal(error.path, path);
      assert.match(error.problem, problem);
      assert.ok(error.mend.length > 5);
      assert.ok(error.message.includes(error.problem) && error.message.endsWith(error.mend));
      return true;
    });
  };
  refused(() => new Detector({ config: { rule: [{ name: 'userip', treshold: 5 }] } }), 'rule[0].treshold', /./);
  refused(() => new Detector({ config: '{' }), '', /JSON/);
  refused(() => new Detector({ config: [] }), 'config', /not an object/);
  refused(() => new Detector({ configuration: {} }), 'configuration', /no such option/);
  refused(() => new Detector({ source: { format: 'xml' } }), 'source.format', /none of/);
  refused(() => new Detector({ source: { referenceTime: 'today' } }), 'source.referenceTime', /no time/);
  refused(() => new Detector({ only: 'toString' }), 'only', /none of/);
  refused(() => new Detector().restore(new Uint8Array(9)), 'snapshot', /snapshot/);
  const detector = new Detector();
  refused(() => detector.configure({ max_keys: -1 }), 'max_keys', /./);
  assert.equal(detector.push(refusals(40)).length, 30, 'the old one is still in force');
  refused(() => new Detector({ source: { format: 'text' } }).push({}), 'source.format', /object/);
});

test('what is no record is refused, and nothing of its batch is taken', () => {
  const detector = new Detector();
  for (const wrong of [1, null, undefined, [[]], [undefined], [Symbol('x')], [{ toJSON: () => 'x' }]]) {
    assert.throws(() => detector.push(wrong), TypeError);
    assert.throws(() => detector.push(['fine', wrong]), TypeError);
  }
  const bytes = new TextEncoder().encode('x');
  const mistakes = [Promise.resolve('x'), { then() {} }, new Blob(['x']), new Map(), new Set(), new DataView(bytes.buffer), [bytes]];
  for (const wrong of [...mistakes, [Buffer.from('x')], [bytes.buffer], (function* () {})(), new Date()]) {
    assert.throws(() => detector.push(wrong), /not an? .*|await/, String(wrong));
  }
  assert.throws(() => detector.push(Promise.resolve('x')), /await it first/);
  assert.throws(() => detector.push(new Uint8Array(9 * 1024 * 1024).fill(97)), RangeError);
  assert.equal(detector.statistics().maxconn.statistics.records, 0);
});

test('a freed detector says so, and freeing twice does no harm', () => {
  const detector = new Detector();
  detector[Symbol.dispose]();
  detector.free();
  assert.throws(() => detector.push('x'), /freed/);
});

test('detectors know nothing of each other, and their memory comes back', () => {
  const [one, other] = [new Detector({ only: 'alerts' }), new Detector({ only: 'alerts' })];
  assert.equal(one.push(refusals(40)).length, 1);
  assert.equal(other.push(refusals(20)).length, 0);
  const memory = () => one.statistics().maxconn.statistics.memory_bytes;
  const used = () => {
    for (let n = 0; n < 50; n++) {
      const detector = new Detector();
      detector.push(refusals(40, `user${n}`));
      detector.free();
    }
    return memory();
  };
  const first = used();
  assert.ok(first > 0);
  assert.equal(used(), first);
});

test('hostile bytes do no harm', () => {
  const detector = new Detector();
  let state = 1;
  const bytes = new Uint8Array(4096);
  for (let round = 0; round < 50; round++) {
    for (let at = 0; at < bytes.length; at++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      bytes[at] = state >>> 24;
    }
    for (const { text } of detector.push(bytes)) assert.equal(typeof text, 'string');
  }
  assert.equal(detector.push(refusals(40)).length, 30);
});

test('the module is loaded once', async () => {
  await load();
  await assert.rejects(load(new Uint8Array(8)), /loaded already/);
});
