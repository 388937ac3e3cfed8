// `make playground`: the files of `make playground-dist`, on loopback only.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../target/playground/', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** Serves on a port of 127.0.0.1 (0: any free one), below a path, and gives the server once it listens. */
export function serve(port, below = '/') {
  const server = createServer(async (request, response) => {
    const path = request.url.split('?')[0];
    const inside = path.startsWith(below) ? path.slice(below.length) || 'index.html' : '';
    // Plain names, one folder deep: nothing else can be asked for.
    const isPlain = /^([a-z][a-z0-9.-]*\/)?[A-Za-z][A-Za-z0-9.-]*$/.test(inside);
    const body = isPlain ? await readFile(FOLDER + inside).catch(() => undefined) : undefined;
    if (body === undefined) response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such file.\n');
    else response.writeHead(200, { 'content-type': TYPES[extname(inside)] ?? 'application/octet-stream', 'cache-control': 'no-store' }).end(body);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve(Number(process.env.PORT ?? 8000));
  console.log(`http://127.0.0.1:${server.address().port}/ (Ctrl-C ends it)`);
}
