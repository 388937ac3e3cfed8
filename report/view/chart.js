// uPlot in the page's colours, as wide as its place, drawn anew for the other theme and for paper.

/** Every chart of the page, for those that are no longer in it to be let go. */
const charts = new Set();

/** The colours of the page's style, as a canvas takes them. */
function colours(place) {
  const probe = make('span', { hidden: true });
  place.append(probe);
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ['ink', 'quiet', 'line', 'refusals', 'refusals-fill', 'load', 'mild', 'strong'];
  const found = Object.fromEntries(names.map((name) => [name, read(name)]));
  probe.remove();
  return found;
}

/**
 * A chart in `place`, which has its height from the style. `options(colours)` gives uPlot's own; what is zoomed stays so
 * when the chart is made anew.
 */
function chart(place, options, data) {
  const one = { plot: undefined, place, redraw, fit };
  function redraw() {
    const { x } = one.plot?.scales ?? {};
    one.plot?.destroy();
    const size = { width: width(), height: place.clientHeight };
    one.plot = new uPlot({ ...size, ...options(colours(place)) }, data(), place);
    if (x?.min !== undefined) one.plot.setScale('x', { min: x.min, max: x.max });
  }
  function width() {
    return Math.max(200, Math.floor(place.clientWidth));
  }
  function fit(forced) {
    one.plot.setSize({ width: forced ?? width(), height: place.clientHeight });
  }
  redraw();
  let last = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth === last || place.clientWidth === 0) return;
    last = place.clientWidth;
    fit();
  }).observe(place);
  charts.add(one);
  return one;
}

function eachChart(call) {
  for (const one of charts) {
    if (one.place.isConnected) call(one);
    else {
      one.plot.destroy();
      charts.delete(one);
    }
  }
}

/** Axes that all charts share: time in the log's zone below, short numbers on the left. */
function axes(colour, time, values = short) {
  const look = { stroke: colour.quiet, grid: { stroke: colour.line, width: 1 }, ticks: { stroke: colour.line, width: 1 }, font: '12px system-ui, sans-serif' };
  return [
    { ...look, space: 70, grid: { show: false }, values: ticks },
    { ...look, size: 52, space: 26, values: (_, all) => all.map((value) => (value === null ? '' : values(value))) },
  ];
  /** The time, and the day below it where a new one begins. */
  function ticks(_, all, axis, space, step) {
    let day = '';
    return all.map((at) => {
      const written = time.second(at * 1000);
      const isNew = written.slice(0, 10) !== day;
      day = written.slice(0, 10);
      const clocked = written.slice(11, step < 60 ? 19 : 16);
      return isNew ? `${clocked}\n${day}` : clocked;
    });
  }
}

/** Steps where there is room for them, else lines, which keep each pixel's highest and lowest. */
function path(plot, series, first, last) {
  const isDense = last - first > plot.bbox.width / 2;
  const draw = isDense ? uPlot.paths.linear() : uPlot.paths.stepped({ align: 1 });
  return draw(plot, series, first, last);
}

const fromZero = (_, low, high) => [0, high > 0 ? high * 1.08 : 1];

/** What uPlot calls with seconds to know on which hours and days of the zone its ticks stand. */
function zoned(time) {
  return { tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), time.zone) };
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => eachChart((one) => one.redraw()));
// Paper is light, and as wide as A4 is between its margins.
addEventListener('beforeprint', () => {
  document.documentElement.classList.add('paper');
  eachChart((one) => {
    one.redraw();
    one.fit(Math.min(660, one.place.clientWidth));
  });
});
addEventListener('afterprint', () => {
  document.documentElement.classList.remove('paper');
  eachChart((one) => one.redraw());
});
