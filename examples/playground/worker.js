// Reads logs off the page's thread: one detector over all of them, and what it says into the report. The page made this
// worker of a blob, so that the page's policy holds here too: no connection anywhere.
import { Detector, load } from './maxconn/maxconn.js';
import { Lines } from './maxconn/lines.js';
import { Report, Refused } from './report.js';
import { unpack } from './unpack.js';

/** Between two signs of life, and how long a message of the page waits, in ms. */
const PAUSE_MS = 80;
/** Alerts are given to the browser in pieces of this size, in bytes: it keeps them where it likes. */
const PIECE_BYTES = 4 * 1024 * 1024;

const encoder = new TextEncoder();

let isStopped = false;
let isLoaded = false;

addEventListener('message', async ({ data }) => {
  if (data.stop) {
    isStopped = true;
    return;
  }
  isStopped = false;
  try {
    if (!isLoaded) await load(data.modules.detector);
    isLoaded = true;
    const report = await Report.of(data.modules.report);
    postMessage(data.wanted === 'alerts' ? await alerts(data, report) : await reported(data, report));
  } catch (error) {
    postMessage({ wrong: error.message, refusal: error instanceof Refused ? error.refusal : undefined });
  }
});

/** The report of the inputs. */
async function reported({ inputs, toml, measured }, report) {
  const { report: config } = report.configure(toml);
  if (measured) report.load(new Uint8Array(await measured.arrayBuffer()));
  const known = await read(inputs, { config, only: 'changed' }, (results) => report.push(results), () => report.floods);
  report.push([{ kind: 'statistics', bytes: encoder.encode(known.statistics) }]);
  return { report: report.finish(known) };
}

/** The alerts of the inputs as NDJSON, as the configuration has them. */
async function alerts({ inputs, toml }, report) {
  const { plain: config } = report.configure(toml);
  let [parts, size, whole, floods] = [[], 0, new Blob([]), 0];
  const take = (results) => {
    for (const { kind, bytes, record } of results) {
      if (kind !== 'alert') continue;
      parts.push(bytes.slice(), '\n');
      size += bytes.length;
      if (record.maxconn.flood.state === 'start') floods += 1;
    }
    if (size < PIECE_BYTES) return;
    whole = new Blob([whole, ...parts]);
    [parts, size] = [[], 0];
  };
  await read(inputs, { config, only: 'alerts' }, take, () => floods);
  return { alerts: new Blob([whole, ...parts], { type: 'application/x-ndjson' }) };
}

/** Reads all inputs through one detector, then says what is known of them; the detector's own statistics are JSON. */
async function read(inputs, options, take, floods) {
  const known = { files: inputs.map(({ name }) => name), bytes: 0, unread: [], empty: [], stopped: false };
  const detector = new Detector(options);
  const size = inputs.reduce((sum, { file }) => sum + file.size, 0);
  let [before, last] = [0, performance.now()];
  const told = async (at) => {
    const now = performance.now();
    if (now - last >= PAUSE_MS) {
      last = now;
      postMessage({ progress: { read: before + at, size, floods: floods() } });
      // A turn for messages: to stop, for one.
      await new Promise((resolve) => setTimeout(resolve));
    }
    return !isStopped;
  };
  for (const { name, file, referenceTime } of inputs) {
    if (isStopped) break;
    detector.setSource({ path: name, referenceTime });
    const lines = new Lines();
    const start = known.bytes;
    const push = (bytes) => {
      known.bytes += bytes.length;
      const whole = lines.take(bytes);
      if (whole !== undefined) take(detector.push(whole));
    };
    try {
      await unpack(file, push, told);
    } catch (error) {
      known.unread.push(`${name}: ${error.message ?? error}`);
    }
    const rest = lines.rest();
    if (rest !== undefined) take(detector.push(rest));
    if (known.bytes === start && file.size === 0) known.empty.push(name);
    before += file.size;
  }
  take(detector.finish());
  known.statistics = JSON.stringify(detector.statistics());
  detector.free();
  known.stopped = isStopped;
  return known;
}
