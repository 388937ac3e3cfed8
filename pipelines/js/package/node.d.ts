import { Transform } from 'node:stream';
import { Detector } from './maxconn.js';
import type { StreamOptions } from './web.js';

/** The detector as a Transform: NDJSON out of lines, or `Result`s out of records in the mode `objects`. */
export declare class DetectorTransform extends Transform {
  constructor(options?: StreamOptions);
  /** For statistics, snapshots and another configuration. */
  readonly detector: Detector;
}
