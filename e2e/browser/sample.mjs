// A report as the command writes it, made up: two days with a retry storm, an office, a short attack, and names that would
// like to be HTML. The same at every run.

export const HOSTILE = '<img src=x onerror=alert(1)></script><b>"bob"`$(id)';
const START = Date.UTC(2027, 0, 1);
const MINUTES = 3_105;

let seed = 42;
function chance() {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}

function sum(list) {
  return list.reduce((total, value) => total + value, 0);
}

function folded(counts, start, step, of, size) {
  const all = new Array(size).fill(0);
  counts.forEach((value, at) => (all[of(new Date(start + at * step * 1000))] += value));
  return all;
}

function flood(number, from, to, each, more) {
  const counts = Array.from({ length: to - from }, (_, at) => each(from + at));
  const start = START + from * 60_000;
  const count = sum(counts);
  const mean = count / counts.length / 60;
  return {
    id: `f${number}`, rule: 'userip', server: 'dovecot', service: 'imap-login', limit: 'mail_max_userip_connections', limit_value: 10, scope: 'user+ip', stage: 'after-auth', key: 'k', host: 'mail',
    hosts: { count: 1, is_estimate: false, names: ['mail'] },
    start, end: START + to * 60_000 - 20, duration_s: (to - from) * 60, count, passed: 29, suppressed: count - 29, suppressed_bytes: (count - 29) * 187, unlogged: 0,
    rate: { mean, peak: Math.ceil(mean * 1.2) }, severity: mean < 1 ? 21 : mean < 10 ? 47 : mean < 100 ? 73 : 99, is_open: false, end_reason: 'quiet',
    regularity: { minutes: counts.length, mean_per_minute: count / counts.length, deviation: 0.01, sentence: 'From one minute to the next it differs by 1 %: nobody types like that.' },
    hours: folded(counts, start, 60, (at) => at.getUTCHours(), 24),
    weekdays: folded(counts, start, 60, (at) => (at.getUTCDay() + 6) % 7, 7),
    rhythm: 'All day and night alike: a program.',
    minutes: counts,
    curve: { start, step_s: 120, counts: folded(counts, 0, 1, (at) => Math.floor(at.getTime() / 2_000), Math.ceil(counts.length / 2)) },
    ...more,
  };
}

/** The device sleeps now and then, and the load with it. */
const rests = (at) => at < 190 || at >= MINUTES || at % 720 > 560;

export function sample() {
  seed = 42;
  const names = (...list) => ({ count: list.length, is_estimate: false, names: list });
  const floods = [
    flood(1, 190, MINUTES, (at) => (rests(at) ? 40 : 2_990) + Math.round(chance() * 20), {
      users: names('bob'), ips: names('192.0.2.7'),
      sentence: 'Flood ended: bob from 192.0.2.7 refused by imap-login on mail (mail_max_userip_connections=10), again and again, since 2027-01-01T03:10:00.000Z',
      sample: 'Jan  1 00:00:00 mail dovecot: imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1',
      cause: { hint: 'retry-storm', evidence: '1 user, 1 address, 50.0/s (±0 % from one 10 s to the next), without a pause, in 24 of the day\'s 24 hours', advice: 'The password is right: find the device behind the address and close or reconfigure its mail client. If nobody can, raise mail_max_userip_connections for a while.' },
      run_now: ['doveadm who -1 bob', 'doveadm kick bob 192.0.2.7'],
    }),
    flood(2, 480, 1_020, (at) => (at % 60 < 25 ? 40 + Math.round(chance() * 60) : 0), {
      rule: 'many-users-one-ip', users: { count: 412, is_estimate: true, names: ['alice', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy', 'mallory'] }, ips: names('198.51.100.20'),
      sentence: 'Flood ended: 412 users from 198.51.100.20 refused by imap-login on mail.', sample: 'Jan  1 08:00:00 mail dovecot: …',
      cause: { hint: 'shared-address', evidence: '412 users, 1 address, within office hours', advice: 'An office behind one address: name it in trusted_networks.' },
      rhythm: 'Within office hours: people.', regularity: null, run_now: ['doveadm who -1 | grep -F 198.51.100.20'],
    }),
    flood(3, 2_000, 2_034, () => 6 + Math.round(chance() * 12), {
      users: names(HOSTILE), ips: names('2001:db8::bad'), host: HOSTILE, service: HOSTILE, is_open: true,
      sentence: `Flood: ${HOSTILE} refused`, sample: `user=<${HOSTILE}>`, cause: { hint: 'unknown', evidence: HOSTILE, advice: HOSTILE }, rhythm: HOSTILE, run_now: [`doveadm who -1 '${HOSTILE}'`],
    }),
  ];
  const counts = new Array(MINUTES).fill(0);
  for (const { start, minutes } of floods) minutes.forEach((value, at) => (counts[(start - START) / 60_000 + at] += value));
  for (const one of floods) delete one.minutes;
  for (let at = 0; at < MINUTES; at += 97) counts[at] += 3;
  const refusals = sum(counts);
  const held = sum(floods.map((one) => one.suppressed));
  const top = (...list) => list.map(([name, share]) => ({ name, count: Math.round(refusals * share) }));
  const times = Array.from({ length: Math.floor(MINUTES / 10) + 30 }, (_, at) => START + at * 600_000);
  return {
    version: 1, generator: 'maxconn 0.1.0',
    verdict: ['bob from 192.0.2.7 was refused by imap-login fifty times a second, day and night, for two days: probably a retry storm.', 'The password is right, so this is a mail client that opens connections again and again, not an attack; find that device and close it.'],
    period: { start: START, end: START + MINUTES * 60_000 - 1, zone: 'Europe/Berlin' },
    input: { files: ['/var/log/mail.log', HOSTILE], lines: refusals + 81_220, bytes: refusals * 187 + 9_000_000, refusals, refusal_bytes: refusals * 187, passed: refusals - held, suppressed: held, suppressed_bytes: held * 187, untimed: 2, late: 0, unrecognised: 1, unrecognised_sample: HOSTILE, malformed: 0, cut_lines: 0, unread: [], empty: [], stopped: false },
    timeline: { start: START, step_s: 60, counts, bytes: counts.map((value) => value * 187) },
    floods_count: 3, floods_more: 0, floods,
    top: {
      users: top(['bob', 0.98], ...Array.from({ length: 14 }, (_, at) => [`user${at}@example.org`, 0.01 / (at + 1)]), [HOSTILE, 0.00001]),
      addresses: top(['192.0.2.7', 0.98], ['198.51.100.20', 0.012], ['2001:db8::bad', 0.0001]),
      networks: top(['192.0.2.0/24', 0.98], ['198.51.100.0/24', 0.012]),
      services: top(['imap-login', 0.999], ['pop3-login', 0.001]), servers: top(['dovecot', 1]), hosts: top(['mail', 1]),
    },
    steady: [
      { user: 'carol', ip: '203.0.113.5', service: 'imap-login', server: 'dovecot', limit: 'mail_max_userip_connections', count: 96, hint: 'one-connection-per-folder', evidence: '3 refusals every 97 minutes, always 10 open connections before', advice: 'Raise mail_max_userip_connections to 20, or let the client open fewer.', sentence: 'carol from 203.0.113.5 was refused 96 times, about 2 an hour, never enough for a flood.' },
      { user: HOSTILE, ip: null, service: null, server: 'dovecot', limit: 'client_limit', count: 12, hint: 'unknown', evidence: HOSTILE, advice: HOSTILE, sentence: HOSTILE },
    ],
    load: { source: 'sadf', name: 'load average', unit: null, times, values: times.map((at, n) => (rests(n * 10) ? 0.9 : 7.2) + chance() * 0.8), correlation: 0.93, lag_s: 60, lag_correlation: 0.94, high_share: 0.99, high_threshold: 6,
      sentences: ['Load and refusals go together: correlation 0.93, and best (0.94) with the load 60 seconds behind.', '99 % of the time with a load above 6 lies within floods.'], caveat: '310 measurements of 2 days: enough to see it, not to prove it.' },
    disk: { free_bytes: 4_000_000_000, bytes_per_day: 810_000_000, full_at: START + 5 * 86_400_000, sentence: 'With 4 GB free the log partition would have been full on 2027-01-06.' },
  };
}
