// `make bench-js`: records a second through the package, and plain JavaScript doing the same, in turns in one run.
import { entry } from './test/here.mjs';

const { Detector } = await entry('maxconn.js');

const RECORDS = 100_000;
const BATCH = 1_000;
const ROUNDS = 9;
const TARGET = 300_000;

/** A normal mail log as a JSON shipper has it: one record in a hundred is a refused login. */
function batches() {
  const lines = Array.from({ length: RECORDS }, (_, n) => {
    const time = new Date(Date.UTC(2026, 0, 11, 12) + n * 20).toISOString();
    const message =
      n % 100 === 0
        ? `imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<user${n % 7919}@example.org>, method=PLAIN, rip=203.0.113.${n % 200}, lip=192.0.2.2, TLS, session=<${n}AAAAAA>`
        : `imap(user${n % 7919}@example.org)<${n}><T5eqHeNgpOB/AAAB>: Disconnected: Logged out in=512 out=4096 deleted=0 expunged=0 trashed=0 hdr_count=3 hdr_bytes=981 body_count=12 body_bytes=1048576`;
    return JSON.stringify({ '@timestamp': time, host: { name: 'mail' }, message });
  });
  const encoder = new TextEncoder();
  const cut = [];
  for (let at = 0; at < lines.length; at += BATCH) cut.push(encoder.encode(`${lines.slice(at, at + BATCH).join('\n')}\n`));
  return cut;
}

const USERIP =
  /^([a-z0-9-]+): Maximum number of connections from user\+IP exceeded \(mail_max_userip_connections=(\d+)\): user=<(.*)>, method=(\S+), rip=([0-9a-f:.]+), lip=([0-9a-f:.]+)/;

/** What one would write by hand: every record parsed, the expression tried, fields added. No floods, no alerts. */
function plain(isFirstSearched) {
  const decoder = new TextDecoder();
  return (bytes) => {
    let events = 0;
    const outputs = [];
    for (const line of decoder.decode(bytes).split('\n')) {
      if (line === '') continue;
      if (isFirstSearched && !line.includes('Maximum number of connections')) {
        outputs.push(line);
        continue;
      }
      const record = JSON.parse(line);
      const found = USERIP.exec(record.message);
      if (found !== null) {
        events += 1;
        const [, service, limit, user, , rip, lip] = found;
        record.event = { kind: 'event', action: 'connection-limit-exceeded', outcome: 'failure' };
        record.user = { name: user };
        record.source = { ip: rip };
        record.destination = { ip: lip };
        record.service = { name: service };
        record.maxconn = { limit: { value: Number(limit) } };
      }
      outputs.push(found === null ? line : JSON.stringify(record));
    }
    return { count: outputs.length, events };
  };
}

function detecting(only, isRead) {
  const detector = new Detector({ only, source: { format: 'json' } });
  return (bytes) => {
    let events = 0;
    const results = detector.push(bytes);
    for (const result of results) {
      if (result.kind === 'event') events += 1;
      if (isRead && result.text.length === 0) throw new Error('an empty result');
    }
    return { count: results.length, events };
  };
}

const peers = [
  ['maxconn, a result for each record', () => detecting('all', false)],
  ['maxconn, every result read as text', () => detecting('all', true)],
  ["maxconn, only: 'changed'", () => detecting('changed', true)],
  ['JSON.parse + RegExp', () => plain(false)],
  ['includes, then JSON.parse + RegExp', () => plain(true)],
];

const input = batches();
const rates = peers.map(() => []);
for (let round = 0; round <= ROUNDS; round++) {
  peers.forEach(([name, make], number) => {
    const take = make();
    let events = 0;
    const start = performance.now();
    for (const batch of input) events += take(batch).events;
    const seconds = (performance.now() - start) / 1000;
    if (events !== RECORDS / 100) throw new Error(`${name}: ${events} events`);
    // The first round is for the compilers.
    if (round > 0) rates[number].push(RECORDS / seconds);
  });
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
console.log(`Node ${process.version}, ${RECORDS} JSON records, 1 % events, batches of ${BATCH}, median of ${ROUNDS} rounds\n`);
console.log('| | records/s |\n|---|---|');
peers.forEach(([name], number) => console.log(`| ${name} | ${Math.round(median(rates[number])).toLocaleString('en')} |`));
const reached = median(rates[0]);
console.log(`\ntarget ${TARGET.toLocaleString('en')} records/s: ${reached >= TARGET ? 'reached' : 'MISSED'}`);
