// One flood: a line that says who, how often and why, and behind it everything else.

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** By the severity of its alerts, whose steps are 1, 10 and 100 a second. */
const level = (flood) => ((flood.severity ?? 0) >= 73 ? 'strong' : 'mild');

/** "bob", "412 users", or nothing. */
function some(names, one, many = `${one}s`) {
  if (!names || !names.count) return null;
  if (names.count === 1 && names.names?.length) return names.names[0];
  return `${names.is_estimate ? 'about ' : ''}${counted(names.count, one, many)}`;
}

/** Who is refused, from where: what a flood is called. */
function called(flood) {
  const [who, from] = [some(flood.users, 'user'), some(flood.ips, 'address', 'addresses')];
  if (who && from) return `${who} from ${from}`;
  return who ?? from ?? flood.service ?? flood.key ?? flood.server;
}

/** The card of a flood. `time` is the log's clock; `show` zooms the timeline. */
function card(flood, number, time, show, isOpen) {
  const { cause } = flood;
  const body = make('div', { class: 'body' });
  const summary = make(
    'summary',
    null,
    make('span', { class: 'number' }, `${number}.`),
    make(
      'span',
      { class: 'who' },
      make('b', null, called(flood)),
      make('span', { class: 'quiet' }, [flood.service ?? flood.server, flood.limit, flood.host && `on ${flood.host}`].filter(Boolean).join(' · ')),
    ),
    make('span', { class: 'hint' }, words(cause?.hint)),
    make('span', { class: 'much' }, make('b', null, count(flood.count)), make('span', { class: 'quiet' }, 'refusals')),
    make('span', { class: 'when' }, span(time, flood.start, flood.end), make('span', { class: 'quiet' }, `${duration(flood.duration_s)}${flood.is_open ? ', open at the end' : ''}`)),
  );
  let isFilled = false;
  const fill = () => {
    if (!made.open || isFilled) return;
    isFilled = true;
    fillBody(body, flood, time, show);
  };
  const made = make('details', { class: `flood ${level(flood)}`, id: `flood-${number}`, open: isOpen, ontoggle: fill }, summary, body);
  return { made, mount: fill };
}

function fillBody(body, flood, time, show) {
  const { cause, rate } = flood;
  const rated = rate && [
    ['Rate', `${decimal(rate.mean)} a second`],
    ['Busiest second', rate.peak === null || rate.peak === undefined ? null : count(rate.peak)],
  ];
  const curve = flood.curve?.counts?.length > 1 ? make('div', { class: 'plot low', role: 'img', 'aria-label': `Refusals of this flood over time; ${flood.regularity?.sentence ?? ''}` }) : null;
  const zoom = () => show(flood.start, flood.end);
  body.append(
    make('p', { class: 'sentence' }, flood.sentence),
    make(
      'div',
      { class: 'columns' },
      make(
        'div',
        null,
        cause && make(
          'div',
          { class: 'cause' },
          make('h4', null, `Likely cause: ${words(cause.hint).toLowerCase()}`),
          cause.evidence && make('p', { class: 'evidence' }, cause.evidence),
          cause.advice && make('p', { class: 'advice' }, cause.advice),
        ),
        flood.run_now?.length > 0 && [make('h4', null, 'Run now'), flood.run_now.map(command)],
      ),
      facts([
        ['From', time.second(flood.start)],
        ['Until', `${time.second(flood.end)}${flood.is_open ? ' (open at the end)' : ''}`],
        ...(rated ?? []),
        ['Held back', `${count(flood.suppressed)} (${bytes(flood.suppressed_bytes)})`],
        ['Went on', count(flood.passed)],
        ['Not in the log', flood.unlogged > 0 ? count(flood.unlogged) : null],
        ['Users', listed(flood.users)],
        ['Addresses', listed(flood.ips)],
        ['Hosts', listed(flood.hosts)],
        ['Limit', flood.limit_value === null || flood.limit_value === undefined ? flood.limit : `${flood.limit} = ${flood.limit_value}`],
        ['Server', [flood.server, flood.service].filter(Boolean).join(', ')],
        ['Rule', flood.rule],
      ]),
    ),
    make('div', { class: 'head' }, make('h4', null, 'Its course'), curve && make('button', { type: 'button', class: 'small', onclick: zoom }, 'Show in the timeline')),
    ...[curve, flood.regularity?.sentence && make('p', null, sentence(flood.regularity.sentence))].filter(Boolean),
    make(
      'div',
      { class: 'rhythm' },
      flood.hours && heat(`By hour of the day (${time.zone})`, flood.hours, (at) => String(at)),
      flood.weekdays && heat('By weekday', flood.weekdays, (at) => DAYS[at]),
    ),
    flood.rhythm ? make('p', null, sentence(flood.rhythm)) : '',
    ...(flood.sample ? [make('h4', null, 'The message'), make('pre', { tabindex: '0', 'aria-label': 'The message' }, flood.sample)] : []),
  );
  if (curve) draw(curve, flood.curve, time);
}

/** Names, and how many more there are. */
function listed(names) {
  if (!names || !names.count) return null;
  const shown = names.names ?? [];
  const more = names.count - shown.length;
  const text = shown.join(', ');
  if (more <= 0) return text;
  const rest = `${names.is_estimate ? 'about ' : ''}${count(more)} more`;
  return text ? `${text} and ${rest}` : `${names.is_estimate ? 'about ' : ''}${count(names.count)}`;
}

/** A row of shares, each cell tinted by its own: numbers for those who look, a rhythm for those who glance. */
function heat(caption, values, title) {
  const most = Math.max(1, ...values);
  return make(
    'table',
    { class: 'heat' },
    make('caption', null, caption),
    make('thead', null, make('tr', null, values.map((_, at) => make('th', { scope: 'col' }, title(at))))),
    make('tbody', null, make('tr', null, values.map((value, at) =>
      make('td', { '--share': String(value / most), title: `${title(at)}: ${count(value)}` }, make('span', null, shortest(value)))))),
  );
}

function draw(place, { start, step_s: step, counts }, time) {
  const first = start / 1000;
  const xs = [...counts.map((_, at) => first + at * step), first + counts.length * step];
  chart(
    place,
    (colour) => ({
      ...zoned(time),
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: true }, y: { range: fromZero } },
      axes: axes(colour, time),
      series: [{}, { stroke: colour.refusals, fill: colour['refusals-fill'], width: 1.5, paths: path, points: { show: false } }],
    }),
    () => [xs, [...counts, 0]],
  );
}
