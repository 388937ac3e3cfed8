'use strict';
// How numbers, times and names are written, and the elements that hold them. All that comes from a log becomes a text node:
// whoever tries to log in chooses user names.

// What turns, hides or ends a text, or moves a terminal that it is pasted into.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
/** A text whose hidden characters are named. */
const shown = (text) => text.replace(HIDDEN, (it) => `\u27e8U+${it.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}\u27e9`);

/** An element. Children are elements and texts; null and false are left out. `--name` sets a custom property. */
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('--')) made.style.setProperty(name, value);
    else if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  const wanted = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  made.append(...wanted.map((child) => (typeof child === 'string' ? shown(child) : child)));
  return made;
}

const WHOLE = new Intl.NumberFormat('en');
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

const count = (number) => WHOLE.format(number ?? 0);
const SHORTEST = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 2 });
const unit = (text) => text.replace('K', 'k').replace('B', 'G');
/** 9316085 as 9.3M: for axes. */
const short = (number) => unit(SHORT.format(number));
/** 539900 as 540k: for narrow places. */
const shortest = (number) => unit(SHORTEST.format(number));
const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A number that may have a fraction, with three digits that count. */
function decimal(number) {
  if (number === null || number === undefined) return '–';
  if (Math.abs(number) >= 1000) return count(Math.round(number));
  return Number(number.toPrecision(3)).toString();
}

function bytes(number) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [number ?? 0, 0];
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : decimal(value)} ${units[unit]}`;
}

/** A share of 1 as a percentage that says 100 % and 0 % only where that is true. */
function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return '< 0.1 %';
  if (value < 100 && value > 99.9) return '> 99.9 %';
  return `${Math.round(value * 10) / 10} %`;
}

/** The two largest units of a duration: 2 d 3 h. */
function duration(seconds) {
  const units = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return seconds > 0 ? '< 1 s' : '0 s';
  let rest = Math.round(seconds);
  const parts = units.slice(first, first + 2).map(([unit, size]) => {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    return [whole, unit];
  });
  return parts.filter(([whole], at) => at === 0 || whole > 0).map(([whole, unit]) => `${whole} ${unit}`).join(' ');
}

/** What writes times of a zone; of one that this browser does not know, in UTC. */
function clock(zone) {
  const format = (timeZone) => {
    // Sweden writes 2027-01-03 03:45:21.
    const options = { timeZone, dateStyle: 'short', timeStyle: 'medium' };
    return new Intl.DateTimeFormat('sv-SE', options);
  };
  let name = zone ?? 'UTC';
  let written;
  try {
    written = format(name);
  } catch {
    name = 'UTC';
    written = format(name);
  }
  const second = (ms) => written.format(ms);
  return { zone: name, second, minute: (ms) => second(ms).slice(0, -3) };
}

/** Start and end, the day once if it is the same. */
function span(time, start, end) {
  const [from, to] = [time.minute(start), time.minute(end)];
  if (from === to) return time.second(start);
  return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
/** A hint such as `retry-storm` as words. */
const words = (hint) => sentence((hint ?? 'unknown').replaceAll('-', ' '));

/** Pairs of a name and what it is; those without a value are left out. */
function facts(pairs, name = 'facts') {
  const present = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return make('dl', { class: name }, present.map(([title, value]) => make('div', null, make('dt', null, title), make('dd', null, value))));
}

/** A command, and a button that copies it; a comment is only read. */
function command(text) {
  if (text.startsWith('#')) return make('div', { class: 'command quiet' }, make('code', null, text));
  const said = make('span', { class: 'said', role: 'status' });
  const code = make('code', null, text);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = 'Copied';
    } catch {
      // A page opened from disk, or an old browser: marked, so that Ctrl+C copies it.
      getSelection().selectAllChildren(code);
      said.textContent = 'Marked: press Ctrl+C';
    }
    setTimeout(() => (said.textContent = ''), 2_000);
  };
  const button = make('button', { type: 'button', class: 'small', 'aria-label': `Copy ${text}`, onclick: copy }, 'Copy');
  return make('div', { class: 'command' }, code, said, button);
}

/** A table with a caption, titles and rows; columns of numbers stand right. */
function table(caption, titles, rows, numbers) {
  const kind = (at) => ({ class: numbers.includes(at) ? 'number' : null });
  return make(
    'table',
    null,
    make('caption', null, caption),
    make('thead', null, make('tr', null, titles.map((title, at) => make('th', { scope: 'col', ...kind(at) }, title)))),
    make('tbody', null, rows.map((row) => make('tr', null, row.map((cell, at) =>
      at === 0 ? make('th', { scope: 'row', ...kind(at) }, cell) : make('td', kind(at), cell))))),
  );
}
