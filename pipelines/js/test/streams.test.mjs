// The Transform and the TransformStream: cut anywhere, the same comes out, in order, ends included.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';

import { entry, refusals } from './here.mjs';

const { Detector } = await entry('maxconn.js');
const { DetectorTransform } = await entry('node.js');
const { DetectorStream } = await entry('web.js');

const mixed = refusals(60, 'ünï').flatMap((line, n) => [line, `{"n":${n},"message":"nothing – 🙂"}`]);
const text = mixed.join('\n');
const whole = new Detector();
const expected = [...whole.push(text), ...whole.finish()].map((result) => result.text);

function* cut(bytes, size) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function throughNode(chunks, options) {
  const outputs = [];
  await pipeline(Readable.from(chunks), new DetectorTransform(options), async (source) => {
    for await (const output of source) outputs.push(output);
  });
  return outputs;
}

async function throughWeb(chunks, options) {
  const outputs = [];
  const stream = ReadableStream.from(chunks).pipeThrough(new DetectorStream(options));
  for await (const output of stream) outputs.push(output);
  return outputs;
}

const lines = (outputs) => Buffer.concat(outputs).toString().replace(/\n$/, '').split('\n');

for (const [name, through] of [['node', throughNode], ['web', throughWeb]]) {
  for (const size of [1, 7, 1000, 1_000_000]) {
    test(`${name}: bytes cut every ${size}`, async () => {
      assert.deepEqual(lines(await through(cut(new TextEncoder().encode(text), size))), expected);
    });
  }

  test(`${name}: text`, async () => assert.deepEqual(lines(await through([text])), expected));

  test(`${name}: objects`, async () => {
    const results = await through(mixed, { mode: 'objects' });
    assert.deepEqual(results.map((result) => result.text), expected);
    assert.equal(results.at(-1).kind, 'alert');
    assert.equal(results.at(-1).record.event.action, 'connection-limit-flood-end');
  });

  test(`${name}: a line without an end is cut, wherever its chunks are`, async () => {
    const long = new Uint8Array(2 * 1024 * 1024 + 5).fill(97);
    const sizes = async (size) => lines(await through(cut(long, size))).map((line) => JSON.parse(line).message.length);
    for (const size of [65_536, 1024 * 1024, 3_000_000]) assert.deepEqual(await sizes(size), [1048576, 1048576, 5]);
  });

  test(`${name}: an error in a record ends the stream with it`, async () => {
    await assert.rejects(through([{}, 5], { mode: 'objects' }), TypeError);
  });

  test(`${name}: a wrong option throws at once`, async () => {
    const make = name === 'node' ? DetectorTransform : DetectorStream;
    assert.throws(() => new make({ mode: 'words' }), /mode/);
    assert.throws(() => new make({ tickEvery: -1 }), /tickEvery/);
    assert.throws(() => new make({ config: { max_keys: 'x' } }), /max_keys/);
  });
}

test('floods stay open for a snapshot where that is asked for', async () => {
  const stream = new DetectorTransform({ keepOpen: true, only: 'alerts' });
  const actions = [];
  await pipeline(Readable.from([text]), stream, async (source) => {
    for await (const output of source) actions.push(...String(output).trim().split('\n'));
  });
  assert.equal(actions.length, 1);
  const next = new Detector();
  next.restore(stream.detector.snapshot());
  assert.equal(next.finish().length, 1);
});

test('ticks end floods of a stream that waits', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const stream = new DetectorTransform({ only: 'alerts', mode: 'objects', tickEvery: 1000 });
  const results = [];
  stream.on('data', (result) => results.push(result));
  await new Promise((taken) => stream.write(refusals(40).join('\n'), taken));
  for (let minute = 0; minute < 20; minute++) t.mock.timers.tick(60_000);
  await new Promise(setImmediate);
  assert.equal(results.at(-1).record.maxconn.flood.end_reason, 'quiet');
  stream.destroy();
});
