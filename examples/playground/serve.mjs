// `make playground`: this page and the npm package beside it, on loopback only.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('.', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../target/npm/maxconn/', import.meta.url));
const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  wasm: 'application/wasm',
};

/** Serves on a port of 127.0.0.1 (0: any free one) and gives the server once it listens. */
export function serve(port) {
  const server = createServer(async (request, response) => {
    const path = request.url.split('?')[0];
    // One folder deep and plain names only: nothing else can be asked for.
    const found = /^\/(maxconn\/)?([a-z]+\.(html|css|m?js|wasm))$/.exec(path === '/' ? '/index.html' : path);
    const body = found === null ? undefined : await readFile((found[1] ? PACKAGE : PAGE) + found[2]).catch(() => undefined);
    if (body === undefined) response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such file.\n');
    else response.writeHead(200, { 'content-type': TYPES[found[3]], 'cache-control': 'no-store' }).end(body);
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
