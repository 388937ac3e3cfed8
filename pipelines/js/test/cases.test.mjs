// Every case of testdata/cases through the package, held against what the core says natively.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { Worker } from 'node:worker_threads';

import { cases, entry } from './here.mjs';
import { check } from './play.mjs';

const { Detector } = await entry('maxconn.js');
const all = cases();

test('the cases are there', () => assert.ok(all.length >= 60, `${all.length} cases`));

for (const one of all) {
  test(`${one.name}: whole`, () => check(Detector, one, (lines) => [lines]));
  test(`${one.name}: batches`, () => check(Detector, one, seeded(one.name)));
  // Text in arrays, a line an element: only where no position in the source is told.
  if (!one.has_offsets) test(`${one.name}: lines`, () => check(Detector, one, (lines) => [lines.replace(/\n$/, '').split('\n')]));
}

// A module is loaded once in a thread, so each baked one gets a thread of its own.
for (const one of all.filter(({ config }) => config !== null)) {
  test(`${one.name}: baked`, async () => {
    const worker = new Worker(new URL('./baked.mjs', import.meta.url), { workerData: one });
    const [said] = await once(worker, 'message');
    assert.equal(said, 'fine');
  });
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
