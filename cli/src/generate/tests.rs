use clap::ValueEnum;

use super::*;

fn usual(cause: Cause, lines: u64) -> Spec {
    Spec {
        amount: Amount::Lines(lines),
        ..Spec::of(cause)
    }
}

fn lines(spec: &Spec) -> Vec<String> {
    let mut bytes = Vec::new();
    let written = write(spec, &mut bytes, |_| ()).expect("memory takes everything");
    assert_eq!(written.bytes, bytes.len() as u64);
    let text = String::from_utf8(bytes).expect("we write ASCII");
    let lines: Vec<String> = text.lines().map(str::to_string).collect();
    assert_eq!(written.lines, lines.len() as u64);
    lines
}

#[test]
fn the_same_specification_gives_the_same_bytes_and_another_seed_others() {
    for &cause in Cause::value_variants() {
        let seeded = |seed| {
            lines(&Spec {
                seed,
                session: true,
                ..usual(cause, 500)
            })
        };
        assert_eq!(seeded(1), seeded(1), "{cause:?}");
        assert_ne!(seeded(1), seeded(2), "{cause:?}");
    }
}

#[test]
fn the_bytes_stay_the_same_from_version_to_version() {
    assert_eq!(lines(&usual(Cause::RetryStorm, 2)), GOLDEN);
}

#[test]
fn as_many_lines_come_as_were_asked_for_and_those_of_more_are_the_same() {
    for &cause in Cause::value_variants() {
        let [none, few, many] = [0, 1_000, 1_001].map(|count| lines(&usual(cause, count)));
        assert!(none.is_empty());
        assert_eq!((few.len(), many.len()), (1_000, 1_001), "{cause:?}");
        assert_eq!(few, many[..1_000], "{cause:?}");
    }
}

#[test]
fn a_duration_gives_its_share_of_lines() {
    let hour = |cause| Spec {
        amount: Amount::DurationMs(3_600_000),
        ..Spec::of(cause)
    };
    assert_eq!(lines(&hour(Cause::RetryStorm)).len(), 180_000);
    // Bursts of three dozen every two to three minutes.
    let bursts = lines(&hour(Cause::ManyFolders)).len() / 36;
    assert!((20..=30).contains(&bursts), "{bursts}");
}

#[test]
fn json_formats_are_json() {
    for format in [Format::Json, Format::Journald, Format::Docker] {
        for &cause in Cause::value_variants() {
            for line in lines(&Spec {
                format,
                ..usual(cause, 300)
            }) {
                let value: serde_json::Value = serde_json::from_str(&line).expect(&line);
                assert!(value.is_object(), "{line}");
            }
        }
    }
}

#[test]
fn normal_traffic_has_its_share_of_events() {
    for percent in [0.0, 1.0, 25.0, 100.0] {
        let spec = Spec {
            events_percent: percent,
            ..usual(Cause::Normal, 100_000)
        };
        let text = "Maximum number of connections";
        let events = lines(&spec)
            .iter()
            .filter(|line| line.contains(text))
            .count();
        let wanted = percent * 1_000.0;
        assert!(
            (events as f64 - wanted).abs() <= wanted / 10.0,
            "{events} of {wanted}"
        );
    }
}

#[test]
fn only_addresses_and_names_for_documentation_occur() {
    let documentation = |address: &str| {
        ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"]
            .iter()
            .any(|net| address.starts_with(net))
    };
    let formats = Format::value_variants().iter().cycle();
    for (&cause, &format) in Cause::value_variants().iter().zip(formats) {
        for line in lines(&Spec {
            format,
            ..usual(cause, 2_000)
        }) {
            for part in line.split(", ").filter_map(|part| part.split_once("ip=")) {
                let address = part.1.split('"').next().unwrap_or_default();
                assert!(address.parse::<std::net::IpAddr>().is_ok(), "{line}");
                assert!(documentation(address), "{line}");
            }
            let user = line
                .split_once("user=<")
                .and_then(|(_, rest)| rest.split_once('>'));
            assert!(user.is_none_or(
                |(user, _)| ["", "bob"].contains(&user) || user.ends_with("@example.org")
            ));
        }
    }
}

#[test]
fn the_story_has_its_size() {
    let spec = usual(Cause::Story, 1_000);
    assert_eq!(Spec::of(Cause::Story).amount, Amount::Lines(9_316_085));
    let bytes: usize = lines(&spec).iter().map(|line| line.len() + 1).sum();
    let gigabytes = bytes as f64 / 1_000.0 * STORY_LINES as f64 / 1e9;
    assert!((1.69..1.71).contains(&gigabytes), "{gigabytes} GB");
}

const GOLDEN: [&str; 2] = [
    "Jan 01 00:00:00 imap-login: Info: Disconnected: Maximum number of connections from user+IP exceeded \
     (mail_max_userip_connections=10): user=<grace11@example.org>, method=PLAIN, rip=203.0.113.81, \
     lip=192.0.2.1, TLS, session=<7UIgRkhH12HLAHFR>",
    "Jan 01 00:00:00 imap-login: Info: Disconnected: Maximum number of connections from user+IP exceeded \
     (mail_max_userip_connections=10): user=<grace11@example.org>, method=PLAIN, rip=203.0.113.81, \
     lip=192.0.2.1, TLS, session=<1o8gRkhHb/TLAHFR>",
];
