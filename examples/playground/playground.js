// The page: logs and configuration in, a worker that reads them, the report's own view, and what can be saved of it. What a
// log says gets into the page through that view alone, as text.
import { Refused, Report } from './report.js';

/** The configuration one starts with: nothing but a word of what could be there. */
const TOML = `# As in maxconn.toml; what is not here stays as it is by default. For example:
#
# [[rule]]
# name = "userip"
# threshold = 30
# within = "1m"
`;

const at = (id) => document.getElementById(id);
const [file, measured, text, toml] = ['file', 'measured', 'text', 'toml'].map(at);
const [drop, status, progress, stop] = ['drop', 'status', 'progress', 'stop'].map(at);
const number = new Intl.NumberFormat('en');

/** What is read: `inputs` as the worker takes them, and the load beside them. */
const chosen = { inputs: [], load: undefined };
let [modules, example, source, judge, worker, json] = [];

/** Everything that this page ever fetches; afterwards it may not, and neither may its workers. */
async function fetched() {
  const [detector, report, log, code] = await Promise.all(
    ['maxconn/maxconn.wasm', 'report.wasm', 'example.log.gz', 'worker.js'].map(async (name) => {
      const url = new URL(name, import.meta.url);
      const answer = await fetch(url);
      if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
      return name === 'worker.js' ? url.href : answer.arrayBuffer();
    }),
  );
  modules = { detector: await WebAssembly.compile(detector), report: await WebAssembly.compile(report) };
  example = new File([log], 'example.log.gz', { lastModified: Date.UTC(2026, 10, 30) });
  // A worker of a blob is under the policy of the page that made it; one of a file would be under none.
  source = URL.createObjectURL(new Blob([`import ${JSON.stringify(code)};`], { type: 'text/javascript' }));
  const sealed = document.createElement('meta');
  sealed.httpEquiv = 'Content-Security-Policy';
  sealed.content = "connect-src 'none'";
  document.head.append(sealed);
  judge = await Report.of(modules.report);
}

function say(sentence, isWrong = false) {
  status.textContent = sentence;
  status.classList.toggle('wrong', isWrong);
}

function busy(isBusy) {
  stop.disabled = !isBusy;
  for (const id of ['file', 'measured', 'example', 'run', 'again']) at(id).disabled = isBusy;
  for (const id of ['page', 'json', 'alerts']) at(id).disabled = isBusy || json === undefined;
}

/** Has the worker do something; what it says last is the answer. */
function ask(wanted) {
  const started = performance.now();
  progress.value = 0;
  say('Reading…');
  busy(true);
  // A worker that failed is of no use any more.
  worker ??= new Worker(source, { type: 'module' });
  return new Promise((resolve) => {
    const done = (answer) => {
      progress.value = 1;
      resolve({ ...answer, seconds: (performance.now() - started) / 1000 });
    };
    worker.onerror = (event) => {
      event.preventDefault?.();
      worker.terminate();
      worker = undefined;
      done({ wrong: event.message ?? 'the worker failed' });
    };
    worker.onmessage = ({ data }) => {
      if (!data.progress) return done(data);
      const { read, size, floods } = data.progress;
      progress.value = size > 0 ? read / size : 1;
      say(`${(read / 1e6).toFixed(1)} of ${(size / 1e6).toFixed(1)} MB read, ${number.format(floods)} ${floods === 1 ? 'flood' : 'floods'} so far`);
    };
    worker.postMessage({ wanted, modules, inputs: chosen.inputs, measured: chosen.load, toml: toml.value });
  });
}

async function find() {
  if (!check()) return say('The configuration is wrong; see above.', true);
  const answer = await ask('report');
  if (answer.wrong) {
    say(`This could not be read: ${answer.wrong}`, true);
  } else {
    json = answer.report;
    const report = JSON.parse(json);
    // eslint-disable-next-line no-undef -- the report's view is a script, not a module.
    render(report, at('report-view'));
    const lines = `${number.format(report.input.lines)} lines`;
    say(`${report.input.stopped ? 'Stopped after' : 'Done:'} ${lines} in ${answer.seconds.toFixed(1)} s.`);
  }
  busy(false);
}

/** What is dropped, chosen or pasted, the oldest first, as logs are rotated. */
function take(files) {
  const ordered = [...files].sort((one, other) => one.lastModified - other.lastModified);
  chosen.inputs = ordered.map((one) => ({ name: one.name, file: one, referenceTime: one.lastModified }));
  return find();
}

/** Judges the configuration and shows what is wrong at its line. Whether it is right. */
function check() {
  let wrong;
  try {
    judge.configure(toml.value);
  } catch (error) {
    wrong = error instanceof Refused ? error.refusal : { problem: error.message };
  }
  const own = toml.value.split('\n').some((line) => /^\s*[^#\s]/.test(line));
  at('verdict').textContent = wrong ? `wrong${wrong.line ? ` in line ${wrong.line}` : ''}` : own ? 'your own' : 'defaults';
  at('verdict').classList.toggle('wrong', wrong !== undefined);
  at('mistake').textContent = wrong ? `${wrong.line ? `Line ${wrong.line}: ` : ''}${wrong.path ? `${wrong.path}: ` : ''}${wrong.problem}\n${wrong.shown ?? ''}${wrong.mend ? `help: ${wrong.mend}` : ''}` : '';
  toml.setAttribute('aria-invalid', String(wrong !== undefined));
  if (wrong) at('settings').open = true;
  const lines = toml.value.split('\n').length;
  at('numbers').replaceChildren(
    ...Array.from({ length: lines }, (_, line) => {
      const made = document.createElement('span');
      made.textContent = line + 1;
      made.classList.toggle('wrong', line + 1 === wrong?.line);
      return made;
    }),
  );
  at('numbers').scrollTop = toml.scrollTop;
  return wrong === undefined;
}

function save(name, blob) {
  const link = document.createElement('a');
  link.download = name;
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

file.addEventListener('change', () => file.files.length > 0 && take(file.files));
measured.addEventListener('change', () => {
  [chosen.load] = measured.files;
  if (chosen.load) find();
});
at('example').addEventListener('click', () => {
  chosen.load = undefined;
  take([example]);
});
at('run').addEventListener('click', () => {
  if (text.value === '') say('Paste lines first.', true);
  else take([new File([text.value], 'pasted lines')]);
});
at('again').addEventListener('click', find);
stop.addEventListener('click', () => worker?.postMessage({ stop: true }));
toml.addEventListener('input', check);
toml.addEventListener('scroll', () => (at('numbers').scrollTop = toml.scrollTop));
at('page').addEventListener('click', () => save('maxconn-report.html', new Blob([judge.page(json)], { type: 'text/html' })));
at('json').addEventListener('click', () => save('maxconn-report.json', new Blob([json], { type: 'application/json' })));
at('alerts').addEventListener('click', async () => {
  const answer = await ask('alerts');
  if (answer.wrong) say(`The alerts could not be written: ${answer.wrong}`, true);
  else {
    save('maxconn-alerts.ndjson', answer.alerts);
    say('The alerts are saved as this configuration has them.');
  }
  busy(false);
});
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle('over', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop' && !file.disabled && event.dataTransfer.files.length > 0) take(event.dataTransfer.files);
  });
}

toml.value = TOML;
try {
  await fetched();
  check();
  await take([example]);
} catch (error) {
  say(`The playground could not be loaded: ${error.message}`, true);
}
