// Posts records to maxconn, and gives back what becomes of them. Needs nothing but Node 18 or a browser.

/**
 * What becomes of records: those that go on, and alerts among them, in order. The same bytes are sent again until there is
 * an answer: they are counted once.
 */
export async function reply(records, url = 'http://127.0.0.1:8686') {
  const body = JSON.stringify(records);
  for (;;) {
    try {
      const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
      if (answer.ok) return await answer.json();
      if (answer.status !== 503) throw new RangeError(`${url}: ${answer.status} ${await answer.text()}`);
    } catch (error) {
      if (error instanceof RangeError) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const lines = (await import('node:fs')).readFileSync(0, 'utf8').split('\n').filter(Boolean);
  for (const record of await reply(lines.map((message) => ({ message })), process.argv[2])) {
    console.log(JSON.stringify(record));
  }
}
