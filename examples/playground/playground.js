// Everything that a log says is set as text, never as HTML: user names come from whoever tries to log in.
import { Detector, load } from './maxconn/maxconn.js';
import { DetectorStream } from './maxconn/web.js';
import { gunzip } from './gunzip.mjs';

/** More rows than anybody reads; the totals go on. */
const ROWS_MAX = 2_000;

const at = (id) => document.getElementById(id);
const [drop, file, text, run, status, summary] = ['drop', 'file', 'text', 'run', 'status', 'summary'].map(at);
const rows = at('alerts').tBodies[0];
const count = new Intl.NumberFormat('en');
let dropped;

function element(name, className, content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = content;
  return made;
}

function say(sentence, isWrong = false) {
  status.textContent = sentence;
  status.classList.toggle('wrong', isWrong);
}

/** Some values and how many more there are. */
function some(values, total) {
  const list = [values ?? []].flat();
  const shown = list.slice(0, 3).join(', ');
  const more = Math.max(total ?? 0, list.length) - Math.min(3, list.length);
  return more > 0 && shown !== '' ? `${shown} and ${count.format(more)} more` : shown || '–';
}

function row(record) {
  const flood = record.maxconn.flood;
  const line = document.createElement('tr');
  const cause = element('td', 'cause', flood.cause?.hint ?? '–');
  if (flood.cause?.advice) cause.append(element('small', '', flood.cause.advice));
  const state = document.createElement('td');
  state.append(element('span', `state ${flood.state}`, flood.state));
  line.append(
    element('td', 'time', record['@timestamp'].replace('T', ' ').replace(/\.\d+Z$/, '')),
    state,
    element('td', 'who', some(record.user?.name ?? record.related?.user, flood.distinct?.users)),
    element('td', 'from', some(record.source?.ip ?? record.related?.ip, flood.distinct?.ips)),
    element('td', 'number', count.format(flood.count)),
    element('td', 'number', flood.rate?.mean === undefined ? '–' : flood.rate.mean.toFixed(1)),
    cause,
  );
  return line;
}

function summarise({ records, passed, suppressed }, floods, alerts) {
  const figures = [
    ['floods', 'Floods', floods],
    ['alerts-sent', 'Alerts', alerts],
    ['records', 'Records', records],
    ['suppressed', 'Held back', suppressed],
    ['passed', 'Going on', passed],
  ];
  summary.replaceChildren(
    ...figures.map(([name, title, value]) => {
      const pair = document.createElement('div');
      const figure = element('dd', '', count.format(value));
      figure.dataset.figure = name;
      pair.append(element('dt', '', title), figure);
      return pair;
    }),
  );
}

/** The bytes of a file, unpacked if it begins as gzip does. */
async function bytesOf(log) {
  const head = new Uint8Array(await log.slice(0, 2).arrayBuffer());
  return head[0] === 0x1f && head[1] === 0x8b ? gunzip(log) : log.stream();
}

/** What a log without a flood is, and what of it was not understood. */
function clear({ records, unrecognised, events }) {
  const refused = Object.values(events).reduce((sum, some) => sum + some, 0);
  if (records === 0) return 'Nothing was read: this log is empty.';
  if (refused > 0) return `No flood in this log, but ${count.format(refused)} refused connections, never enough at a time.`;
  return unrecognised > 0 ? 'No refusal in this log that could be read; see above.' : 'No flood in this log.';
}

function notUnderstood({ unrecognised, unrecognised_sample: sample, untimed }) {
  const sentences = [];
  if (unrecognised > 0) {
    sentences.push(` ${count.format(unrecognised)} records say what refusals say and could not be read; the first: ${sample}`);
  }
  if (untimed > 0) sentences.push(` ${count.format(untimed)} refusals have no time that could be read and are in no flood.`);
  return sentences.join('');
}

async function find(log, referenceTime) {
  run.disabled = true;
  say('Reading…');
  const started = performance.now();
  try {
    const lines = new DetectorStream({ only: 'alerts', mode: 'lines', source: { path: log.name, referenceTime } });
    const floods = new Set();
    let [alerts, rest] = [0, ''];
    const found = [];
    const take = (line) => {
      const record = JSON.parse(line);
      if (record.event.kind !== 'alert') return;
      alerts += 1;
      floods.add(record.maxconn.flood.id);
      if (found.length < ROWS_MAX) found.push(row(record));
    };
    const reader = (await bytesOf(log)).pipeThrough(lines).pipeThrough(new TextDecoderStream()).getReader();
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      const parts = (rest + value).split('\n');
      rest = parts.pop();
      parts.forEach(take);
    }
    const { statistics } = lines.detector.statistics().maxconn;
    lines.detector.free();
    if (found.length === 0) {
      const none = element('td', 'empty', clear(statistics));
      none.colSpan = 7;
      const line = document.createElement('tr');
      line.append(none);
      found.push(line);
    }
    rows.replaceChildren(...found);
    summarise(statistics, floods.size, alerts);
    const unseen = alerts > ROWS_MAX ? ` The first ${count.format(ROWS_MAX)} alerts are shown.` : '';
    say(`Done in ${((performance.now() - started) / 1000).toFixed(1)} s.${unseen}${notUnderstood(statistics)}`);
  } catch (error) {
    say(`This log could not be read: ${error.message}`, true);
  }
  run.disabled = false;
}

function chosen() {
  return dropped ?? file.files[0];
}

run.addEventListener('click', () => {
  const log = chosen();
  if (log) find(log, log.lastModified);
  else if (text.value !== '') find(new Blob([text.value]), Date.now());
  else say('Drop or choose a file, or paste lines, first.', true);
});
file.addEventListener('change', () => {
  dropped = undefined;
  if (file.files[0]) find(file.files[0], file.files[0].lastModified);
});
text.addEventListener('input', () => {
  dropped = undefined;
  file.value = '';
});
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle('over', kind === 'dragenter' || kind === 'dragover');
    if (kind !== 'drop' || event.dataTransfer.files.length === 0) return;
    [dropped] = event.dataTransfer.files;
    find(dropped, dropped.lastModified);
  });
}

try {
  await load();
  summarise(new Detector().statistics().maxconn.statistics, 0, 0);
  run.disabled = false;
  say('Ready.');
} catch (error) {
  say(`The module could not be loaded: ${error.message}`, true);
}
