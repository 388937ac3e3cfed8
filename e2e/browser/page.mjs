// The page as the command writes it, put together here so that the view is tested without it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { root } from './browser.mjs';

const VIEW = `${root}report/view/`;

/** The files that `report/view/mod.rs` puts into the page, in its order. */
function parts(constant) {
  const source = readFileSync(`${VIEW}mod.rs`, 'utf8');
  const text = source.slice(source.indexOf(`pub const ${constant}:`));
  const names = [...text.slice(0, text.indexOf(';\n')).matchAll(/include_str!\("([^"]+)"\)/g)];
  return names.map(([, name]) => readFileSync(VIEW + name, 'utf8')).join('\n');
}

export function page(report) {
  const [style, script] = [parts('STYLE'), parts('SCRIPT')];
  const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:; base-uri 'none'; form-action 'none'`;
  const json = JSON.stringify(report).replace(/[<>&\u2028\u2029]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const put = {
    '<!--CSP-->': `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<!--STYLE-->': `<style>${style}</style>`,
    '<!--DATA-->': `<script type="application/json" id="report">${json}</script>`,
    '<!--SCRIPT-->': `<script>${script}</script>`,
  };
  return parts('PAGE').replace(/<!--(?:CSP|STYLE|DATA|SCRIPT)-->/g, (marker) => put[marker]);
}
