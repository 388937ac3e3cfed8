#!/usr/bin/env python3
"""Posts the lines of standard input to maxconn, and prints what becomes of them. Needs nothing but Python."""

import sys
import time
import urllib.error
import urllib.request

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8686"
BATCH_LINES = 1_000


def reply(batch: bytes) -> bytes:
    """What becomes of a batch. The same bytes are sent again until there is an answer: they are counted once."""
    request = urllib.request.Request(URL, batch, {"Content-Type": "application/x-ndjson"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise SystemExit(f"{URL}: {error.code} {error.read().decode()}") from error
        except OSError as error:
            print(f"{URL}: {error}; trying again", file=sys.stderr)
        time.sleep(1)


batch = []
for line in sys.stdin.buffer:
    batch.append(line)
    if len(batch) == BATCH_LINES:
        sys.stdout.buffer.write(reply(b"".join(batch)))
        batch.clear()
if batch:
    sys.stdout.buffer.write(reply(b"".join(batch)))
