// Chunks of a stream, cut anywhere, into pieces of whole lines. Both streams (node.js, web.js) stand on this.

/** The longest line. What is too much of one goes on as lines of its own, as `maxconn replay` has it. */
export const LINE_MAX_BYTES = 1024 * 1024;

const NEWLINE = 10;
const LINE_END = new Uint8Array([NEWLINE]);
const encoder = new TextEncoder();

export class Lines {
  /** What waits for the end of its line. */
  #parts = [];
  #size = 0;

  /** Takes a chunk; gives the whole lines that are there by now, or nothing. */
  take(chunk) {
    const bytes = typeof chunk === 'string' ? encoder.encode(chunk) : view(chunk);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      this.#keep(bytes.subarray(0, end));
      const whole = this.#join();
      this.#keep(bytes.subarray(end));
      return whole.length > LINE_MAX_BYTES ? cut(whole) : whole;
    }
    this.#keep(bytes);
    if (this.#size <= LINE_MAX_BYTES) return undefined;
    const long = this.#join();
    const ready = (Math.ceil(long.length / LINE_MAX_BYTES) - 1) * LINE_MAX_BYTES;
    this.#keep(long.subarray(ready));
    return cut(long.subarray(0, ready));
  }

  /** What is left at the end: a line without its newline, or nothing. */
  rest() {
    return this.#size > 0 ? this.#join() : undefined;
  }

  #keep(bytes) {
    if (bytes.length === 0) return;
    // The chunk is its sender's, who may write into it again.
    this.#parts.push(bytes.slice());
    this.#size += bytes.length;
  }

  #join() {
    const whole = join(this.#parts);
    this.#parts = [];
    this.#size = 0;
    return whole;
  }
}

/** The same with every line that is too long cut into lines, at the same places however it came in. */
function cut(bytes) {
  const parts = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const stop = newline < 0 ? bytes.length : newline;
    const end = Math.min(stop, start + LINE_MAX_BYTES);
    parts.push(bytes.subarray(start, end), LINE_END);
    start = end === stop ? stop + 1 : end;
  }
  return join(parts);
}

function join(parts) {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes, whatever kind of view or buffer they come in. */
function view(chunk) {
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError('a chunk is neither text nor bytes; records that are objects go through the mode objects');
}
