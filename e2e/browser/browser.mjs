// Debian's Chromium, and what both pages are asked: no error, no dialog, no request beside their own, no jump, no barrier.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS.split(' ') });
}

/** A page, and what went wrong on it: errors, dialogs, and requests that `isOwn` does not know. */
export async function open(browser, url, isOwn, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 960 }, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && problems.push(message.text()));
  page.on('dialog', (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  const noted = (request) => isOwn(request.url()) || problems.push(`a request: ${request.url()}`);
  context.on('requestfinished', noted);
  // What the page's policy stops goes nowhere; it is on the console.
  context.on('requestfailed', (request) => request.failure()?.errorText !== 'csp' && noted(request));
  await page.addInitScript(() => {
    window.shifts = [];
    const note = (entry) => window.shifts.push(`${entry.value}: ${entry.sources.map((source) => source.node?.className || source.node?.nodeName)}`);
    new PerformanceObserver((list) => list.getEntries().filter((entry) => !entry.hadRecentInput).forEach(note)).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(url);
  return { page, problems };
}

export async function assertStill(page) {
  // The observer is told after the next frame.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  assert.deepEqual(await page.evaluate(() => window.shifts), []);
}

/** Asks axe-core. It is put in by the browser itself, which the page's policy does not forbid. */
export async function assertAccessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`), []);
}

export async function assertFits(page) {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= room, `the page is ${wide} pixels wide and has ${room}`);
}

/** A picture for people, below target/e2e. */
export async function picture(page, name) {
  mkdirSync(`${root}target/e2e`, { recursive: true });
  await page.screenshot({ path: `${root}target/e2e/${name}.png`, fullPage: true });
}
