// The playground in Debian's Chromium: a real flood from a file, and a log that tries to be HTML.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

import { chromium } from 'playwright-core';

import { serve } from '../../examples/playground/serve.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const FLOOD = `${root}testdata/dovecot/14_flood_servicecount0.log.gz`;
const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

let [server, context, page, profile] = [];
const problems = [];

before(async () => {
  server = await serve(0);
  profile = mkdtempSync(join(tmpdir(), 'maxconn-chromium-'));
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS.split(' '),
    viewport: { width: 1280, height: 960 },
  });
  page = await context.newPage();
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('dialog', (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.locator('#run:enabled').waitFor();
});

after(async () => {
  await context?.close();
  server?.close();
  if (profile) rmSync(profile, { recursive: true, force: true });
});

/** The table's rows, a list of texts each. */
const rows = () => page.locator('#alerts tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
const figure = async (name) => Number((await page.locator(`#summary [data-figure=${name}]`).textContent()).replaceAll(',', ''));
const done = () => page.locator('#status', { hasText: 'Done' }).waitFor();

test('a real flood from a packed file is found, with exact totals', async () => {
  await page.locator('#file').setInputFiles(FLOOD);
  await done();
  const log = gunzipSync(readFileSync(FLOOD)).toString('utf8');
  const entries = log.split('\n').length - 1;
  const refused = log.split('Maximum number of connections').length - 1;
  assert.equal(await figure('records'), entries);
  assert.equal((await figure('suppressed')) + (await figure('passed')), entries);
  const ends = (await rows()).filter(([, state]) => state === 'end');
  assert.equal(await figure('floods'), ends.length);
  assert.equal(await figure('alerts-sent'), (await rows()).length);
  const total = ends.reduce((sum, row) => sum + Number(row[4].replaceAll(',', '')), 0);
  assert.equal(total, refused);
  mkdirSync(`${root}target/e2e`, { recursive: true });
  await page.screenshot({ path: `${root}target/e2e/playground.png`, fullPage: true });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.screenshot({ path: `${root}target/e2e/playground-dark.png`, fullPage: true });
});

test('a user name that is HTML is shown as text', async () => {
  const name = '<img src=x onerror=alert(1)><b>bob</b>';
  const lines = Array.from(
    { length: 40 },
    (_, n) =>
      `2026-01-05T03:12:${String(n).padStart(2, '0')}Z mail dovecot: imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<${name}>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1`,
  );
  await page.locator('#text').fill(lines.join('\n'));
  await page.locator('#run').click();
  await page.locator('#alerts td.who', { hasText: name }).first().waitFor();
  const found = await rows();
  assert.deepEqual(found.map((row) => [row[1], row[2], row[4]]), [['start', name, '30'], ['end', name, '40']]);
  assert.equal(await page.locator('#alerts img, #alerts b').count(), 0);
});

test('a log without a flood says so', async () => {
  await page.locator('#text').fill('nothing\n');
  await page.locator('#run').click();
  await page.locator('#alerts td', { hasText: 'No flood in this log.' }).waitFor();
  assert.equal(await figure('floods'), 0);
});

test('nothing went wrong on the page', () => assert.deepEqual(problems, []));
