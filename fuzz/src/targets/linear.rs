//! Work and memory of the guest: twice the input, twice the fuel.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use host_test::embed::EmbedGuest;
use host_test::wasm::Runtime;

/// The smallest of the three inputs has about this size, in bytes; the largest four times as much.
const SMALL_BYTES: usize = 4 * 1024;
/// What opens a flood, fills a table or grows memory costs once.
const ONCE_FUEL: u64 = 1_000_000;
/// Memory grows by pages, and by doubling.
const ONCE_BYTES: usize = 1 << 20;

/// The guest for programs that embed one.
pub static EMBED: LazyLock<Vec<u8>> =
    LazyLock::new(|| host_test::guest("embed").unwrap_or_else(|error| panic!("{error}")));

pub fn run(data: &[u8]) {
    let (choice, rest) = data.split_at(data.len().min(4));
    let u = &mut Unstructured::new(choice);
    let before = usize::from(u.arbitrary().unwrap_or(0_u8)).min(rest.len());
    let (before, rest) = rest.split_at(before);
    let len = usize::from(u.arbitrary().unwrap_or(0_u8))
        .clamp(1, rest.len().max(1))
        .min(rest.len());
    let (piece, after) = rest.split_at(len);
    let after = after.get(..after.len().min(1024)).unwrap_or_default();
    let times = SMALL_BYTES / piece.len().max(1);
    let input = |times: usize| [before, &piece.repeat(times), after].concat();
    let [one, two, four] = [1, 2, 4].map(|factor| cost(&input(times * factor)));
    let (first, second) = (two.0.saturating_sub(one.0), four.0.saturating_sub(two.0));
    // Linear work makes the second twice the first, quadratic work four times.
    assert!(
        second <= first * 5 / 2 + ONCE_FUEL,
        "{one:?}, {two:?}, {four:?}: fuel and memory of {times} times, twice and four times {:?}",
        String::from_utf8_lossy(piece)
    );
    assert!(
        four.1 <= one.1 + 16 * input(4 * times).len() + ONCE_BYTES,
        "{one:?}, {two:?}, {four:?}: memory of {times} times, twice and four times {:?}",
        String::from_utf8_lossy(piece)
    );
}

/// The fuel and the memory that a batch takes.
fn cost(batch: &[u8]) -> (u64, usize) {
    let measured = || -> Result<(u64, usize), host_test::Error> {
        let mut guest = EmbedGuest::new(&EMBED, Runtime::Wasmtime, Some("{}"))?;
        let before = guest.fuel();
        guest.push_all(batch, None, &mut Vec::new())?;
        guest.finish_all(&mut Vec::new())?;
        Ok((guest.fuel() - before, guest.memory_bytes()))
    };
    measured().unwrap_or_else(|error| panic!("{error}"))
}

/// A line over and over, and a piece within a line over and over.
pub fn seeds() -> Vec<Vec<u8>> {
    // Built before the clock of any input runs.
    LazyLock::force(&EMBED);
    let mut all = Vec::new();
    for line in super::seeds::lines() {
        let len = line.len().min(254) as u8;
        all.push([&[0, len + 1, 0, 0], &line[..], b"\n"].concat());
        all.push([&[len / 2, 8, 0, 0], &line[..], b"\n"].concat());
    }
    for piece in [
        "{\"a\":",
        "[",
        "\\",
        "\\u003c",
        ", ",
        ": user=<",
        "<22>",
        "imap-login: ",
        "\"a\":1,",
        " - ",
        "dovecot: ",
    ] {
        let refusal = "imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)";
        for (before, after) in [
            (
                String::new(),
                format!("{refusal}: user=<a>, rip=192.0.2.7\n"),
            ),
            (
                format!("{refusal}: user=<"),
                ">, rip=192.0.2.7, lip=192.0.2.1\n".to_string(),
            ),
            (format!("{{\"message\":\"{refusal}\","), "\n".to_string()),
        ] {
            let head = [before.len() as u8, piece.len() as u8, 0, 0];
            all.push(
                [
                    &head[..],
                    before.as_bytes(),
                    piece.as_bytes(),
                    after.as_bytes(),
                ]
                .concat(),
            );
        }
    }
    all
}
