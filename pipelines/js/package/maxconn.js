// The friendly side of the guest: batches in, results out. README.md has examples, maxconn.d.ts the types.

import { Guest, initSync } from './guest.js';
import { ruleOf } from './zone.js';

/** A batch moves in pieces of about this size, so that a large one does not have to be there twice. */
const PIECE_BYTES = 128 * 1024;
/** The longest record. What is longer is refused, for the module's memory has an end. */
const RECORD_MAX_BYTES = 8 * 1024 * 1024;
const NEWLINE = 10;
const FORMATS = ['auto', 'text', 'json'];
/** Which kinds are written, as the command's `--only` has it. */
const ONLY = { all: 7, changed: 6, events: 2, alerts: 4 };
/** The module's kinds: what passes, the record of a text line, an enriched record, an alert, statistics. */
const KINDS = ['record', 'record', 'event', 'alert', 'statistics'];
const [PASSED, STATISTICS] = [0, 4];
const BESIDE =
  "put node_modules/maxconn/maxconn.wasm beside the code that is bundled (vite's dev server: optimizeDeps.exclude = ['maxconn']), or give it to load()";

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

let isLoaded = false;

/** Something that was given is wrong: where, what, and how to mend it. */
export class MaxconnError extends Error {
  constructor(path, problem, mend) {
    super(`${path === '' ? '' : `${path}: `}${problem}; ${mend}`);
    this.name = 'MaxconnError';
    this.path = path;
    this.problem = problem;
    this.mend = mend;
  }
}

/** One document that came out. Its text and its record are made when they are asked for. */
export class Result {
  #bytes;
  #start;
  #end;
  #text;
  #record;

  constructor(kind, bytes, start, end) {
    this.kind = kind;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** The document as JSON, byte for byte as the plugin has it, without a newline. */
  get text() {
    this.#text ??= decoder.decode(this.bytes);
    return this.#text;
  }

  /** The same as UTF-8. */
  get bytes() {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** The document as an object. A record that came in as broken JSON goes on as it is, and this throws. */
  get record() {
    this.#record ??= JSON.parse(this.text);
    return this.#record;
  }

  toJSON() {
    return this.record;
  }
}

/**
 * Loads the module: once, before the first `Detector`. Node finds the package's own by itself, and there this may be
 * left out. `module` is another one (bytes, a compiled module, a Response, a URL): one with a configuration baked in.
 */
export async function load(module) {
  if (module === undefined) {
    if (isLoaded || loadFromDisk()) return;
    module = own();
  }
  if (isLoaded) throw new Error('the module is loaded already; call load() once, before the first Detector');
  if (module instanceof URL || typeof module === 'string') module = await fetch(module);
  let from = 'what load() was given';
  if (typeof Response === 'function' && module instanceof Response) {
    from = module.url;
    if (!module.ok) throw new Error(`${from}: ${module.status} ${module.statusText}; ${BESIDE}`);
    module = await module.arrayBuffer();
  }
  if (!(module instanceof WebAssembly.Module)) {
    module = await WebAssembly.compile(module).catch((cause) => {
      throw new Error(`${from} is no WebAssembly (${cause.message}); ${BESIDE}`, { cause });
    });
  }
  start(module);
}

/** Where the package's own module is. Bundlers know this form, and take the module along. */
function own() {
  try {
    return new URL('./maxconn.wasm', import.meta.url);
  } catch (cause) {
    throw new Error(`this code does not know where it is, as it was bundled into a script; ${BESIDE}`, { cause });
  }
}

function start(module) {
  if (isLoaded) return;
  const exports = WebAssembly.Module.exports(module);
  if (!exports.some((one) => one.name === 'guest_push')) {
    throw new Error('this is not the module of the maxconn package; bake your configuration into its maxconn.wasm');
  }
  initSync({ module });
  isLoaded = true;
}

/** In Node, the file beside this one. Asked for like this, bundlers for browsers do not trip over it. */
function loadFromDisk() {
  const fs = globalThis.process?.getBuiltinModule?.('node:fs');
  const url = fs === undefined ? undefined : own();
  if (url?.protocol !== 'file:') return false;
  let bytes;
  try {
    bytes = fs.readFileSync(url);
  } catch (cause) {
    throw new Error(`${url.pathname} cannot be read (${cause.message}); ${BESIDE}`, { cause });
  }
  start(new WebAssembly.Module(bytes));
  return true;
}

/** Finds floods in one stream of records. */
export class Detector {
  #guest;
  #format = 'auto';
  #offset;
  #hasStatistics;
  /** Undefined: the clock at each push, for a live stream may go on for years. Null: none. */
  #reference;

  /** The streams have options of their own beside these, which they name here for the error. */
  constructor(options = {}, others = '') {
    const { config, source, only = 'all', ...unknown } = object(options, 'options');
    refuseUnknown(unknown, `config, source, only${others}`);
    if (!Object.hasOwn(ONLY, only)) {
      throw new MaxconnError('only', `${show(only)} is none of ${Object.keys(ONLY).join(', ')}`, 'take one of them');
    }
    if (!isLoaded && !loadFromDisk()) {
      throw new Error('the module is not loaded yet; call `await load()` once before the first Detector');
    }
    this.#guest = told(() => new Guest(json(config)));
    this.#guest.want(ONLY[only]);
    this.#hasStatistics = only === 'all' || only === 'changed';
    if (source !== undefined) this.setSource(source);
  }

  /** Says where the records that follow come from. */
  setSource(source) {
    const { path, referenceTime, format = 'auto', offset, ...unknown } = object(source, 'source');
    refuseUnknown(unknown, 'path, referenceTime, format, offset', 'source.');
    const number = FORMATS.indexOf(format);
    if (number < 0) {
      throw new MaxconnError('source.format', `${show(format)} is none of ${FORMATS.join(', ')}`, 'take one of them');
    }
    if (path !== undefined && typeof path !== 'string') {
      throw new MaxconnError('source.path', `${show(path)} is not a text`, 'write the path of the log file');
    }
    if (offset !== undefined && !(Number.isSafeInteger(offset) && offset >= 0)) {
      throw new MaxconnError('source.offset', `${show(offset)} is no position`, 'write the number of bytes before the first line');
    }
    this.#reference = referenceTime == null ? referenceTime : time(referenceTime, 'source.referenceTime');
    this.#live.source(path, number);
    this.#format = format;
    this.#offset = offset;
  }

  /** Puts another configuration in force; the results are the floods that end by it. */
  configure(config) {
    told(() => this.#live.configure(json(config)));
    return this.#results();
  }

  /**
   * Takes records: a text or bytes of one or many lines, an object, or an array of texts and objects. Gives what goes
   * on, in order. Nothing of a batch is taken if any of it is refused.
   */
  push(records) {
    const bytes = this.#lines(records);
    const cuts = pieces(bytes);
    const results = [];
    if (this.#reference === undefined) this.#live.clock(Date.now());
    this.#live.reference(this.#reference === undefined ? Date.now() : (this.#reference ?? undefined));
    for (let piece = 0; piece + 1 < cuts.length; piece++) {
      let start = cuts[piece];
      const end = cuts[piece + 1];
      while (start < end) {
        const input = bytes.subarray(start, end);
        const consumed = this.#live.push(input, this.#offset);
        this.#results(results, input);
        start += consumed;
        if (this.#offset !== undefined) this.#offset += consumed;
      }
    }
    return results;
  }

  /** Says that time goes on though nothing arrives, so that quiet floods end: every second or so on live streams. */
  tick(nowMs = Date.now()) {
    const now = time(nowMs, 'nowMs');
    return this.#drive(() => this.#live.tick(now));
  }

  /** The end of input, at the time of its last line or, without one, of the newest event: ends every flood. */
  finish(timeMs) {
    const end = timeMs === undefined || timeMs === null ? undefined : time(timeMs, 'timeMs');
    return this.#drive(() => this.#live.finish(end));
  }

  /** Ends every open flood, for a stop that keeps no state. */
  shutdown() {
    return this.#drive(() => this.#live.shutdown());
  }

  /** What was counted so far. */
  statistics() {
    this.#live.statistics();
    return JSON.parse(decoder.decode(this.#live.bytes()));
  }

  /** All state, open floods included. */
  snapshot() {
    return this.#live.snapshot();
  }

  /** Goes on from a snapshot; the results are floods that end because the configuration is another. */
  restore(snapshot) {
    if (!(snapshot instanceof Uint8Array)) throw new TypeError('a snapshot is a Uint8Array, as snapshot() gave it');
    told(() => this.#live.restore(snapshot));
    return this.#results();
  }

  /** Gives the memory back. The detector is of no use afterwards. */
  free() {
    this.#guest?.free();
    this.#guest = undefined;
  }

  get #live() {
    if (this.#guest === undefined) throw new Error('this Detector was freed; make another one');
    return this.#guest;
  }

  #drive(call) {
    const results = [];
    for (;;) {
      const isDone = call();
      this.#results(results);
      if (isDone) return results;
    }
  }

  /** What the last call left, a result for each document. */
  #results(results = [], input = undefined) {
    const guest = this.#live;
    const segments = guest.segments();
    if (segments.length === 0) return results;
    const bytes = guest.bytes();
    for (let at = 0; at < segments.length; at += 3) {
      if (segments[at] === STATISTICS && !this.#hasStatistics) continue;
      const kind = KINDS[segments[at]];
      let start = segments[at + 1];
      const end = start + segments[at + 2];
      if (segments[at] !== PASSED) {
        results.push(new Result(kind, bytes, start, end - 1));
        continue;
      }
      while (start < end) {
        const newline = input.indexOf(NEWLINE, start);
        const stop = newline < 0 ? end : newline;
        results.push(new Result(kind, input, start, stop));
        start = stop + 1;
      }
    }
    return results;
  }

  /** The records as lines, in memory of our own, because results point into it. */
  #lines(records) {
    if (typeof records === 'string') return encoder.encode(records);
    if (records instanceof Uint8Array) return records.slice();
    if (records instanceof ArrayBuffer) return new Uint8Array(records).slice();
    if (!Array.isArray(records)) return encoder.encode(this.#line(records));
    let text = '';
    for (const record of records) text += this.#line(record);
    return encoder.encode(text);
  }

  #line(record) {
    if (typeof record === 'string') return record.endsWith('\n') ? record : `${record}\n`;
    const text = isObject(record) ? JSON.stringify(record) : undefined;
    if (text === undefined || !text.startsWith('{')) {
      throw new TypeError(`a record is a text or an object, not ${what(record)}`);
    }
    if (this.#format === 'text') {
      throw new MaxconnError('source.format', 'a record is an object, and the source is said to be text', "take 'auto' or 'json'");
    }
    return `${text}\n`;
  }
}

if (typeof Symbol.dispose === 'symbol') {
  Object.defineProperty(Detector.prototype, Symbol.dispose, { value: Detector.prototype.free });
}

/** Where the batch is cut: at line ends. */
function pieces(bytes) {
  const cuts = [0];
  let start = 0;
  while (start < bytes.length) {
    let end = bytes.length;
    if (end - start > PIECE_BYTES) {
      end = bytes.lastIndexOf(NEWLINE, start + PIECE_BYTES - 1) + 1;
      if (end <= start) end = bytes.indexOf(NEWLINE, start) + 1;
      if (end === 0) end = bytes.length;
    }
    if (end - start > RECORD_MAX_BYTES) {
      throw new RangeError(`a record has ${end - start} bytes, more than ${RECORD_MAX_BYTES}; cut it or leave it out`);
    }
    cuts.push(end);
    start = end;
  }
  return cuts;
}

function json(config) {
  if (config === undefined || config === null) return '';
  if (typeof config !== 'string') return JSON.stringify(withRule(object(config, 'config')));
  let parsed;
  try {
    parsed = JSON.parse(config);
  } catch {
    // The module says what is wrong with it, and where.
  }
  const changed = withRule(parsed);
  return changed === parsed ? config : JSON.stringify(changed);
}

/** The configuration with the rule of its time zone, if that is a name: the module knows no names. */
function withRule(config) {
  const timezone = config?.timezone;
  if (typeof timezone !== 'string') return config;
  const rule = ruleOf(timezone);
  if (rule !== undefined) return { ...config, timezone: rule };
  if (!/^[a-z_]+\//i.test(timezone)) return config;
  throw new MaxconnError(
    'timezone',
    `${show(timezone)} is no time zone that this JavaScript engine knows`,
    'write a name as "Europe/Berlin", an offset as "+02:00", or a POSIX TZ string, e.g. "CET-1CEST,M3.5.0,M10.5.0/3"',
  );
}

function object(value, path) {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new MaxconnError(path, `${show(value)} is not an object`, 'write it as { … }, or leave it out');
}

/** Whether it has members of its own: what has a tag (a Promise, Map, Blob or buffer) keeps its content elsewhere. */
function isObject(value) {
  return Object.prototype.toString.call(value) === '[object Object]' && typeof value.then !== 'function';
}

/** What it is, for a message: the mistakes that are easily made get their mend. */
function what(value) {
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (typeof value !== 'object' || value === null) return show(value);
  if (tag === 'Promise' || typeof value.then === 'function') return 'a Promise; await it first';
  if (tag === 'Blob' || tag === 'File') return `a ${tag}; push(await it.arrayBuffer()), or stream it`;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `a ${tag}; push bytes as one Uint8Array or ArrayBuffer`;
  if (typeof value[Symbol.iterator] === 'function' || typeof value[Symbol.asyncIterator] === 'function') {
    return `a ${tag}; push an array`;
  }
  return tag === 'Object' ? 'an object that is none as JSON' : `a ${tag}`;
}

function refuseUnknown(unknown, known, path = '') {
  for (const key of Object.keys(unknown)) throw new MaxconnError(path + key, 'there is no such option', `there are ${known}`);
}

/** Milliseconds since the Unix epoch, of a number or a Date. */
function time(value, path) {
  const milliseconds = Math.trunc(Number(value));
  if ((typeof value === 'number' || value instanceof Date) && Number.isFinite(milliseconds)) return milliseconds;
  throw new MaxconnError(path, `${show(value)} is no time`, 'write a Date or milliseconds since 1970');
}

/** Makes an error of what the module refuses. */
function told(call) {
  try {
    return call();
  } catch (refusal) {
    if (typeof refusal !== 'string') throw refusal;
    const { path, problem, mend } = JSON.parse(refusal);
    throw new MaxconnError(path, problem, mend);
  }
}

function show(value) {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
