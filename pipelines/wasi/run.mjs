// Runs the module under Node's own WASI: node run.mjs maxconn-wasi.wasm [OPTIONS] < mail.log
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [file, ...options] = process.argv.slice(2);
const wasi = new WASI({
  version: 'preview1',
  args: ['maxconn', ...options],
  preopens: { '.': '.' },
  returnOnExit: true,
});
const { instance } = await WebAssembly.instantiate(await readFile(file), wasi.getImportObject());
process.exitCode = wasi.start(instance);
