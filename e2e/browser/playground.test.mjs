// The playground in Debian's Chromium, as it is published: real logs, packed and not, wrong configurations, and the promise
// that nothing leaves the browser.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';

import { serve } from '../../examples/playground/serve.mjs';
import { assertAccessible, assertFits, assertStill, launch, open, picture, root } from './browser.mjs';

const BELOW = '/some/where/';
const EXAMPLE = gunzipSync(readFileSync(`${root}testdata/dovecot/14_flood_servicecount0.log.gz`)).toString('utf8');
const WORDS = 'Maximum number of connections';

let [server, browser, folder, url] = [];
/** All that the server was asked for. */
const asked = [];

before(async () => {
  server = await serve(0, BELOW);
  server.on('request', (request) => asked.push(request.url));
  url = `http://127.0.0.1:${server.address().port}${BELOW}`;
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), 'maxconn-playground-'));
});

after(async () => {
  await browser?.close();
  server?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** The playground with its example read. Nothing may be asked for but its own files, and nothing after those. */
async function opened(options) {
  let isSealed = false;
  const isOwn = (asked) => asked.startsWith('data:') || asked.startsWith('blob:') || (asked.startsWith(url) && (!isSealed || isCode(asked)));
  const { page, problems } = await open(browser, url, isOwn, options);
  await done(page);
  isSealed = true;
  return { page, problems };
}

/** The worker reads its own code as it starts anew. */
const isCode = (asked) => /\/(worker|report|unpack|maxconn|zone|lines|guest)\.js$|\/(gunzip|fzstd)\.mjs$/.test(asked);
const done = (page) => page.locator('#status', { hasText: /^(Done|Stopped)/ }).waitFor();
const figure = async (page, title) => Number((await page.locator('.figures div', { hasText: title }).locator('b').textContent()).replaceAll(',', ''));
const fact = async (page, title) => (await page.locator('#log .facts div', { hasText: title }).locator('dd').textContent()).replaceAll(',', '');

/** Does something that has logs read, and waits until they are. */
async function reading(page, act) {
  await page.evaluate(() => (document.getElementById('status').textContent = ''));
  await act();
  await done(page);
}

async function drop(page, name, bytes) {
  const data = await page.evaluateHandle(
    async ([name, packed]) => {
      const bytes = Uint8Array.from(atob(packed), (it) => it.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], name, { lastModified: Date.UTC(2026, 10, 30) }));
      return data;
    },
    [name, bytes.toString('base64')],
  );
  await page.dispatchEvent('#drop', 'drop', { dataTransfer: data });
}

async function download(page, button) {
  const [saved] = await Promise.all([page.waitForEvent('download'), page.locator(button).click()]);
  const file = join(folder, saved.suggestedFilename());
  await saved.saveAs(file);
  return file;
}

for (const [name, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 844 } }],
]) {
  test(`it starts on a real flood, with exact totals: ${name}`, async () => {
    const { page, problems } = await opened(options);
    const refused = EXAMPLE.split(WORDS).length - 1;
    assert.equal(await figure(page, 'Refused connections'), refused);
    assert.equal(await fact(page, 'Lines'), String(EXAMPLE.split('\n').length - 1));
    const counts = await page.locator('.flood .much b').evaluateAll((all) => all.map((one) => Number(one.textContent.replaceAll(',', ''))));
    assert.equal(counts.reduce((sum, one) => sum + one), refused);
    await assertStill(page);
    await assertFits(page);
    await assertAccessible(page);
    await picture(page, `playground-${name}`);
    assert.deepEqual(problems, []);
    await page.context().close();
  });
}

test('a dropped gzip of 300,000 lines, of two members, is read whole', async () => {
  const { page, problems } = await opened();
  const line = (n) =>
    `${new Date(Date.UTC(2026, 10, 1) + n * 100).toISOString()} mail dovecot: imap-login: ${n % 3 === 0 ? 'Login: user=<carol>' : `${WORDS} from user+IP exceeded (mail_max_userip_connections=10): user=<bob>`}, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1\n`;
  const part = (from, to) => gzipSync(Array.from({ length: to - from }, (_, n) => line(from + n)).join(''));
  const packed = Buffer.concat([part(0, 100_000), part(100_000, 300_000)]);
  await reading(page, () => drop(page, 'mail.log.1.gz', packed));
  assert.equal(await fact(page, 'Lines'), '300000');
  assert.equal(await figure(page, 'Refused connections'), 200_000);
  assert.match(await page.locator('#flood-1 .who').textContent(), /^bob from 192\.0\.2\.7/);
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('zstd of two frames is read whole, what is cut off and what cannot be unpacked is named', async () => {
  const { page, problems } = await opened();
  const log = readFileSync(`${root}testdata/dovecot/01_one_user_one_ip_50ps-info.log`, 'utf8');
  const packed = readFileSync(new URL('two-frames.log.zst', import.meta.url));
  await reading(page, () => drop(page, 'mail.log.zst', packed));
  assert.equal(await fact(page, 'Lines'), String(log.split('\n').length - 1));
  assert.equal(await figure(page, 'Refused connections'), log.split(WORDS).length - 1);
  await reading(page, () => drop(page, 'cut.log.zst', packed.subarray(0, packed.length - 100)));
  await page.locator('.notices', { hasText: 'cut.log.zst' }).waitFor();
  await reading(page, () => drop(page, 'mail.log.xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a])));
  await page.locator('.notices', { hasText: 'xz -dk' }).waitFor();
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('a time zone has a name, which the browser knows', async () => {
  const { page, problems } = await opened();
  await page.locator('#settings summary').click();
  await page.locator('#toml').fill('timezone = "America/New_York"\n');
  await reading(page, () => page.locator('#again').click());
  await page.locator('.period', { hasText: 'America/New_York' }).waitFor();
  await page.locator('#toml').fill('timezone = "America/New_Yorck"\n');
  await page.locator('#mistake', { hasText: 'Line 1: timezone: "America/New_Yorck" is a name' }).waitFor();
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('a wrong configuration is shown at its line, and a right one counts', async () => {
  const { page, problems } = await opened();
  await page.locator('#settings summary').click();
  await page.locator('#toml').fill('max_keys = 2_000\n\n[[rule]]\nname = "userip"\nquiet = "10s"\n');
  const mistake = page.locator('#mistake');
  await mistake.filter({ hasText: 'Line 5: rule[0].quiet: `quiet` (10s) is shorter than `within` (1m)' }).waitFor();
  assert.match(await mistake.textContent(), /5 \| quiet = "10s"\n {2}\| {9}\^{5}\nhelp: set `quiet` to 1m or longer/);
  assert.equal(await page.locator('#numbers .wrong').textContent(), '5');
  assert.equal(await page.locator('#toml').getAttribute('aria-invalid'), 'true');
  await assertAccessible(page);
  await page.locator('#again').click();
  await page.locator('#status.wrong', { hasText: 'The configuration is wrong' }).waitFor();
  await page.locator('#toml').fill('[[rule]]\nname = "mine\n');
  await mistake.filter({ hasText: 'Line 2: ' }).waitFor();
  await page.locator('#toml').fill('[[pattern]]\nname = "x"\ncontains = "yyyy"\nregex = "("\nlimit = "z"\nscope = "service"\n');
  await mistake.filter({ hasText: 'Line 4: ' }).waitFor();
  await page.locator('#toml').fill('[[rule]]\nname = "userip"\nthreshold = 10_000\n');
  await reading(page, () => page.locator('#again').click());
  assert.equal(await page.locator('.flood').count(), 0);
  assert.equal(await figure(page, 'Refused connections'), EXAMPLE.split(WORDS).length - 1);
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('a large log is stopped, and what was read is told', async () => {
  const { page, problems } = await opened();
  const lines = 4_000;
  await page.evaluate((lines) => {
    const one = 'Nov 22 20:13:51 mail dovecot: imap-login: Login: user=<carol>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, mpid=123, session=<abc>\n';
    const block = new Blob([one.repeat(lines)]);
    // A gigabyte that takes no room.
    const large = new File(new Array(2_000).fill(block), 'large.log');
    const data = new DataTransfer();
    data.items.add(large);
    document.getElementById('status').textContent = '';
    document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, lines);
  await page.locator('#status', { hasText: 'MB read' }).waitFor();
  await page.locator('#stop').click();
  await done(page);
  await page.locator('.notices', { hasText: 'Reading was stopped' }).waitFor();
  const read = Number(await fact(page, 'Lines'));
  assert.ok(read > 0 && read < lines * 2_000, String(read));
  assert.ok(await page.locator('#stop').isDisabled());
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('nothing leaves the browser: neither page nor worker may connect anywhere', async () => {
  const { page, problems } = await opened();
  const visits = asked.filter((one) => one === BELOW).length;
  const tried = () => fetch(location.href.startsWith('blob:') ? location.href.slice(5) : location.href).then(() => 'connected', () => 'refused');
  assert.equal(await page.evaluate(tried), 'refused');
  const workers = page.workers();
  assert.equal(workers.length, 1);
  assert.equal(await workers[0].evaluate(tried), 'refused');
  const other = await page.evaluate(() => {
    const image = new Image();
    image.src = `${location.href}?leak`;
    return new Promise((resolve) => {
      image.onload = () => resolve('loaded');
      image.onerror = () => resolve('refused');
    });
  });
  assert.equal(other, 'refused');
  assert.deepEqual(asked.filter((one) => one.includes('leak') || one === BELOW).length, visits, 'the page itself, once a visit');
  assert.ok(problems.every((one) => one.includes('Content Security Policy')), String(problems));
  await page.context().close();
});

test('names from the log are text and nothing else', async () => {
  const { page, problems } = await opened();
  const name = '<img src=x onerror=alert(1)><b>bob</b>';
  const lines = Array.from(
    { length: 40 },
    (_, n) => `2026-01-05T03:12:${String(n).padStart(2, '0')}Z mail dovecot: imap-login: ${WORDS} from user+IP exceeded (mail_max_userip_connections=10): user=<${name}>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1`,
  );
  await page.locator('#paste summary').click();
  await page.locator('#text').fill(lines.join('\n'));
  await reading(page, () => page.locator('#run').click());
  assert.equal(await page.locator('#flood-1 .who b').textContent(), `${name} from 192.0.2.7`);
  assert.equal(await figure(page, 'Refused connections'), 40);
  assert.equal(await page.locator('#report-view img, #report-view b b').count(), 0);
  await page.locator('#text').fill('nothing\n');
  await reading(page, () => page.locator('#run').click());
  await page.locator('#floods', { hasText: 'None' }).waitFor();
  assert.deepEqual(problems, []);
  await page.context().close();
});

test('what is saved is the page that is seen, and the alerts as they would be sent', async () => {
  const { page, problems } = await opened();
  const verdict = await page.locator('h1').textContent();
  const file = pathToFileURL(await download(page, '#page')).href;
  const saved = await open(browser, file, (asked) => asked === file || asked.startsWith('data:'));
  assert.equal(await saved.page.locator('h1').textContent(), verdict);
  await assertAccessible(saved.page);
  assert.equal(JSON.parse(readFileSync(await download(page, '#json'), 'utf8')).verdict[0], verdict);
  const alerts = readFileSync(await download(page, '#alerts'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const ends = alerts.filter((alert) => alert.maxconn.flood.state === 'end');
  assert.equal(ends.length, await page.locator('.flood').count());
  assert.equal(ends.reduce((sum, alert) => sum + alert.maxconn.flood.count, 0), EXAMPLE.split(WORDS).length - 1);
  assert.deepEqual([problems, saved.problems], [[], []]);
  await page.context().close();
});
