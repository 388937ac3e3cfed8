/// <reference lib="esnext.disposable" />
import type { Alert, Configuration, EnrichedEvent, Refusals, Statistics } from './documents.js';
export type { Alert, Configuration, EnrichedEvent, Pattern, Refusals, Rule, Statistics } from './documents.js';

/** A record: any JSON object. */
export type LogRecord = { [key: string]: unknown };

/** What there is, by kind. */
export interface Documents {
  /** A record without an event, as it came. */
  record: LogRecord;
  /** A record with an event, enriched. */
  event: EnrichedEvent;
  /** About a flood. */
  alert: Alert;
  /** At `statistics_every`: what was refused in a period, and the plugin's own counters. */
  statistics: Refusals | Statistics;
}

/** What a document is. */
export type Kind = keyof Documents;

/** Which kinds come out, by what `only` says: `all` is the default. */
export interface Only {
  all: Kind;
  changed: 'event' | 'alert' | 'statistics';
  events: 'event';
  alerts: 'alert';
}

declare class Document<K extends Kind> {
  private constructor();
  readonly kind: K;
  /** The document as JSON, byte for byte as the plugin has it, without a newline. */
  readonly text: string;
  /** The same as UTF-8. */
  readonly bytes: Uint8Array;
  /** The document as an object, parsed when it is asked for. Throws if a record came in as broken JSON. */
  readonly record: Documents[K];
  toJSON(): Documents[K];
}

/** One document that came out: its `kind` tells what its `record` is. */
export type Result<K extends Kind = Kind> = K extends Kind ? Document<K> : never;
export declare const Result: typeof Document;

/** Where records come from. */
export interface Source {
  /** The file's path: `log.file.path` of text lines. */
  path?: string;
  /**
   * The year that timestamps lack is the latest in which they are not later than this and a day: a file's modification time. Left out, it is the clock at
   * each push; `null` is for none: the time of such records is unknown then.
   */
  referenceTime?: number | Date | null;
  /** `auto` (the default): a line that starts with `{` is a JSON record, any other is text. */
  format?: 'auto' | 'text' | 'json';
  /** The position of the next line in its source, in bytes: text lines get a `log.offset` then. */
  offset?: number;
}

export interface DetectorOptions<O extends keyof Only = keyof Only> {
  /** An object, or JSON. What it does not say is as the module has it. */
  config?: Configuration | string;
  source?: Source;
  /** Which results there are: `all` (the default), `changed` (events, alerts, statistics), `events` or `alerts`. */
  only?: O;
}

/** What can be taken at once. A text or bytes may be many lines. */
export type Records = string | Uint8Array | ArrayBuffer | object | readonly (string | object)[];

/** Something that was given is wrong. */
export declare class MaxconnError extends Error {
  /** Where: `rule[0].threshold`. */
  readonly path: string;
  /** What is wrong. */
  readonly problem: string;
  /** How to mend it. */
  readonly mend: string;
}

/**
 * Loads the module, or another one: bytes, a WebAssembly.Module, a Response, a URL. Once, before the first Detector.
 * (Their types are the DOM's, which not every program has.)
 */
export declare function load(module?: string | object): Promise<void>;

/** Finds floods in one stream of records. */
export declare class Detector<O extends keyof Only = 'all'> {
  constructor(options?: DetectorOptions<O>);
  /** Says where the records that follow come from. */
  setSource(source: Source): void;
  /** Puts another configuration in force; the results are floods that end by it. */
  configure(config: Configuration | string): Result<Only[O]>[];
  /** Takes records, in the order they come; gives what goes on. */
  push(records: Records): Result<Only[O]>[];
  /** Says that time goes on though nothing arrives (default: the clock). */
  tick(nowMs?: number | Date): Result<Only[O]>[];
  /** The end of input: ends every flood. More may follow; it starts afresh. */
  finish(timeMs?: number | Date | null): Result<Only[O]>[];
  /** Ends every open flood, for a stop that keeps no state. */
  shutdown(): Result<Only[O]>[];
  /** What was counted so far. */
  statistics(): Statistics;
  /** All state, open floods included. */
  snapshot(): Uint8Array;
  /** Goes on from a snapshot. */
  restore(snapshot: Uint8Array): Result<Only[O]>[];
  /** Gives the memory back; `using` calls it where there is `Symbol.dispose`. */
  free(): void;
  [Symbol.dispose](): void;
}
