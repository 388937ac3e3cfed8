// The page of a report, opened from disk as its reader opens it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { assertAccessible, assertFits, assertStill, launch, open, picture, root } from './browser.mjs';
import { page as written } from './page.mjs';
import { HOSTILE, sample } from './sample.mjs';

let [browser, folder] = [];

before(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'maxconn-report-'));
});

after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** The page of a report, opened; nothing but itself may be asked for. */
async function opened(report, options) {
  const file = join(folder, 'report.html');
  writeFileSync(file, written(report));
  const url = pathToFileURL(file).href;
  return open(browser, url, (asked) => asked === url || asked.startsWith('data:'), options);
}

const shown = (page) => page.locator('.window').textContent();
/** How many pixels of a chart are drawn. */
const ink = (page, place) => page.locator(`${place} canvas`).first().evaluate((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, at) => at % 4 === 3 && value > 0).length;
});

for (const [name, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 844 } }],
]) {
  test(`all is said, nothing jumps, nobody is kept out: ${name}`, async () => {
    const report = sample();
    const { page, problems } = await opened(report, options);
    assert.equal(await page.locator('h1').textContent(), report.verdict[0]);
    const text = await page.locator('body').innerText();
    const first = report.floods[0];
    for (const said of [report.verdict[1], first.cause.evidence, first.cause.advice, first.regularity.sentence, ...first.run_now, ...report.load.sentences, report.load.caveat, report.steady[0].sentence, report.disk.sentence, '6,868,096', '198.51.100.0/24']) {
      assert.ok(text.includes(said), said);
    }
    assert.ok((await ink(page, '#timeline')) > 20_000 && (await ink(page, '#flood-1')) > 5_000);
    await assertStill(page);
    await assertFits(page);
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
    await assertFits(page);
    await assertAccessible(page);
    await picture(page, `report-${name}`);
    assert.deepEqual(problems, []);
    await page.context().close();
  });
}

test('names from the log are text and nothing else', async () => {
  const { page, problems } = await opened(sample());
  await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
  await page.locator('#flood-3 pre', { hasText: HOSTILE }).waitFor();
  assert.equal(await page.locator('#view img, #view b b, #view script').count(), 0);
  assert.equal(await page.locator('#flood-3 .command code').textContent(), `doveadm who -1 '${HOSTILE}'`);
  // What the policy says: neither a script nor a style of somebody else's, and no request.
  const refused = await page.evaluate(async () => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    return [window.ran === undefined, await fetch('data:,x').then(() => false, () => true)];
  });
  assert.deepEqual(refused, [true, true]);
  assert.ok(problems.length > 0 && problems.every((one) => one.includes('Content Security Policy')), String(problems));
  await page.context().close();
});

test('the timeline is zoomed by mouse, keys and buttons, and read as a table', async () => {
  const { page, problems } = await opened(sample(), { timezoneId: 'America/New_York' });
  const whole = await shown(page);
  assert.match(whole, /^2027-01-01 01:00 – 2027-01-03 09:30 Europe\/Berlin: 6,884,211 refusals$/);
  const box = await page.locator('#timeline .u-over').boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.25, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, y, { steps: 4 });
  await page.mouse.up();
  assert.match(await shown(page), /^2027-01-01 15:0\d – 2027-01-02 05:1\d /);
  assert.match(await page.locator('.pointed').textContent(), /^2027-01-01 22:1\d: 3,0\d\d · 56\d kB · load average 7\.\d+$/);
  await page.locator('.timeline').focus();
  await page.keyboard.press('0');
  assert.equal(await shown(page), whole);
  await page.keyboard.press('+');
  const half = await shown(page);
  assert.match(half, /^2027-01-01 15:0\d – 2027-01-02 19:2\d /);
  await page.keyboard.press('ArrowRight');
  assert.notEqual(await shown(page), half);
  await page.getByLabel('All, the whole period (0)').click();
  assert.equal(await shown(page), whole);
  await page.locator('.aside summary').click();
  await page.locator('.aside tbody tr').first().waitFor();
  const rows = await page.locator('.aside tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.deepEqual(rows[0].slice(0, 2), ['2027-01-01 01:00', '6']);
  assert.equal(rows.reduce((total, row) => total + Number(row[1].replaceAll(',', '')), 0), 6_884_211);
  await page.getByLabel('Log bytes').check({ force: true });
  assert.ok((await ink(page, '#timeline')) > 20_000);
  await page.locator('#flood-3 summary').click();
  await page.locator('#flood-3').getByRole('button', { name: 'Show in the timeline' }).click();
  assert.match(await shown(page), /^2027-01-02 10:18 – 10:5\d /);
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('a report of nothing, of much and of another version', async () => {
  const empty = { version: 1, generator: 'maxconn', verdict: ['No refused connection.'], period: null, input: { files: ['a'], lines: 0, bytes: 0 }, timeline: { start: 0, step_s: 60, counts: [], bytes: null }, floods_count: 0, floods_more: 0, floods: [], top: {}, steady: [], load: null, disk: null };
  const { page, problems } = await opened(empty);
  assert.equal(await page.locator('#timeline').count(), 0);
  await page.locator('#floods', { hasText: 'None' }).waitFor();
  await assertAccessible(page);

  const much = sample();
  much.timeline.counts = Array.from({ length: 20_000 }, (_, at) => at % 500);
  much.timeline.bytes = null;
  much.floods = Array.from({ length: 200 }, (_, at) => ({ ...much.floods[0], start: much.period.start + at * 5e6, end: much.period.start + at * 5e6 + 8e6, curve: null, hours: null, weekdays: null, regularity: null, rate: null, cause: null }));
  const large = await opened(much);
  assert.ok(statSync(join(folder, 'report.html')).size < 1 << 20);
  assert.equal(await large.page.locator('.flood').count(), 200);
  await assertStill(large.page);

  const other = await opened({ version: 2 });
  await other.page.locator('[role=alert]', { hasText: 'version 2' }).waitFor();
  assert.deepEqual([problems, large.problems, other.problems], [[], [], []]);
});

test('on paper it is light, and no chart is cut', async () => {
  const { page, problems } = await opened(sample(), { colorScheme: 'dark' });
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(251, 251, 250)');
  assert.ok((await page.locator('#timeline canvas').first().evaluate((canvas) => canvas.clientWidth)) <= 660);
  await page.evaluate(() => dispatchEvent(new Event('afterprint')));
  assert.ok((await page.locator('#timeline canvas').first().evaluate((canvas) => canvas.clientWidth)) > 900);
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('what the command writes of a real flood is this page, and a name that is HTML stays one', async () => {
  const maxconn = `${process.env.CARGO_TARGET_DIR || `${root}target`}/release/maxconn`;
  const log = join(folder, 'mail.log');
  const line = (n) => `2027-01-05T03:${String(Math.floor(n / 60)).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}Z mail dovecot: imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<${HOSTILE}>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1\n`;
  writeFileSync(log, Array.from({ length: 600 }, (_, n) => line(n)).join(''));
  const load = join(folder, 'load.csv');
  writeFileSync(load, ['time,load', ...Array.from({ length: 20 }, (_, n) => `2027-01-05T0${n < 5 ? `2:5${n + 5}` : `3:${String(n - 5).padStart(2, '0')}`}:00Z,${n < 5 || n > 14 ? 0.5 : 8}`)].join('\n'));
  const file = join(folder, 'written.html');
  execFileSync(maxconn, ['report', log, '--html', file, '--load', load, '--disk-free', '1GB'], { stdio: 'pipe' });
  const url = pathToFileURL(file).href;
  const { page, problems } = await open(browser, url, (asked) => asked === url || asked.startsWith('data:'));
  assert.match(await page.locator('h1').textContent(), /refused 600 times/);
  await page.locator('#flood-1 .who b', { hasText: HOSTILE }).waitFor();
  assert.equal(await page.locator('.figures div', { hasText: 'Refused connections' }).locator('b').textContent(), '600');
  assert.equal(await page.locator('#view img, #view b b').count(), 0);
  assert.ok((await page.locator('.together p').count()) > 0);
  assert.ok((await ink(page, '#timeline')) > 10_000);
  assert.ok(statSync(file).size < 1 << 20);
  await assertStill(page);
  await assertAccessible(page);
  await picture(page, 'report-written');
  assert.deepEqual(problems, []);
  await page.context().close();
});
