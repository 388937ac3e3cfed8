import { Transform } from 'node:stream';
import { Detector } from './maxconn.js';
import type { Only } from './maxconn.js';
import type { StreamOptions } from './web.js';

/** The detector as a Transform: NDJSON out of lines, or `Result`s out of records in the mode `objects`. */
export declare class DetectorTransform<O extends keyof Only = 'all'> extends Transform {
  constructor(options?: StreamOptions<O>);
  /** For statistics, snapshots and another configuration. */
  readonly detector: Detector<O>;
}
