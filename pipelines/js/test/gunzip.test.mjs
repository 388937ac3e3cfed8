// The playground's unpacking, which needs no module.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { gunzip } from '../../../examples/playground/gunzip.mjs';

async function unpacked(...parts) {
  return new Uint8Array(await new Response(gunzip(new Blob(parts))).arrayBuffer());
}

test('a file of one member, and of several, is unpacked whole', async () => {
  const texts = ['one\n', 'two\n'.repeat(50_000), '', 'three\n'].map((text) => Buffer.from(text));
  for (let many = 1; many <= texts.length; many++) {
    const some = texts.slice(0, many);
    assert.deepEqual(Buffer.from(await unpacked(...some.map((text) => gzipSync(text)))), Buffer.concat(some));
  }
});

test('what looks like a header within a member ends none', async () => {
  // Stored as it is, not compressed.
  const inside = Buffer.concat([Buffer.from('before\n'), gzipSync('x'), Buffer.from('\nbehind\n')]);
  const member = gzipSync(inside, { level: 0 });
  assert.ok(member.includes(gzipSync('x')));
  assert.deepEqual(Buffer.from(await unpacked(member, member)), Buffer.concat([inside, inside]));
});

test('a file that is cut off is refused', async () => {
  const whole = gzipSync(Buffer.from('one\n'.repeat(1_000)));
  await assert.rejects(unpacked(whole, whole.subarray(0, 20)));
});
