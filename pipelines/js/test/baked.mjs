// A thread that runs a case with its configuration inside the module and no other.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

import { entry, packageFolder, run, targetFolder } from './here.mjs';
import { check } from './play.mjs';

/** The package's module with a configuration inside it. */
function bake(json) {
  const folder = mkdtempSync(join(tmpdir(), 'maxconn-'));
  try {
    const [config, output] = [join(folder, 'config.json'), join(folder, 'baked.wasm')];
    writeFileSync(config, json);
    const module = `${packageFolder}/maxconn.wasm`;
    run(`${targetFolder}/release/maxconn`, ['--config', config, 'config', 'bake', '--plugin', module, '--output', output]);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { Detector, load } = await entry('maxconn.js');
await load(bake(workerData.config));
check(Detector, workerData, (lines) => [lines], null);
parentPort.postMessage('fine');
