//! What stands before a program's own words, and times of every kind.

use arbitrary::Unstructured;
use maxconn_core::head;
use maxconn_core::recognisers::recognise;
use maxconn_core::time::{self, TimeZone};

/// No zone is further from UTC, in seconds.
const OFFSET_MAX_S: i32 = 8 * 24 * 3_600;
/// The years that are read: 1970 to 9999, in ms.
const READ_MS: i64 = 253_402_300_800_000;

pub fn run(data: &[u8]) {
    let (choice, text) = data.split_at(data.len().min(9));
    let u = &mut Unstructured::new(choice);
    let number: i64 = u.arbitrary().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let zones = [
        "UTC",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "+05:45",
        "EST5EDT,M3.2.0,M11.1.0",
    ];
    let zone = u.choose(&zones).ok().and_then(|zone| TimeZone::parse(zone));
    let zone = zone.unwrap_or(TimeZone::utc());
    for (text, reference) in [
        (&text, Some(number)),
        (&text, None),
        (&text, Some(1_700_000_000_000)),
    ] {
        let head = head::parse(text, &zone, reference);
        assert!(text.is_char_boundary(head.body), "{text:?}: {head:?}");
        // Where the time is known already, a date that is none is passed over like any other.
        let untimed = head::parse_untimed(text, &zone);
        assert!(untimed.body >= head.body, "{text:?}: {head:?}, {untimed:?}");
        assert!(head.host.is_none() || untimed.host == head.host, "{text:?}");
        assert_eq!(head.time_ms, head::time(text, &zone, reference), "{text:?}");
        let _ = recognise(text, head.body);
    }
    times(text.as_bytes(), number, &zone);
    if let Some(zone) = TimeZone::parse(&text) {
        for at in [number, 0, i64::MAX, i64::MIN] {
            let offset = zone.offset_seconds_at_local(at);
            assert!(offset.abs() <= OFFSET_MAX_S, "{text:?} at {at}: {offset}");
        }
    }
}

fn times(text: &[u8], number: i64, zone: &TimeZone) {
    let _ = time::parse_rfc3339(text, zone);
    let _ = time::parse_epoch(text);
    if let Some((_, len)) = time::read_rfc3339(text, zone) {
        assert!(len <= text.len());
    }
    let mut written = Vec::new();
    time::write_rfc3339_ms(number, &mut written);
    let within = number.rem_euclid(READ_MS);
    written.clear();
    time::write_rfc3339_ms(within, &mut written);
    let shown = String::from_utf8_lossy(&written);
    assert_eq!(time::parse_rfc3339(&written, zone), Some(within), "{shown}");
}
