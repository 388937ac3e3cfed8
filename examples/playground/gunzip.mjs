// gzip files of several members, as log rotation and `cat a.gz b.gz` make them: browsers unpack one and call the rest junk.

const OVERLAP = 9;

/** The bytes that a file (a Blob) holds, unpacked. `told` hears how many of its own bytes were read. */
export function gunzip(file, told = () => {}) {
  const chunks = members(file, told);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function* members(file, told) {
  const starts = (await headers(file)).filter((at) => at > 0);
  for (let next = 0, start = 0; start < file.size; next++) {
    // How much of this member was given out already.
    for (let given = 0, at = next; ; at++) {
      const end = starts[at] ?? file.size;
      let seen = 0;
      try {
        let read = start;
        const counted = new TransformStream({
          transform(bytes, controller) {
            read += bytes.length;
            told(read);
            controller.enqueue(bytes);
          },
        });
        const packed = file.slice(start, end).stream().pipeThrough(counted);
        const reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader();
        for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
          const fresh = value.subarray(Math.min(value.length, Math.max(0, given - seen)));
          seen += value.length;
          if (fresh.length > 0) yield fresh;
          given = Math.max(given, seen);
        }
      } catch (error) {
        // What looked like the next member's header lay within this one; or it is damaged.
        if (end === file.size) throw error;
        continue;
      }
      [start, next] = [end, at];
      break;
    }
  }
}

/** Where members may begin: what looks like a header is one but for very few. */
async function headers(file) {
  const starts = [];
  let [rest, at] = [new Uint8Array(0), 0];
  const reader = file.stream().getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    const bytes = new Uint8Array(rest.length + value.length);
    bytes.set(rest);
    bytes.set(value, rest.length);
    for (let found = bytes.indexOf(0x1f); found >= 0 && found + OVERLAP < bytes.length; found = bytes.indexOf(0x1f, found + 1)) {
      const [, magic, method, flags, , , , , extra, system] = bytes.subarray(found, found + OVERLAP + 1);
      const isHeader = magic === 0x8b && method === 8 && flags < 0x20 && [0, 2, 4].includes(extra);
      if (isHeader && (system < 14 || system === 255)) starts.push(at + found);
    }
    const kept = Math.min(OVERLAP, bytes.length);
    at += bytes.length - kept;
    rest = bytes.slice(bytes.length - kept);
  }
  return starts;
}
