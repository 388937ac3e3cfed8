// A case through the package, held against what the core says of it natively.
import assert from 'node:assert/strict';

const KINDS = ['record', 'record', 'event', 'alert', 'statistics'];

/** Fails at the first document that differs. The configuration may be in the module already. */
export function check(Detector, one, cut, config = one.config) {
  const pieces = play(Detector, one, cut, config);
  const expected = one.pieces.map(([kind, text]) => [KINDS[kind], kind === 4 ? withoutMemory(text) : text]);
  for (let at = 0; at < Math.max(pieces.length, expected.length); at++) {
    assert.deepEqual(pieces[at], expected[at], `document ${at + 1}`);
  }
}

function play(Detector, one, cut, config) {
  const source = { format: one.format };
  if (one.path !== null) source.path = one.path;
  source.referenceTime = one.reference_ms;
  if (one.has_offsets) source.offset = 0;
  const options = { source, config };
  let detector = new Detector(options);
  const pieces = [];
  const gather = (results) => {
    for (const { kind, text } of results) pieces.push([kind, kind === 'statistics' ? withoutMemory(text) : text]);
  };
  for (const step of one.steps) {
    if ('lines' in step) {
      for (const batch of cut(step.lines)) gather(detector.push(batch));
      // The lines after a restart are further on in the same file.
      if (one.has_offsets) source.offset += Buffer.byteLength(step.lines);
    } else if ('tick' in step) gather(detector.tick(step.tick));
    else if ('finish' in step) gather(detector.finish(step.finish));
    else if ('statistics' in step) pieces.push(['statistics', withoutMemory(JSON.stringify(detector.statistics()))]);
    else {
      const snapshot = detector.snapshot();
      detector.free();
      detector = new Detector(options);
      gather(detector.restore(snapshot));
    }
  }
  detector.free();
  return pieces;
}

/** The instance's memory differs by design. */
function withoutMemory(text) {
  return JSON.stringify(JSON.parse(text), (key, value) => (key.startsWith('memory') ? undefined : value));
}
