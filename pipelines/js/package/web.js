// The detector as a web TransformStream: for browsers, workers and Node.

import { Flow } from './flow.js';

/** In the mode 'lines' bytes or text in, cut anywhere, and NDJSON bytes out; in 'objects' records in and results out. */
export class DetectorStream extends TransformStream {
  constructor(options = {}) {
    let flow;
    super({
      start(controller) {
        flow = new Flow(options, (output) => controller.enqueue(output));
      },
      transform: (chunk) => flow.take(chunk),
      flush: () => flow.end(),
      cancel: () => flow.stop(),
    });
    this.detector = flow.detector;
  }
}
