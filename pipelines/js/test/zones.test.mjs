// IANA names become the rules that the command makes of them: `maxconn config print` says which.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { entry, installed, run, targetFolder } from './here.mjs';

const { Detector, MaxconnError } = await entry('maxconn.js');
const folder = installed();

/** Both hemispheres, half an hour (Lord Howe), two (Troll), none, odd days and hours, laws of the past, short names. */
const NAMES = `Europe/Berlin Europe/London Europe/Dublin America/New_York America/St_Johns America/Santiago America/Havana America/Nuuk
  America/Sao_Paulo Australia/Sydney Australia/Lord_Howe Pacific/Chatham Antarctica/Troll Africa/Cairo Asia/Jerusalem Asia/Gaza
  Asia/Beirut Asia/Kathmandu Asia/Pyongyang Asia/Tokyo Etc/GMT+5 europe/lisbon CET EST EST5EDT Japan NZ UTC`.split(/\s+/);

/** The zone as the command has it. */
function rule(name) {
  const file = join(folder, 'zone.toml');
  writeFileSync(file, `timezone = "${name}"\n`);
  return /^timezone = "(.*)"$/m.exec(run(`${targetFolder}/release/maxconn`, ['config', 'print', file]))[1];
}

/** Times by the wall clock: half hours of a year's nights, when clocks change, and any; the same whenever this runs. */
function walls() {
  let state = 0x2545f491;
  const next = (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const start = Date.UTC(1990, 0, 1);
  const any = Array.from({ length: 500 }, () => start + next(50 * 366 * 24 * 60) * 60_000);
  const halves = Array.from({ length: 366 * 48 }, (_, half) => new Date(Date.UTC(2028, 0, 1) + half * 1_800_000));
  return [...any, ...halves.filter((half) => half.getUTCHours() < 5 || half.getUTCHours() > 21)];
}

const lines = walls().map((wall) => {
  const text = new Date(wall).toISOString().slice(0, 19).replace('T', ' ');
  return `${text} mail dovecot: imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<a>, rip=203.0.113.7, lip=192.0.2.2`;
});

/** When the lines were, under a zone: each rule of it lets every event pass. */
function times(timezone) {
  const detector = new Detector({ only: 'events', source: { referenceTime: Date.UTC(2050, 0, 1) }, config: { timezone, rule: [{ name: 'userip', policy: 'pass' }] } });
  const times = detector.push(lines).map(({ record }) => record['@timestamp']);
  detector.free();
  assert.equal(times.length, lines.length);
  return times;
}

test('names mean what they mean to the command', () => {
  const first = (name, other) => {
    const [ours, theirs] = [times(name), times(other)];
    return lines.find((_, at) => ours[at] !== theirs[at]);
  };
  for (const name of NAMES) assert.equal(first(name, rule(name)), undefined, `${name}: ${rule(name)}`);
  assert.notEqual(first('Europe/Berlin', 'Europe/Athens'), undefined);
});

test('every zone of the engine is taken, also in a configuration that is a text', () => {
  for (const timezone of Intl.supportedValuesOf('timeZone')) new Detector({ config: JSON.stringify({ timezone }) }).free();
});

test('what is no zone is refused with a sentence', () => {
  const refused = (timezone) => {
    try {
      new Detector({ config: { timezone } });
    } catch (error) {
      assert.ok(error instanceof MaxconnError);
      assert.equal(error.path, 'timezone');
      return error.message;
    }
    return '';
  };
  assert.match(refused('Europe/Berln'), /^timezone: "Europe\/Berln" is no time zone that this JavaScript engine knows; write a name/);
  // Engines take it, for one of three zones of that name.
  assert.match(refused('IST'), /"IST" is no time zone/);
  assert.match(refused(''), /is no time zone/);
  const detector = new Detector();
  assert.throws(() => detector.configure({ timezone: 'Mars/Olympus' }), MaxconnError);
});

test('an engine that knows no zones says so', () => {
  const { DateTimeFormat } = Intl;
  Intl.DateTimeFormat = undefined;
  try {
    assert.throws(() => new Detector({ config: { timezone: 'Europe/Berlin' } }), /no time zone that this JavaScript engine knows/);
    new Detector({ config: { timezone: 'CET-1CEST,M3.5.0,M10.5.0/3' } }).free();
  } finally {
    Intl.DateTimeFormat = DateTimeFormat;
  }
});
