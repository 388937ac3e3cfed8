// The package behind bundlers and in other engines: it works, or says what to do. What was bundled runs far from node_modules.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup } from 'rollup';
import * as vite from 'vite';
import webpack from 'webpack';

import { installed, refusals, run } from './here.mjs';

const folder = installed();
const modules = join(folder, 'node_modules');
const wasm = join(modules, 'maxconn/maxconn.wasm');
const tool = (name) => fileURLToPath(new URL(`./node_modules/.bin/${name}`, import.meta.url));

const RUN = `
  const detector = new Detector({ only: 'alerts', config: { timezone: 'Europe/Berlin' } });
  console.log(detector.push(${JSON.stringify(refusals(40))}).map(({ record }) => record.maxconn.flood.state).join());`;
const PROGRAMS = {
  'app.mjs': `import { Detector, load } from 'maxconn'; await load(); ${RUN}`,
  // Its module is in the bundle.
  'inside.mjs': `import { Detector, load } from 'maxconn'; import wasm from 'maxconn/maxconn.wasm'; await load(wasm); ${RUN}`,
  // Scripts that are no modules have no await outside of functions.
  'script.mjs': `import { Detector, load } from 'maxconn'; load().then(() => { ${RUN} }).catch((error) => console.log(error.message));`,
};
for (const [name, text] of Object.entries(PROGRAMS)) writeFileSync(join(folder, name), text);
const app = join(folder, 'app.mjs');

/** A folder for a bundle. */
function out(name) {
  const path = join(folder, 'out', name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** What a bundle says where the package is not. */
function bundled(file) {
  renameSync(modules, `${modules}-away`);
  try {
    return run(process.execPath, [file]);
  } catch (error) {
    return error.stderr.slice(-2_000);
  } finally {
    renameSync(`${modules}-away`, modules);
  }
}

/** It says what to do, and works once that is done. */
function assertBeside(path, file) {
  assert.match(bundled(join(path, file)), /maxconn\.wasm cannot be read .*; put node_modules\/maxconn\/maxconn\.wasm beside the code that is bundled/);
  cpSync(wasm, join(path, 'maxconn.wasm'));
  assert.equal(bundled(join(path, file)), 'start\n');
}

test('vite takes the module along', async () => {
  const path = out('vite');
  await vite.build({
    root: folder,
    base: './',
    configFile: false,
    logLevel: 'error',
    build: { outDir: path, target: 'esnext', modulePreload: false, rollupOptions: { input: app } },
  });
  const assets = join(path, 'assets');
  const script = readdirSync(assets).find((name) => name.endsWith('.js'));
  assert.equal(bundled(join(assets, script)), 'start\n');
});

for (const target of ['web', 'node']) {
  test(`webpack takes the module along: ${target}`, async () => {
    const path = out(`webpack-${target}`);
    const stats = await promisify(webpack)({
      context: folder,
      entry: app,
      mode: 'production',
      target,
      experiments: { outputModule: true },
      output: { path, filename: 'app.mjs', module: true, chunkFormat: 'module' },
      // It warns of what is larger than 244 KiB.
      performance: false,
    });
    assert.deepEqual(stats.compilation.errors.concat(stats.compilation.warnings), []);
    assert.equal(bundled(join(path, 'app.mjs')), 'start\n');
  });
}

test('esbuild wants it beside the bundle, or in it', async () => {
  const path = out('esbuild');
  const options = { absWorkingDir: folder, bundle: true, format: 'esm', target: 'node20', outdir: path, outExtension: { '.js': '.mjs' }, logLevel: 'error' };
  await esbuild.build({ ...options, entryPoints: ['app.mjs'] });
  assertBeside(path, 'app.mjs');
  await esbuild.build({ ...options, outdir: out('esbuild-inside'), entryPoints: ['inside.mjs'], loader: { '.wasm': 'binary' } });
  assert.equal(bundled(join(folder, 'out/esbuild-inside/inside.mjs')), 'start\n');
});

test('a script that is no module says that it needs load()', async () => {
  const options = { absWorkingDir: folder, bundle: true, format: 'cjs', outfile: join(out('script'), 'script.cjs'), logLevel: 'silent' };
  await esbuild.build({ ...options, entryPoints: ['script.mjs'] });
  assert.match(bundled(options.outfile), /does not know where it is, .*; put .* or give it to load\(\)/);
});

test('Rollup wants it beside the bundle', async () => {
  const path = out('rollup');
  const bundle = await rollup({ input: app, plugins: [nodeResolve()] });
  await bundle.write({ file: join(path, 'app.mjs'), format: 'es' });
  await bundle.close();
  assertBeside(path, 'app.mjs');
});

test('Bun runs it, and wants it beside its bundles', () => {
  assert.equal(run(tool('bun'), [app]), 'start\n');
  const path = out('bun');
  run(tool('bun'), ['build', app, '--target=node', `--outfile=${join(path, 'app.mjs')}`], { cwd: folder });
  assertBeside(path, 'app.mjs');
});

test('Deno runs it, where it may read it', () => {
  const deno = (...flags) =>
    run(tool('deno'), ['run', '--no-prompt', ...flags, app], {
      cwd: folder,
      env: { ...process.env, DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
    });
  assert.equal(deno(`--allow-read=${folder}`), 'start\n');
  assert.throws(() => deno(), /maxconn\.wasm cannot be read .*--allow-read/);
});

test("vite's development server has it where the page looks, if it leaves the package as it is", async () => {
  const server = await vite.createServer({
    root: folder,
    configFile: false,
    logLevel: 'error',
    cacheDir: join(folder, 'out/vite-cache'),
    optimizeDeps: { exclude: ['maxconn'], noDiscovery: true },
    server: { host: '127.0.0.1', port: 0, watch: null, hmr: false },
  });
  try {
    await server.listen();
    const { port } = server.httpServer.address();
    const asked = async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    const [, entry] = /from "([^"]*maxconn\.js[^"]*)"/.exec(await asked('/app.mjs'));
    const module = await fetch(new URL('./maxconn.wasm', `http://127.0.0.1:${port}${entry}`));
    assert.deepEqual(new Uint8Array(await module.arrayBuffer()).subarray(0, 4), new Uint8Array([0, 97, 115, 109]));
  } finally {
    await server.close();
  }
});

test('what a server answers instead of the module is named', () => {
  const text = `import { load } from 'maxconn'; const page = new Response('<!doctype html>');
    await load(page).catch((error) => console.log(error.message));`;
  writeFileSync(join(folder, 'page.mjs'), text);
  assert.match(run(process.execPath, [join(folder, 'page.mjs')]), /is no WebAssembly \(.*optimizeDeps\.exclude/);
});
