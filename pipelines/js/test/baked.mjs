// A thread that runs a case with its configuration inside the module and no other.
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

import { entry, packageFolder } from './here.mjs';
import { check } from './play.mjs';

/** What `maxconn config bake` does: src/config/baked.rs has the layout. */
function bake(module, json) {
  const magic = Buffer.from('maxconn:baked:v1');
  const start = module.indexOf(magic);
  if (start < 0 || module.indexOf(magic, start + 1) >= 0) throw new Error('the module has no region, or two');
  const length = module.writeUInt32LE(Buffer.byteLength(json), start + magic.length);
  module.write(json, length);
  return module;
}

const { Detector, load } = await entry('maxconn.js');
await load(bake(readFileSync(`${packageFolder}/maxconn.wasm`), workerData.config));
check(Detector, workerData, (lines) => [lines], null);
parentPort.postMessage('fine');
