// The page: the verdict first, then what it stands on.

/** Of a long list so many are shown until somebody asks for all. */
const LIST_SHOWN = 8;
/** So many floods are shown whole at first. */
const FLOODS_OPEN = 1;

/** Shows a report (its JSON, version 1) in `root`. */
function render(report, root) {
  if (report?.version !== 1) {
    const version = report?.version ?? 'none';
    root.replaceChildren(make('p', { role: 'alert' }, `This report is of version ${version}, which this page does not know; take the page that came with it.`));
    return;
  }
  const time = clock(report.period?.zone);
  const line = report.timeline?.counts?.length > 0 ? timeline(report, time) : null;
  const show = (start, end) => line?.show(start, end);
  const cards = (report.floods ?? []).map((flood, at) => card(flood, at + 1, time, show, at < FLOODS_OPEN));
  const parts = [
    line?.section,
    section('floods', report.floods_count > 0 ? `Floods (${count(report.floods_count)})` : 'Floods', floods(report, cards)),
    report.steady?.length > 0 && section('steady', 'Steady pressure', steady(report.steady)),
    lists(report),
    report.disk && section('disk', 'Log partition', disk(report.disk, time)),
    section('log', 'What was read', read(report.input, report.generator)),
  ].filter(Boolean);
  root.replaceChildren(make('div', { class: 'report' }, head(report, time, parts), make('main', { id: 'content', tabindex: '-1' }, notices(report.input), parts)));
  line?.mount();
  for (const one of cards) one.mount();
}

function section(id, title, ...content) {
  return make('section', { id, 'aria-labelledby': `${id}-title` }, make('h2', { id: `${id}-title` }, title), content);
}

function head(report, time, parts) {
  const [verdict, ...rest] = report.verdict ?? [];
  const { input, period } = report;
  const worst = (report.floods ?? []).some((flood) => level(flood) === 'strong') ? 'strong' : report.floods_count > 0 ? 'mild' : 'calm';
  const links = parts.map((part) => make('li', null, make('a', { href: `#${part.id}` }, part.querySelector('h2').textContent)));
  return make(
    'header',
    { class: worst },
    make('a', { class: 'skip', href: '#content' }, 'Skip to the report'),
    make('p', { class: 'brand' }, make('b', null, 'maxconn'), ' report', input?.files?.length > 0 && make('span', { class: 'quiet' }, ` ${files(input.files)}`)),
    make('div', { class: 'verdict' }, make('h1', null, verdict), rest.map((sentence) => make('p', null, sentence))),
    period && make('p', { class: 'period' }, `${span(time, period.start, period.end)} ${time.zone}, ${duration((period.end - period.start) / 1000)}`),
    figures(report),
    make('nav', { 'aria-label': 'Sections' }, make('ul', null, links)),
  );
}

function files(names) {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${counted(names.length - 3, 'more file', 'more files')}` : shown;
}

function figures({ input = {}, floods_count: floods, timeline: line, load }) {
  const most = line?.counts?.reduce((most, value) => Math.max(most, value), 0);
  const figure = (title, value, note) => [title, [make('b', null, value), note && make('span', { class: 'quiet' }, note)]];
  return facts(
    [
      figure('Refused connections', count(input.refusals), `in ${counted(input.lines ?? 0, 'line')}`),
      figure('Floods', count(floods), floods > 0 ? `${count(input.suppressed)} lines held back` : null),
      most > 0 && figure(line.step_s === 60 ? 'Busiest minute' : `Busiest ${duration(line.step_s)}`, count(most), `${decimal(most / line.step_s)} a second`),
      input.bytes > 0 && figure('Their share of the log', percent(Math.min(1, (input.refusal_bytes ?? 0) / input.bytes)), `${bytes(input.refusal_bytes)} of ${bytes(input.bytes)}`),
      load?.correlation !== null && load?.correlation !== undefined && figure('Correlation', load.correlation.toFixed(2), `of refusals and ${load.name}`),
    ].filter(Boolean),
    'figures',
  );
}

/** What the report does not know, in sentences: it is shown before what it does know. */
function notices(input = {}) {
  const said = [
    input.stopped && 'Reading was stopped; this is what was read until then.',
    input.errors?.length > 0 && `Not read: ${input.errors.map(({ file, error }) => `${file}: ${error}`).join('; ')}`,
    input.twice?.length > 0 && `Named twice, and counted twice: ${input.twice.join('; ')}`,
    input.unrecognised > 0 && `${counted(input.unrecognised, 'record says', 'records say')} what refusals say and could not be read; the first: ${input.unrecognised_sample ?? ''}`,
    input.untimed > 0 && `${counted(input.untimed, 'refusal has', 'refusals have')} no time that could be read, so no flood counts them.`,
    input.malformed > 0 && `${counted(input.malformed, 'record is', 'records are')} malformed or too long to be read.`,
  ].filter(Boolean);
  return said.length > 0 && make('ul', { class: 'notices', 'aria-label': 'What to know about this report' }, said.map((text) => make('li', null, text)));
}

function floods(report, cards) {
  if (cards.length === 0) return make('p', null, 'None: refusals never came often enough to be a flood.');
  const more = report.floods_more > 0 && make('p', { class: 'quiet' }, `The largest ${count(cards.length)} are shown; there are ${count(report.floods_more)} more.`);
  return [cards.map((one) => one.made), more];
}

function steady(all) {
  const entry = (one) => make(
    'li',
    null,
    make('p', { class: 'sentence' }, one.sentence ?? [one.user, one.ip && `from ${one.ip}`, counted(one.count, 'refusal')].filter(Boolean).join(' ')),
    make('p', { class: 'quiet' }, [one.server, one.service, one.limit].filter(Boolean).join(' · ')),
    one.hint && make('p', null, make('b', null, words(one.hint)), one.evidence ? `: ${one.evidence}` : ''),
    one.advice && make('p', { class: 'advice' }, one.advice),
  );
  return [make('p', { class: 'quiet' }, 'Too seldom to be a flood, again and again.'), make('ul', { class: 'steady' }, all.map(entry))];
}

function lists({ top = {}, input = {} }) {
  const titles = { users: 'Users', addresses: 'Addresses', networks: 'Networks', services: 'Services', servers: 'Servers', hosts: 'Hosts' };
  const found = Object.entries(titles).filter(([name]) => top[name]?.length > 0);
  if (found.length === 0) return null;
  return section('top', 'Who is refused most', make('div', { class: 'lists' }, found.map(([name, title]) => list(title, top[name], input.refusals))));
}

function list(title, entries, total) {
  const share = (entry) => (total > 0 ? Math.min(1, entry.count / total) : 0);
  const made = table(title, ['Name', 'Refusals', 'Share'], entries.map((entry) => [entry.name, `${entry.excess > 0 ? 'about ' : ''}${count(entry.count)}`, total > 0 ? percent(share(entry)) : '–']), [1, 2]);
  const rows = [...made.tBodies[0].rows];
  rows.forEach((row, at) => {
    row.style.setProperty('--share', String(share(entries[at])));
    row.hidden = at >= LIST_SHOWN;
  });
  const all = make('button', { type: 'button', class: 'small', onclick: () => {
    rows.forEach((row) => (row.hidden = false));
    all.remove();
  } }, `All ${count(entries.length)}`);
  return make('div', null, made, entries.length > LIST_SHOWN && all);
}

function disk(one, time) {
  return [
    make('p', { class: 'sentence' }, one.sentence),
    facts([['Free', bytes(one.free_bytes)], ['Growth', `${bytes(one.bytes_per_day)} a day`], ['Full', one.full_at ? `${time.minute(one.full_at)} ${time.zone}` : null]]),
  ];
}

function read(input = {}, generator) {
  return [
    facts([
      [input.files?.length === 1 ? 'File' : 'Files', input.files?.join(', ')],
      ['Lines', count(input.lines)],
      ['Size', bytes(input.bytes)],
      ['Refusals', `${count(input.refusals)} (${bytes(input.refusal_bytes)})`],
      ['Held back', `${count(input.suppressed)} (${bytes(input.suppressed_bytes)})`],
      ['Went on', count(input.passed)],
      ['Without a time', input.untimed > 0 ? count(input.untimed) : null],
      ['Late', input.late > 0 ? count(input.late) : null],
      ['Not understood', input.unrecognised > 0 ? count(input.unrecognised) : null],
      ['Malformed', input.malformed > 0 ? count(input.malformed) : null],
      ['Cut lines', input.cut_lines > 0 ? count(input.cut_lines) : null],
      ['Empty files', input.empty?.join(', ')],
    ]),
    make('p', { class: 'quiet' }, `Made by ${generator ?? 'maxconn'}. This page holds all it shows and fetches nothing.`),
  ];
}

const given = document.getElementById('report');
if (given) render(JSON.parse(given.textContent), document.getElementById('view'));
