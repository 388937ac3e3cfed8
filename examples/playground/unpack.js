// Logs as they lie on disks: plain, gzip (of several members too), zstd. Whatever a file claims, no more of it is in memory
// than a piece and what its packer needs to look back at.
import { Decompress } from './fzstd-0.1.1/fzstd.mjs';
import { gunzip } from './gunzip.mjs';

/** Packed bytes that are unpacked at a time: a block of 128 KiB may come of four. */
const PIECE_BYTES = 16 * 1024;

const PACKED = [
  { name: 'gzip', magic: [0x1f, 0x8b], unpack: gzip },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: zstd },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58], mend: 'unpack it first: xz -dk FILE' },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], mend: 'unpack it first: bzip2 -dk FILE' },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04], mend: 'unpack it first: unzip FILE' },
];

/**
 * Gives the bytes of a file (a Blob), unpacked, to `take`. `told` is awaited with how many of its own bytes were read, and
 * answers whether to go on.
 */
export async function unpack(file, take, told) {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const packed = PACKED.find(({ magic }) => magic.every((byte, at) => head[at] === byte));
  if (packed?.mend) throw new Error(`it is packed with ${packed.name}, which browsers cannot unpack; ${packed.mend}`);
  await (packed?.unpack ?? plain)(file, take, told);
}

async function plain(file, take, told) {
  await each(file.stream(), async (bytes, at) => {
    take(bytes);
    return told(at);
  });
}

async function gzip(file, take, told) {
  let read = 0;
  const chunks = gunzip(file, (at) => (read = at));
  await each(chunks, async (bytes) => {
    take(bytes);
    return told(read);
  });
}

async function zstd(file, take, told) {
  const unpacker = new Decompress((bytes) => bytes.length > 0 && take(bytes));
  const isWhole = await each(file.stream(), async (bytes, at) => {
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      // It keeps what it cannot use yet, and the stream's own bytes may be written to again.
      unpacker.push(bytes.slice(from, from + PIECE_BYTES), false);
      if (!(await told(at - bytes.length + Math.min(bytes.length, from + PIECE_BYTES)))) return false;
    }
    return true;
  });
  if (isWhole) unpacker.push(new Uint8Array(0), true);
}

/** Calls with each chunk and the bytes until its end, while that answers true. Whether all were read. */
async function each(stream, call) {
  const reader = stream.getReader();
  let at = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    at += value.length;
    if (await call(value, at)) continue;
    await reader.cancel();
    return false;
  }
  return true;
}
