use super::super::parse_rfc3339;
use super::super::tests::written;
use super::*;
use alloc::string::String;
use test_support::data::rows;

fn read(text: &str, reference: &str) -> Option<(String, usize)> {
    let zone = TimeZone::parse("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
    let reference_ms = parse_rfc3339(reference.as_bytes(), &TimeZone::utc());
    let (time_ms, len) = read_log_time(text.as_bytes(), &zone, Reference::Latest(reference_ms))?;
    let untimed = read_log_time(text.as_bytes(), &zone, Reference::NotNeeded);
    assert_eq!(untimed.map(|(_, len)| len), Some(len), "{text}");
    Some((time_ms.map(written).unwrap_or_default(), len))
}

#[test]
fn times_in_all_their_forms() {
    let (zoned, offset) = ("2026-11-16T18:13:55.000Z", "2026-11-16T19:13:55.000Z");
    let fine = "2026-11-16T18:13:55.123Z";
    for (text, time) in [
        ("Nov 16 19:13:55", zoned),
        ("NOV 16 19:13:55", zoned),
        ("nov 16 19:13:55", zoned),
        ("Nov 16 19:13:55.123", fine),
        ("Nov 16 19:13:55,123456", fine),
        ("Nov 16 2026 19:13:55", zoned),
        ("Nov 16, 2026 19:13:55", zoned),
        ("Nov 16, 2026 @ 19:13:55.123", fine),
        ("Nov 16 19:13:55 2026", zoned),
        ("Nov 16 19:13:55 UTC", offset),
        ("Nov 16 19:13:55:", zoned),
        ("2026 Nov 16 19:13:55", zoned),
        ("Mon Nov 16 19:13:55", zoned),
        ("Mon Nov 16 19:13:55 2026", zoned),
        ("Mon Nov 16 19:13:55.123456 2026", fine),
        ("Mon Nov 16 19:13:55 UTC 2026", offset),
        ("Mon Nov 16 19:13:55 CET 2026", zoned),
        ("Mon, 16 Nov 2026 19:13:55 +0000", offset),
        ("Mon, 16-Nov-26 19:13:55", ""),
        ("Mon 2026-11-16 19:13:55 UTC", offset),
        ("Mon 2026-11-16 19:13:55.123456 CET", fine),
        ("Mon 2026-11-16 19:13:55 +01", zoned),
        ("16/Nov/2026:19:13:55 +0100", zoned),
        ("[16/Nov/2026:19:13:55 +0100]", zoned),
        ("16-Nov-2026 19:13:55", zoned),
        ("16 Nov 2026 19:13:55", zoned),
        ("16. Nov 2026 19:13:55", zoned),
        ("16 Nov 19:13:55", zoned),
        ("16.11.2026 19:13:55", zoned),
        ("16.11.2026, 19:13:55", zoned),
        ("16/11/2026 19:13:55", zoned),
        ("11/16/2026 07:13:55 PM", zoned),
        ("11/16/2026 7:13:55 pm", zoned),
        ("2026/11/16 19:13:55", zoned),
        ("2026/11/16 19:13:55.123456", fine),
        ("2026.11.16 19:13:55", zoned),
        ("2026-11-16 19:13:55,123", fine),
        ("2026-11-16 19:13:55 +0100", zoned),
        ("2026-11-16 19:13:55 UTC", offset),
        ("2026-11-16_19:13:55.12345", fine),
        ("2026-11-16T19:13:55.123+01:00", fine),
        ("[2026-11-16 19:13:55]", zoned),
        ("[2026-11-16T18:13:55.123Z]", fine),
        ("[Mon Nov 16 19:13:55 2026]", zoned),
        ("1794852835.123456", fine),
        ("[1794852835.123456]", fine),
        ("1794852835123", fine),
        ("05/11/2026 19:13:55", ""),
        ("19:13:55", ""),
        ("16 19:13:55", ""),
        ("2026-02-30 19:13:55", ""),
    ] {
        for behind in ["", " mail dovecot: x"] {
            let read = read(&[text, behind].concat(), "2026-11-20T00:00:00Z");
            assert_eq!(read, Some((time.into(), text.len())), "{text}{behind}");
        }
    }
}

#[test]
fn labels_of_tai() {
    let label = "@400000006afb47ed075bca00";
    let read = read(&[label, " x"].concat(), "2026-11-20T00:00:00Z");
    assert_eq!(read, Some(("2026-11-16T18:13:55.123Z".into(), 25)));
}

#[test]
fn what_is_no_time() {
    for text in [
        "",
        "Nov",
        "Nov 22",
        "Nov 22 25:13:51 x",
        "Foo 22 20:13:51 x",
        "Login 2026-11-16 19:13:55 x",
        "2026-11-16",
        "2026-11-16 mail",
        "2026-11-16 19:13:55x",
        "2026-11-16 19:13:55.x",
        "192.0.2.50 dovecot: x",
        "2001:db8::50 dovecot: x",
        "[2026-11-16 19:13:55 x]",
        "[info] x",
        "20261116T181355Z x",
        "20261116191355 x",
        "[12345.678901] x",
        "123456789x 19:13:55",
        "@40000000",
        "- - - - - - - - - - - - - - - - - - 19:13:55 x",
    ] {
        assert_eq!(read(text, "2026-11-20T00:00:00Z"), None, "{text}");
    }
}

/// Also of a log that was never rotated, read in November.
#[test]
fn a_missing_year_is_the_latest_that_is_not_ahead() {
    let read = |text: &str, reference: &str| {
        let reference_ms = parse_rfc3339(reference.as_bytes(), &TimeZone::utc());
        let reference = Reference::Latest(reference_ms);
        let (time_ms, _) = read_log_time(text.as_bytes(), &TimeZone::utc(), reference)?;
        time_ms.map(written)
    };
    for [text, reference, expected] in rows(
        "
        Nov 22 20:13:51 imap   | 2026-11-23T00:00:00Z | 2026-11-22T20:13:51.000Z
        Dec 31 23:59:59 imap   | 2027-01-01T00:00:05Z | 2026-12-31T23:59:59.000Z
        Jan  1 00:00:01 imap   | 2026-12-31T23:59:59Z | 2027-01-01T00:00:01.000Z
        Jan  1 23:59:59 imap   | 2026-12-31T23:59:59Z | 2027-01-01T23:59:59.000Z
        Jan  2 00:00:00 imap   | 2026-12-31T23:59:59Z | 2026-01-02T00:00:00.000Z
        Feb  1 11:39:45 imap   | 2026-11-28T00:00:00Z | 2026-02-01T11:39:45.000Z
        Jun 3 10:11:12 imap    | 2026-06-03T12:00:00Z | 2026-06-03T10:11:12.000Z
        Feb 29 10:11:12.5 x    | 2026-06-03T12:00:00Z | 2024-02-29T10:11:12.500Z
        Feb 29 10:11:12 x      | 2103-06-03T12:00:00Z | 2096-02-29T10:11:12.000Z
        Nov 22 2019 20:13:51 x | 2026-11-23T00:00:00Z | 2019-11-22T20:13:51.000Z",
    ) {
        assert_eq!(read(text, reference).as_deref(), Some(expected), "{text}");
    }
    for text in ["Nov 32 20:13:51 x", "Feb 30 00:00:00 x"] {
        assert_eq!(read(text, "2026-11-23T00:00:00Z"), None, "{text}");
    }
    let without = read_log_time(
        b"Nov 22 20:13:51 x",
        &TimeZone::utc(),
        Reference::Latest(None),
    );
    assert_eq!(without, Some((None, 15)));
}
