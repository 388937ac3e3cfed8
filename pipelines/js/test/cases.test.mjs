// Every case of testdata/cases through the package, held against what the core says natively.
import assert from 'node:assert/strict';
import test from 'node:test';

import { cases, entry } from './here.mjs';

const { Detector } = await entry('maxconn.js');
const KINDS = ['record', 'record', 'event', 'alert', 'statistics'];
const all = cases();

test('the cases are there', () => assert.ok(all.length >= 60, `${all.length} cases`));

for (const one of all) {
  test(`${one.name}: whole`, () => check(one, (lines) => [lines]));
  test(`${one.name}: batches`, () => check(one, seeded(one.name)));
  // Text in arrays, a line an element: only where no position in the source is told.
  if (!one.has_offsets) test(`${one.name}: lines`, () => check(one, (lines) => [lines.replace(/\n$/, '').split('\n')]));
}

function check(one, cut) {
  const pieces = play(one, cut);
  const expected = one.pieces.map(([kind, text]) => [KINDS[kind], kind === 4 ? withoutMemory(text) : text]);
  for (let at = 0; at < Math.max(pieces.length, expected.length); at++) {
    assert.deepEqual(pieces[at], expected[at], `document ${at + 1}`);
  }
}

function play(one, cut) {
  const source = { format: one.format };
  if (one.path !== null) source.path = one.path;
  if (one.reference_ms !== null) source.referenceTime = one.reference_ms;
  if (one.has_offsets) source.offset = 0;
  const options = { source, config: one.config };
  let detector = new Detector(options);
  const pieces = [];
  const gather = (results) => {
    for (const { kind, text } of results) pieces.push([kind, kind === 'statistics' ? withoutMemory(text) : text]);
  };
  for (const step of one.steps) {
    if ('lines' in step) for (const batch of cut(step.lines)) gather(detector.push(batch));
    else if ('tick' in step) gather(detector.tick(step.tick));
    else if ('finish' in step) gather(detector.finish(step.finish));
    else if ('statistics' in step) pieces.push(['statistics', withoutMemory(JSON.stringify(detector.statistics()))]);
    else {
      const snapshot = detector.snapshot();
      detector.free();
      detector = new Detector(options);
      gather(detector.restore(snapshot));
    }
  }
  detector.free();
  return pieces;
}

/** Up to a few dozen lines a batch, the same for a case whenever it runs. */
function seeded(name) {
  let state = [...name].reduce((seed, letter) => (Math.imul(seed, 31) + letter.charCodeAt(0)) >>> 0, 0x9e3779b9);
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return (lines) => {
    const batches = [];
    for (let start = 0; start < lines.length; ) {
      let end = start;
      for (let count = next() % 40; count >= 0 && end < lines.length; count--) {
        const newline = lines.indexOf('\n', end);
        end = newline < 0 ? lines.length : newline + 1;
      }
      batches.push(lines.slice(start, end));
      start = end;
    }
    return batches;
  };
}

/** The instance's memory differs by design. */
function withoutMemory(text) {
  return JSON.stringify(JSON.parse(text), (key, value) => (key.startsWith('memory') ? undefined : value));
}
