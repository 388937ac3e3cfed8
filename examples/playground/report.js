// The report's module: configuration and what the plugin says in, the report and its page out. report/wasm/ is the other side.
import { ruleOf } from './maxconn/zone.js';

const KINDS = { event: 2, alert: 3, statistics: 4 };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a call refused: its fields say what is wrong, of a configuration also where. */
export class Refused extends Error {
  constructor(refusal) {
    super([refusal.path, refusal.problem].filter(Boolean).join(': ') + (refusal.mend ? `; ${refusal.mend}` : ''));
    this.refusal = refusal;
  }
}

export class Report {
  #calls;

  static async of(module) {
    const report = new Report();
    report.#calls = (await WebAssembly.instantiate(module, {})).exports;
    return report;
  }

  /** Begins a report under a configuration in TOML, which comes back as objects: `plain` as it is, `report` for the detector. */
  configure(toml) {
    const call = (asked) => JSON.parse(this.#call('configure', encoder.encode(JSON.stringify(asked))));
    try {
      return call({ toml });
    } catch (error) {
      // A name of a time zone, which the browser knows and the module does not.
      const rule = ruleOf(error.refusal?.zone ?? '');
      if (rule === undefined) throw error;
      return call({ toml, rule });
    }
  }

  /** What was measured over time, in one of the forms that `--load` takes. */
  load(bytes) {
    this.#call('load', bytes);
  }

  /** Takes results of a detector, in their order. */
  push(results) {
    for (let from = 0; from < results.length; ) {
      const { kind } = results[from];
      let [to, size] = [from, 0];
      for (; to < results.length && results[to].kind === kind; to++) size += results[to].bytes.length + 1;
      if (kind in KINDS) {
        const memory = this.#room(size);
        let at = 0;
        for (; from < to; from++) {
          memory.set(results[from].bytes, at);
          at += results[from].bytes.length;
          memory[at++] = 10;
        }
        this.#answer(this.#calls.report_push(KINDS[kind], size));
      }
      from = to;
    }
  }

  get floods() {
    return this.#calls.report_floods();
  }

  /** The report as JSON. */
  finish(known) {
    return this.#call('finish', encoder.encode(JSON.stringify(known)));
  }

  /** The page of a report that is JSON. */
  page(json) {
    return this.#call('page', encoder.encode(json));
  }

  #call(name, bytes) {
    this.#room(bytes.length).set(bytes);
    return this.#answer(this.#calls[`report_${name}`](bytes.length));
  }

  #room(size) {
    const at = this.#calls.report_input(size);
    if (at === 0) throw new Error(`${size} bytes are too many at once`);
    return new Uint8Array(this.#calls.memory.buffer, at, size);
  }

  #answer(answer) {
    if (answer < 0) throw new Error('the report does not understand what it was given');
    const [at, size] = new Uint32Array(this.#calls.memory.buffer, this.#calls.report_output(), 2);
    const text = decoder.decode(new Uint8Array(this.#calls.memory.buffer, at, size));
    if (answer > 0) throw new Refused(JSON.parse(text));
    return text;
  }
}
