use super::*;
use crate::time::parse_rfc3339;
use crate::time::tests::written;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use test_support::data::rows;

fn read(text: &str) -> (String, Option<&str>, &str) {
    let zone = TimeZone::utc();
    let reference = parse_rfc3339(b"2026-11-23T00:00:00Z", &zone);
    let head = parse(text, &zone, reference);
    assert_eq!(time(text, &zone, reference), head.time_ms, "{text}");
    let untimed = parse_untimed(text, &zone);
    assert_eq!(untimed.host, head.host, "{text}");
    assert_eq!(untimed.body, head.body, "{text}");
    let time = head.time_ms.map(written).unwrap_or_default();
    (time, head.host, text.get(head.body..).expect("within"))
}

/// Heads as daemons, containers and tools write them, with their time and host (`heads.json`): each is skipped whole.
#[test]
fn heads_that_occur() {
    type Row = (String, String, Option<String>);
    let groups: BTreeMap<String, Vec<Row>> =
        serde_json::from_str(include_str!("heads.json")).expect("rows by what they are");
    for (prefix, time, host) in groups.into_values().flatten() {
        for body in [
            "imap-login: Login: user=<a>",
            "master: Warning: service(imap): x",
        ] {
            let text = [&prefix, body].concat();
            assert_eq!(
                read(&text),
                (time.clone(), host.as_deref(), body),
                "{prefix}"
            );
        }
    }
}

#[test]
fn names_of_users_are_no_part_of_a_head() {
    let at = String::from("2026-11-22T20:13:51.000Z");
    for body in [
        "imap(x dovecot: imap-login: Maximum)<1><A>: Info: Disconnected",
        "imap-login: Info: Login: user=<Nov 22 20:13:51 vm dovecot: imap-login: >",
        "master: Warning: service(imap): process_limit (3) reached",
        "(x) dovecot: imap-login: ",
    ] {
        let text = ["Nov 22 20:13:51 ", body].concat();
        assert_eq!(read(&text), (at.clone(), None, body));
    }
}

#[test]
fn broken_heads_are_left_alone() {
    for text in [
        "<",
        "<22",
        "<2222>x",
        "<22>",
        "<22>1 ",
        "<22>1 2026",
        "Nov",
        "2026-11-22",
        "[",
        "dovecot",
        "\u{feff}",
    ] {
        let head = parse(text, &TimeZone::utc(), Some(0));
        assert!(
            text.get(head.body..).is_some() && head.host.is_none(),
            "{text}"
        );
    }
    let deep = "<1>".repeat(100);
    assert_eq!(parse(&deep, &TimeZone::utc(), None).body, 3 * PARTS_MAX);
    let without_year = parse("Nov 22 20:13:51 vm dovecot: x", &TimeZone::utc(), None);
    assert_eq!(
        without_year,
        Head {
            time_ms: None,
            host: Some("vm"),
            body: 28,
            stamp: Stamp {
                start: 0,
                len: 15,
                is_rfc5424: false
            }
        }
    );
}

/// What other programs say begins with words, too, and then with what somebody chose.
#[test]
fn words_of_a_sentence_are_no_head() {
    for text in [
        "Invalid user Nov 22 20:13:51 mail dovecot: imap-login: x",
        "User dovecot: imap-login: x",
        "User |imap-login: x",
        "unknown user 22/11 20:13:51 dovecot: imap-login: x",
        "user imap-login: x",
        "user mail.info dovecot: imap-login: x",
        "user:imap-login: x",
        "user:Nov 22 20:13:51 dovecot: imap-login: x",
        "login failed: imap-login: x",
        "error: imap-login: x",
        "failed[x y]: imap-login: x",
        "failed[a]",
        "(x): imap-login: x",
        "<x> imap-login: x",
        "\"imap-login: x",
        "- imap-login: x",
        "a.b:c.d:imap-login: x",
    ] {
        let head = parse(text, &TimeZone::utc(), Some(0));
        assert_eq!((head.body, head.host), (0, None), "{text}");
    }
}

#[test]
fn times_of_one_server_alone_are_read() {
    for [line, time_ms, body] in rows(
        "
        1795886598: Client connection | 1795886598000 | Client connection
        20261128 16:36:32,srv1,alice  | 1795883792000 | srv1,alice
        26/11/28@17:24:13: FAIL: echo | 1795886653000 | : FAIL: echo
        26/1/8@17:24:13: FAIL: echo   | 1767893053000 | : FAIL: echo",
    ) {
        let head = parse(line, &TimeZone::utc(), None);
        assert_eq!(head.time_ms, time_ms.parse().ok(), "{line}");
        assert_eq!(line.get(head.body..), Some(body), "{line}");
    }
    for line in [
        "179588659: x",
        "20261328 16:36:32,x",
        "26/11/28@17:24:1: x",
        "26/11/@17:24:13: x",
    ] {
        assert_eq!(parse(line, &TimeZone::utc(), None).time_ms, None, "{line}");
    }
}
