use super::*;
use crate::head;
use crate::recognisers::recognise;
use crate::record::{Keys, read_json};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use proptest::prelude::*;

const LINES: [&str; 7] = [
    r#"{"@timestamp":"2026-01-11T12:00:00.123Z","host":{"name":"mail"},"message":"dovecot: imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<alice@example.org>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2, TLS, session=<7UIgRkhH12HLAHFR>"}"#,
    r#"{"message":"imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<a>, method=PLAIN, rip=2001:db8::7, lip=::1, secured, session=<PLAIN+/=>","timestamp":1768132800.5,"log":{"file":{"path":"/var/log/mail.log"}}}"#,
    r#"{"log":"Jan 11 12:00:00 imap-login: Info: Disconnected: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<a, rip=192.0.2.66>, rip=203.0.113.7, lip=192.0.2.2, session=<7UIgRkhH12HLAHFR>","x":"12"}"#,
    "2026-01-11T12:00:00.123456+01:00 mail dovecot[4711]: imap-login: Login aborted: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10) (too_many): user=<alice>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2, TLS: TLSv1.3 with cipher X (256/256 bits), session=<7UIgRkhH12HLAHFR>",
    "Jan 11 12:00:00 mail dovecot: imap-login: Maximum number of connections from user+IP exceeded: user=<bob>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2",
    "<22>1 2026-01-11T12:00:00Z mail dovecot 12 - - pop3-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<\u{e9}>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2, session=<ab>\r",
    "imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): session=<ab>, user=<bob>, method=PLAIN, rip=203.0.113.7",
];

fn record(line: &[u8], is_json: bool) -> Option<Record<'_>> {
    if is_json {
        let keys = ["message", "log"].map(String::from);
        let keys = Keys {
            message: &keys,
            time: &["@timestamp", "timestamp"].map(String::from),
        };
        return read_json(line, keys, &TimeZone::utc());
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(Record {
        message: Some(String::from_utf8_lossy(line)),
        ..Record::default()
    })
}

/// Reads a line with the memory of another, and checks that it changes nothing. Whether it was used.
fn check(earlier: &[u8], line: &[u8]) -> bool {
    let (is_json, zone) = (line.starts_with(b"{"), TimeZone::utc());
    let mut cache = LineCache::default();
    if let Some(record) = record(earlier, earlier.starts_with(b"{"))
        && let Some(message) = record.message.as_deref()
    {
        let head = head::parse_untimed(message, &zone);
        if let Some(event) = recognise(message, head.body) {
            let is_json = earlier.starts_with(b"{");
            cache.insert(CachedLine::new(earlier, is_json, &record, &event, &head));
        }
    }
    let Some(like) = cache.find(line, is_json) else {
        return false;
    };
    let Some(time_ms) = cache
        .get(like)
        .and_then(|cached| cached.time_ms(line, &zone))
    else {
        return false;
    };
    let expected = record(line, is_json).expect("what is recalled can be read");
    let message = expected.message.as_deref().expect("it has a message");
    let mut is_used = true;
    for reference in [
        Reference::NotNeeded,
        Reference::Latest(Some(1_768_132_800_000)),
        Reference::Latest(None),
    ] {
        let head = match reference {
            Reference::NotNeeded => head::parse_untimed(message, &zone),
            Reference::Latest(reference_ms) => head::parse(message, &zone, reference_ms),
        };
        // The second time from memory.
        for _ in 0..2 {
            let Some(head_ms) = cache.head_ms(like, line, &zone, reference) else {
                is_used &= reference == Reference::Latest(None);
                continue;
            };
            let cached = cache.get(like).expect("it was just found");
            if reference != Reference::NotNeeded {
                assert_eq!(head_ms, head.time_ms);
            }
            assert_eq!(cached.host(), expected.host.as_deref().or(head.host));
            assert_eq!(cached.message(line), message.as_bytes());
            assert_eq!(cached.event(line), recognise(message, head.body));
        }
    }
    let cached = cache.get(like).expect("it was just found");
    let recalled = Record {
        time_ms,
        stamp: expected.stamp,
        message: expected.message.clone(),
        host: expected.host.clone(),
        path: cached.path().map(Cow::Borrowed),
        plain: cached.plain(),
        ..Record::default()
    };
    assert_eq!(recalled, expected);
    is_used
}

#[test]
fn a_line_is_like_itself() {
    for line in LINES {
        assert!(check(line.as_bytes(), line.as_bytes()), "{line}");
    }
}

#[test]
fn times_and_sessions_may_differ_and_nothing_else() {
    let all = LINES.map(|line| {
        line.replace("12:00:00", "13:59:07")
            .replace("1768132800.5", "1768132801.7")
            .replace("7UIgRkhH12HLAHFR", "ZZZZ+/AAhH12HLA=")
    });
    for (line, other) in LINES.into_iter().zip(&all) {
        assert!(check(line.as_bytes(), other.as_bytes()), "{other}");
        for (from, to) in [
            ("user=<a", "user=<b"),
            ("0.113.7", "0.113.8"),
            ("HFR>", "HF,>"),
        ] {
            let other = line.replace(from, to);
            assert!(
                other == line || !check(line.as_bytes(), other.as_bytes()),
                "{other}"
            );
        }
    }
}

#[test]
fn a_number_keeps_the_form_of_one() {
    let other = LINES[1].replace("1768132800.5", "0768132800.5");
    assert!(!check(LINES[1].as_bytes(), other.as_bytes()));
}

proptest! {
    #[test]
    fn base64_is_told_byte_by_byte(bytes in prop::collection::vec(prop_oneof![6 => prop::sample::select(b"azAZ09+/=".to_vec()), 1 => any::<u8>()], 0..20)) {
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        prop_assert_eq!(is_session(&bytes), bytes.iter().all(is_base64));
    }

    #[test]
    fn remembering_changes_nothing(
        line in 0..LINES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), r#"[<>", =:\\0-9A-Za-zé\n+/{}-]"#), 1..6),
        is_near_the_end in any::<bool>(),
    ) {
        let line = LINES[line];
        let mut other = line.as_bytes().to_vec();
        for (at, byte) in &changes {
            let len = other.len();
            let at = if is_near_the_end { len - 1 - at.index(30) } else { at.index(len) };
            other[at] = byte.as_bytes()[0];
        }
        check(line.as_bytes(), &other);
        check(&other, line.as_bytes());
        let back = format!("{line}\r");
        check(back.as_bytes(), &other);
    }

    #[test]
    fn what_may_differ_is_only_taken_for_what_it_is(
        line in 0..LINES.len(),
        stamp in r#"[0-9.:TZ"\\-]{24}|20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9]{2}:00:00.123Z"#,
        number in "[0-9.e+-]{12}",
        session in r#"[A-Za-z0-9+/=<>, "\\]{16}"#,
        date in r#"[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|(Jan|Feb|Dec) [ 0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]|[0-9 "\\T:.-]{15}"#,
        iso in r#"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9]{2}:00:00Z|[0-9TZ:+ -]{20}"#,
    ) {
        let line = LINES[line];
        let other = line
            .replace("2026-01-11T12:00:00.123Z", &stamp)
            .replace("1768132800.5", &number)
            .replace("Jan 11 12:00:00", &date)
            .replace("2026-01-11T12:00:00Z", &iso)
            .replace("7UIgRkhH12HLAHFR", &session);
        check(line.as_bytes(), other.as_bytes());
    }
}

#[test]
fn a_time_is_replaced_by_one_of_the_same_form_alone() {
    let number = |text: &str| {
        let line = format!("{{\"timestamp\":{text},");
        is_in_form(line.as_bytes(), Span { start: 13, end: 33 })
    };
    assert!(number("1768132800.123456789"));
    assert!(!number("2026-01-11T12:00:00Z"));
    assert!(is_alike(b"Jan 11 12:00:00", b"Feb 01 01:02:03"));
    assert!(!is_alike(b"2026-01-11T12:00:00", b"Jan 11 12:00:00.123"));
}
