// What both streams (node.js, web.js) do: chunks in, outputs in order, the floods' ends at the end.

import { Detector, MaxconnError } from './maxconn.js';
import { Lines } from './lines.js';

const NEWLINE = new Uint8Array([10]);

export class Flow {
  #emit;
  #lines;
  #timer;
  #keepsOpen;

  constructor(options, emit) {
    const { mode = 'lines', tickEvery = 0, keepOpen = false, ...rest } = options;
    if (mode !== 'lines' && mode !== 'objects') {
      throw new MaxconnError('mode', `${String(mode)} is neither lines nor objects`, 'take one of them');
    }
    if (!(Number.isFinite(tickEvery) && tickEvery >= 0)) {
      throw new MaxconnError('tickEvery', `${String(tickEvery)} is no time`, 'write milliseconds, or 0 for no ticks');
    }
    if (typeof keepOpen !== 'boolean') {
      throw new MaxconnError('keepOpen', `${String(keepOpen)} is neither true nor false`, 'take one of them');
    }
    this.detector = new Detector(rest, ', mode, tickEvery, keepOpen');
    this.#emit = emit;
    this.#keepsOpen = keepOpen;
    if (mode === 'lines') this.#lines = new Lines();
    if (tickEvery > 0) {
      this.#timer = setInterval(() => this.#tick(), tickEvery);
      // A process that waits for nothing else may end.
      this.#timer.unref?.();
    }
  }

  take(chunk) {
    const records = this.#lines === undefined ? chunk : this.#lines.take(chunk);
    if (records !== undefined) this.#give(this.detector.push(records));
  }

  end() {
    this.stop();
    const rest = this.#lines?.rest();
    if (rest !== undefined) this.#give(this.detector.push(rest));
    if (!this.#keepsOpen) this.#give(this.detector.finish());
  }

  /** No more ticks. */
  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick() {
    try {
      this.#give(this.detector.tick());
    } catch {
      // The reader has gone: there is nobody to tell.
      this.stop();
    }
  }

  /** Objects one by one; lines as one piece of NDJSON for each call. */
  #give(results) {
    if (results.length === 0) return;
    if (this.#lines === undefined) {
      for (const result of results) this.#emit(result);
      return;
    }
    const size = results.reduce((size, result) => size + result.bytes.length + 1, 0);
    const output = new Uint8Array(size);
    let at = 0;
    for (const { bytes } of results) {
      output.set(bytes, at);
      output.set(NEWLINE, at + bytes.length);
      at += bytes.length + 1;
    }
    this.#emit(output);
  }
}
