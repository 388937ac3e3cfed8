// Time zones by name. The module has no database of them and takes a rule (`CET-1CEST,M3.5.0,M10.5.0/3`); the engine has one
// behind `Intl`, which tells offsets alone. So the rule is worked out from when the clocks will change.

const [MINUTE, DAY] = [60_000, 86_400_000];
/** After the last change that a zone lists by itself (Morocco's, in 2087), and as many as show every calendar. */
const YEARS = Array.from({ length: 28 }, (_, n) => 2101 + n);
/** The zones whose names have three letters. Engines know others, which mean different things in different places. */
const SHORT = /^(?:[CEMW]ET|[EHM]ST|GMT|PRC|RO[CK]|U[CT][CT])$/i;
/** How far from a day that a rule can name a change may be, in days: some are "26:00" of a Thursday. */
const SHIFTS = [0, 1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6];

/** The rule behind a name, as the module takes it: undefined for what is no name, or none that the engine knows. */
export function ruleOf(name) {
  if (!/^[a-z][a-z\d/_+-]+$/i.test(name) || (name.length === 3 && !SHORT.test(name))) return undefined;
  let format;
  try {
    format = new Intl.DateTimeFormat('en', { timeZone: name, timeZoneName: 'longOffset' });
  } catch {
    return undefined;
  }
  const offsetAt = (ms) => offset(format.format(ms));
  const years = YEARS.map((year) => changes(offsetAt, year));
  if (years.every((changes) => changes.length === 0)) return clock(offsetAt(Date.UTC(YEARS[0], 0)), '+');
  const [forward, back] = [(gain) => gain > 0, (gain) => gain < 0].map((is) => years.map((changes) => changes.filter(({ gain }) => is(gain))));
  if (![...forward, ...back].every((changes) => changes.length === 1)) return undefined;
  const [start, end] = [day(forward.flat()), day(back.flat())];
  if (start === undefined || end === undefined) return undefined;
  const [[{ before, gain }]] = forward;
  return `${posix(before)}${posix(before + gain)},${start},${end}`;
}

/** Minutes east of Greenwich, of a text with `GMT+02:00` in it. */
function offset(text) {
  const [, sign, hours, minutes] = /GMT(?:([+-])(\d+):(\d+))?/.exec(text);
  return sign === undefined ? 0 : Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes));
}

/** When the clock changes in a year, at most once a month: what it shows then, its offset until then, and what that gains. */
function changes(offsetAt, year) {
  const changes = [];
  for (let month = 0; month < 12; month++) {
    let [from, to] = [Date.UTC(year, month), Date.UTC(year, month + 1)];
    const before = offsetAt(from);
    const gain = offsetAt(to) - before;
    if (gain === 0) continue;
    while (to - from > MINUTE) {
      const middle = from + Math.floor((to - from) / MINUTE / 2) * MINUTE;
      if (offsetAt(middle) === before) from = middle;
      else to = middle;
    }
    changes.push({ wall: to + before * MINUTE, before, gain });
  }
  return changes;
}

/** What the changes of all years have in common: `M3.5.0/02:00`, the last Sunday of March at two. */
function day(changes) {
  const time = changes[0].wall % DAY;
  if (changes.some(({ wall }) => wall % DAY !== time)) return undefined;
  for (const shift of SHIFTS) {
    const dates = changes.map(({ wall }) => new Date(wall - shift * DAY));
    const common = (of) => (dates.every((date) => of(date) === of(dates[0])) ? of(dates[0]) : undefined);
    const month = common((date) => date.getUTCMonth() + 1);
    const isLast = common((date) => new Date(date.getTime() + 7 * DAY).getUTCMonth() !== date.getUTCMonth());
    const week = isLast ? 5 : common((date) => Math.ceil(date.getUTCDate() / 7));
    const weekday = common((date) => date.getUTCDay());
    if ([month, week, weekday].includes(undefined)) continue;
    return `M${month}.${week}.${weekday}/${clock((time + shift * DAY) / MINUTE)}`;
  }
  return undefined;
}

/** An offset, named after itself: POSIX counts westward. */
function posix(minutes) {
  return `<${clock(minutes, '+').replace(/:(00)?/, '')}>${clock(-minutes)}`;
}

/** Minutes as `02:00`. */
function clock(minutes, plus = '') {
  const size = Math.abs(minutes);
  const [hours, rest] = [Math.floor(size / 60), size % 60].map((number) => String(number).padStart(2, '0'));
  return `${minutes < 0 ? '-' : plus}${hours}:${rest}`;
}
