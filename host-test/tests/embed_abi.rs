//! What a version of the embed ABI promises to hosts that are older or newer than the module (docs/embedding.md).

use host_test::embed::EmbedGuest;
use host_test::run::ALERT;
use host_test::wasm::{Arg, Runtime};
use host_test::{Error, guest};
use test_support::refusal;

const REFUSED: i64 = 1;
const BAD_CALL: i64 = -1;

fn module() -> Result<EmbedGuest, Error> {
    EmbedGuest::new(&guest("embed")?, Runtime::Wasmi, None)
}

/// The kinds of what becomes of a flood and lines without an event.
fn kinds(guest: &mut EmbedGuest) -> Result<Vec<u32>, Error> {
    let line = refusal::line("2026-01-01T12:00:00Z", "alice", "203.0.113.7");
    let lines = line.repeat(40) + "{\"message\":\"hello\"}\nhello\n";
    let mut pieces = Vec::new();
    guest.push_all(lines.as_bytes(), None, &mut pieces)?;
    Ok(pieces.iter().map(|piece| piece.kind).collect())
}

#[test]
fn a_host_that_asks_for_nothing_new_gets_nothing_new() -> Result<(), Error> {
    let mut guest = module()?;
    assert_eq!(guest.call("maxconn_abi_version", &[])?, 1);
    let mut kinds = kinds(&mut guest)?;
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [0, 1, 2, ALERT]);
    Ok(())
}

#[test]
fn a_module_refuses_what_it_does_not_know_and_stays_as_it_was() -> Result<(), Error> {
    let mut guest = module()?;
    for (flags, answer) in [(4, 0), (4 | 1 << 30, BAD_CALL)] {
        assert_eq!(guest.call("maxconn_want", &[Arg::I32(flags)])?, answer);
    }
    let source = r#"{"path":"/mail.log","of_a_later_module":1}"#;
    guest.input(source.as_bytes())?;
    let arguments = [0, source.len() as u32].map(Arg::I32);
    assert_eq!(guest.call("maxconn_source", &arguments)?, REFUSED);
    let config = r#"{"rule":[{"name":"userip","threshold":50}],"of_a_later_module":1}"#;
    guest.input(config.as_bytes())?;
    let arguments = [Arg::I32(config.len() as u32)];
    assert_eq!(guest.call("maxconn_configure", &arguments)?, REFUSED);
    assert_eq!(kinds(&mut guest)?, [ALERT]);
    Ok(())
}
