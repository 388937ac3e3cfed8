// Where things lie, and the few helpers that every test uses. `make npm-test` builds all of it first.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));
export const packageFolder = `${root}target/npm/maxconn`;
export const targetFolder = process.env.CARGO_TARGET_DIR || `${root}target`;

/** Every case as `cases-json` writes it. */
export function cases() {
  return JSON.parse(readFileSync(`${root}target/npm/cases.json`, 'utf8'));
}

/** The package in the workspace. */
export const entry = (file) => import(`${packageFolder}/${file}`);

/** Runs a program and gives its standard output. */
export function run(program, args, options = {}) {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

/** A folder, until the tests are over, with the package installed as users get it: from the tarball. */
export function installed() {
  const folder = mkdtempSync(join(tmpdir(), 'maxconn-npm-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: packageFolder }));
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename)], { cwd: folder });
  return folder;
}

export const readme = () => readFileSync(join(root, 'pipelines/js/README.md'), 'utf8');

/** The examples of the README: name, program, and what it prints. */
export function examples() {
  const found = readme().matchAll(/^```js\n(?:\/\/ ([a-z-]+)\.mjs\n)(.*?)^```\n(?:\n^```text\n(.*?)^```)?/gms);
  return [...found].map(([, name, text, expected]) => ({ name, text, expected }));
}

/** Refused logins of one user, a second apart. */
export function refusals(count, user = 'alice', message = (line) => line) {
  const start = Date.UTC(2026, 0, 1, 12);
  return Array.from({ length: count }, (_, n) =>
    message(
      `${new Date(start + n * 1000).toISOString()} mail dovecot: imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<${user}>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2`,
    ),
  );
}
