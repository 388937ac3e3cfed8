import { Detector } from './maxconn.js';
import type { DetectorOptions, Only } from './maxconn.js';

export interface StreamOptions<O extends keyof Only = keyof Only> extends DetectorOptions<O> {
  /** `lines` (the default): bytes or text, cut anywhere, in and NDJSON out. `objects`: records in and `Result`s out. */
  mode?: 'lines' | 'objects';
  /** On live streams, how often to say that time goes on, in ms. 0 (the default): never. */
  tickEvery?: number;
  /** Whether floods stay open at the end of the stream, because a snapshot is taken then. */
  keepOpen?: boolean;
}

/** The detector as a web TransformStream. */
export declare class DetectorStream<O extends keyof Only = 'all'> extends TransformStream {
  constructor(options?: StreamOptions<O>);
  /** For statistics, snapshots and another configuration. */
  readonly detector: Detector<O>;
}
