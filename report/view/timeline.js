// Refusals (or bytes) over time, floods as spans behind them, a load over them; zoomed by dragging, buttons or keys; and the
// same as a table.

const ROWS_MAX = 48;
/** Seconds of a row of the table. */
const STEPS = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800];
/** More floods at once share the last lane. */
const LANES_MAX = 6;
/** How close one may look, in points of the timeline. */
const POINTS_MIN = 5;

/** The section, `mount()` for when it is in the page, and `show(start, end)`, which zooms to a time in ms. */
function timeline(report, time) {
  const { load } = report;
  const { step_s: step } = report.timeline;
  const { start, counts, sizes } = widened(report.timeline, load);
  const first = start / 1000;
  const last = first + counts.length * step;
  const loads = load ? resampled(load, first, step, counts.length) : undefined;
  const floods = lanes(report.floods);
  const per = step === 60 ? 'a minute' : `in ${duration(step)}`;
  let [low, high, one, shownBytes] = [first, last, undefined, false];

  const shows = () => `${shownBytes ? 'Log bytes' : 'Refusals'} ${per}`;
  const what = make('span', null, shows());
  const place = make('div', { class: 'plot', role: 'img', 'aria-label': described() });
  const window = make('p', { class: 'window', role: 'status' });
  const pointed = make('p', { class: 'pointed', 'aria-hidden': 'true' });
  const button = (label, text, call) => make('button', { type: 'button', class: 'small', 'aria-label': label, title: label, onclick: call }, text);
  const tools = make(
    'div',
    { class: 'tools', role: 'group', 'aria-label': 'Zoom' },
    button('Zoom in (+)', '+', () => zoom(0.5)),
    button('Zoom out (−)', '−', () => zoom(2)),
    button('Earlier (←)', '←', () => move(-0.5)),
    button('Later (→)', '→', () => move(0.5)),
    button('All, the whole period (0)', 'All', () => set(first, last)),
  );
  const rows = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Timeline as a table' });
  const asTable = make('details', { class: 'aside', ontoggle: list }, make('summary', null, 'Timeline as a table'), rows);
  const figure = make(
    'div',
    { class: 'timeline', tabindex: '0', role: 'group', 'aria-label': 'Timeline; + and − zoom, arrows move, 0 shows all', onkeydown: key },
    place,
  );
  const section = make(
    'section',
    { id: 'timeline', 'aria-labelledby': 'timeline-title' },
    make('div', { class: 'head' }, make('h2', { id: 'timeline-title' }, 'Timeline'), sizes ? choice() : null, tools),
    make('div', { class: 'readout' }, window, pointed),
    figure,
    legend(),
    load ? correlation(load) : null,
    asTable,
  );
  return { section, mount, show };

  function mount() {
    one = chart(place, options, () => [
      [...counts.map((_, at) => first + at * step), last],
      [...(shownBytes ? sizes : counts), counts.at(-1) === null ? null : 0],
      ...(loads ? [[...loads, undefined]] : []),
    ]);
    tell();
  }

  function options(colour) {
    const shared = axes(colour, time, shownBytes ? bytes : short);
    const series = [
      {},
      { stroke: colour.refusals, fill: colour['refusals-fill'], width: 1.5, paths: path, points: { show: false } },
    ];
    if (loads) {
      series.push({ scale: 'load', stroke: colour.load, width: 2, spanGaps: true, points: { show: false } });
      shared.push({ ...shared[1], scale: 'load', side: 1, grid: { show: false }, values: (_, all) => all.map(decimal) });
    }
    if (shownBytes) shared[1].size = 64;
    return {
      ...zoned(time),
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, dist: 4 }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: fromZero }, load: { range: fromZero } },
      axes: shared,
      series,
      hooks: {
        drawClear: [(plot) => spans(plot, colour)],
        setScale: [(plot, scale) => scale === 'x' && scaled(plot)],
        setCursor: [(plot) => point(plot.cursor.idx)],
      },
    };
  }

  /** Floods, behind what is drawn: a tint, and at the top a bar in a lane of its own while others go on. */
  function spans(plot, colour) {
    const { ctx, bbox } = plot;
    const thick = Math.round(3 * devicePixelRatio);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const { flood, lane } of floods) {
      const from = plot.valToPos(flood.start / 1000, 'x', true);
      const width = Math.max(thick, plot.valToPos(flood.end / 1000, 'x', true) - from);
      ctx.fillStyle = level(flood) === 'strong' ? colour.strong : colour.mild;
      ctx.globalAlpha = 0.07;
      ctx.fillRect(from, bbox.top, width, bbox.height);
      ctx.globalAlpha = 1;
      ctx.fillRect(from, bbox.top + lane * (thick + devicePixelRatio), width, thick);
    }
    ctx.restore();
  }

  function scaled(plot) {
    const { min, max } = plot.scales.x;
    if (min === undefined || (min === low && max === high)) return;
    [low, high] = [min, max];
    tell();
    list();
  }

  function set(from, to) {
    const width = Math.min(Math.max(to - from, POINTS_MIN * step), last - first);
    const begin = Math.min(Math.max(from, first), last - width);
    one.plot.setScale('x', { min: begin, max: begin + width });
  }
  function zoom(factor) {
    const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
    set(middle - half, middle + half);
  }
  function move(share) {
    const by = (high - low) * share;
    set(low + by, high + by);
  }
  function show(from, to) {
    const edge = Math.max(((to - from) / 1000) * 0.05, 2 * step);
    set(from / 1000 - edge, to / 1000 + edge);
    section.scrollIntoView({ block: 'start' });
    figure.focus({ preventScroll: true });
  }
  function key(event) {
    const calls = { '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), 0: () => set(first, last), ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25) };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in calls)) return;
    event.preventDefault();
    calls[event.key]();
  }

  /** The points that begin within a time, as the first and the one behind the last. */
  function within(from, to) {
    const at = (seconds) => Math.min(counts.length, Math.max(0, Math.ceil((seconds - first) / step - 1e-6)));
    return [at(from), at(to)];
  }
  function sum(list, from, to) {
    let total = 0;
    for (let at = from; at < to; at++) total += list[at] ?? 0;
    return total;
  }
  function tell() {
    const [from, to] = within(low, high);
    window.replaceChildren(make('b', null, span(time, low * 1000, high * 1000)), ` ${time.zone}: ${counted(sum(counts, from, to), 'refusal')}`);
  }
  function point(at) {
    if (at === null || at === undefined || at >= counts.length) return void pointed.replaceChildren();
    const isKnown = counts[at] !== null;
    const parts = [`${time.minute((first + at * step) * 1000)}: ${isKnown ? count(counts[at]) : 'not in the log'}`];
    if (sizes && isKnown) parts.push(bytes(sizes[at] ?? 0));
    const value = loads && near(at);
    if (value !== undefined) parts.push(`${load.name} ${decimal(value)}`);
    pointed.textContent = parts.join(' · ');
  }
  /** The load that was measured last, a few points before at most. */
  function near(at) {
    for (let back = at; back >= 0 && back > at - 30; back--) if (loads[back] !== undefined) return loads[back];
    return undefined;
  }

  function choice() {
    const pick = (value) => () => {
      shownBytes = value;
      what.textContent = shows();
      one.redraw();
    };
    const radio = (text, isOn, value) =>
      make('label', null, make('input', { type: 'radio', name: 'shown', checked: isOn, onchange: pick(value) }), make('span', null, text));
    return make('div', { class: 'choice', role: 'radiogroup', 'aria-label': 'What is shown' }, radio('Refusals', true, false), radio('Log bytes', false, true));
  }
  function legend() {
    const levels = new Set(report.floods.map(level));
    const entry = (kind, text) => make('li', null, make('span', { class: `swatch ${kind}`, 'aria-hidden': 'true' }), text);
    return make(
      'ul',
      { class: 'legend' },
      entry('refusals', what),
      levels.has('strong') && entry('strong', 'Severe flood'),
      levels.has('mild') && entry('mild', 'Flood'),
      load && entry('load', `${load.name}${load.unit ? ` (${load.unit})` : ''}`),
    );
  }
  function described() {
    const peak = counts.reduce((most, value, at) => (value > counts[most] ? at : most), 0);
    return `Refusals over time, ${span(time, start, last * 1000)} ${time.zone}; most ${per}: ${count(counts[peak])} at ${time.minute((first + peak * step) * 1000)}. The table below says the same.`;
  }

  /** The rows of the time that is shown, if somebody looks at them. */
  function list() {
    if (!asTable.open) return;
    const wide = STEPS.find((width) => width >= step && (high - low) / width <= ROWS_MAX) ?? Math.ceil((high - low) / ROWS_MAX / step) * step;
    const titles = ['From', 'Refusals', `Most ${per}`, sizes && 'Log bytes', loads && load.name, 'Floods'];
    const found = [];
    for (let from = Math.floor(low / wide) * wide; from < high; from += wide) {
      const [begin, end] = within(Math.max(from, low), Math.min(from + wide, high));
      const values = loads?.slice(begin, end).filter((value) => value !== undefined) ?? [];
      const open = report.floods.filter((flood) => flood.start < (from + wide) * 1000 && flood.end >= from * 1000);
      found.push([
        time.minute(from * 1000),
        count(sum(counts, begin, end)),
        count(counts.slice(begin, end).reduce((most, value) => Math.max(most, value), 0)),
        sizes && bytes(sum(sizes, begin, end)),
        loads && (values.length > 0 ? decimal(values.reduce((total, value) => total + value, 0) / values.length) : '–'),
        count(open.length),
      ].filter((cell) => cell));
    }
    rows.replaceChildren(table(`Each row is ${duration(wide)}; times are ${time.zone}`, titles.filter((title) => title), found, [1, 2, 3, 4, 5]));
  }
}

/** Floods in the order they begin, each in the first lane that is free then; where there is none, in the last. */
function lanes(floods) {
  const ends = [];
  const ordered = [...floods].sort((one, other) => one.start - other.start);
  return ordered.map((flood) => {
    const free = ends.findIndex((end) => end <= flood.start);
    const lane = Math.min(free < 0 ? ends.length : free, LANES_MAX - 1);
    ends[lane] = Math.max(ends[lane] ?? 0, flood.end);
    return { flood, lane };
  });
}

/** The timeline as far as the load goes, or as long again on either side; null where there was no log. */
function widened({ start, step_s: step, counts, bytes: sizes }, load) {
  const points = (ms) => Math.min(counts.length, Math.max(0, Math.ceil(ms / 1000 / step)));
  const length = load?.times?.length > 0 ? load.times.length : 0;
  const before = length > 0 ? points(start - load.times[0]) : 0;
  const after = length > 0 ? points(load.times[length - 1] - start - counts.length * step * 1000) : 0;
  const pad = (list) => list && [...new Array(before).fill(null), ...list, ...new Array(after).fill(null)];
  return { start: start - before * step * 1000, counts: pad(counts), sizes: pad(sizes) };
}

/** A load at the timeline's own points: the mean of what was measured in each, undefined where nothing was. */
function resampled({ times, values }, first, step, length) {
  const [totals, numbers] = [new Array(length).fill(0), new Array(length).fill(0)];
  times.forEach((at, n) => {
    const index = Math.floor((at / 1000 - first) / step);
    if (index < 0 || index >= length || !Number.isFinite(values[n])) return;
    totals[index] += values[n];
    numbers[index] += 1;
  });
  return totals.map((total, at) => (numbers[at] > 0 ? total / numbers[at] : undefined));
}

/** How far load and floods go together, in words. */
function correlation(load) {
  return make(
    'div',
    { class: 'together', role: 'note' },
    make('h3', null, `Floods and ${load.name}`),
    (load.sentences ?? []).map((sentence) => make('p', null, sentence)),
    load.caveat ? make('p', { class: 'quiet' }, load.caveat) : null,
  );
}
