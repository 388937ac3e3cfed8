// The detector as a Transform of Node's streams.

import { Transform } from 'node:stream';

import { Flow } from './flow.js';

/** In the mode 'lines' bytes or text in, cut anywhere, and NDJSON out; in 'objects' records in and results out. */
export class DetectorTransform extends Transform {
  #flow;

  constructor(options = {}) {
    const isObjects = options.mode === 'objects';
    super({ readableObjectMode: isObjects, writableObjectMode: isObjects });
    this.#flow = new Flow(options, (output) => this.push(output));
    this.detector = this.#flow.detector;
  }

  _transform(chunk, _encoding, done) {
    attempt(done, () => this.#flow.take(chunk));
  }

  _flush(done) {
    attempt(done, () => this.#flow.end());
  }

  _destroy(error, done) {
    this.#flow.stop();
    done(error);
  }
}

function attempt(done, call) {
  try {
    call();
  } catch (error) {
    done(error);
    return;
  }
  done();
}
