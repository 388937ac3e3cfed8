use clap::ValueEnum;
use maxconn_core::recognisers::{SERVERS, named};

use super::super::{Amount, Cause, Generator};
use super::*;
use crate::servers::tests::events;

const LINES: u64 = 1_000;

fn spec(server: &Server, format: Format) -> Spec {
    Spec {
        format,
        server: Some(server.name),
        events_percent: 70.0,
        amount: Amount::Lines(LINES),
        ..Spec::of(Cause::RetryStorm)
    }
}

#[test]
fn all_events_are_recognised_and_none_is_forged() {
    for server in SERVERS {
        for &format in Format::value_variants() {
            let mut lines = ServerLines::new(server, &spec(server, format));
            let mut random = Random::new(1);
            let mut forging = 0;
            for number in 0..LINES {
                let line = lines.next(1_767_225_600_000_000, number % 3 > 0, &mut random);
                let mut examples = server.shown.examples.iter();
                let limit = examples.find(|(.., template)| *template == line.template);
                let (user, ip) = (line.values.user.to_string(), line.values.ip.to_string());
                let mut written = Vec::new();
                lines.write(line, &mut written);
                let written = String::from_utf8(written).expect("we write UTF-8");
                let written = written.strip_suffix('\n').expect("a line");
                forging += u32::from(written.contains(FORGED));
                for line in written.lines().skip(1) {
                    events(line, |events| assert_eq!(events, [], "{line}"));
                }
                events(written.lines().next().unwrap_or_default(), |events| {
                    let Some((limit, ..)) = limit else {
                        assert_eq!(events, [], "{written}");
                        return;
                    };
                    let [event] = events else {
                        panic!("{format:?}: {} events: {written}", events.len());
                    };
                    let read = (event.module, event.limit, event.class, event.stage);
                    let put = (server.name, limit.name, limit.class, limit.stage);
                    assert_eq!(read, put, "{written}");
                    let is_put = |read: &str| read == user || read == "web";
                    assert!(event.user.is_none_or(is_put), "{written}");
                    let read = event.source.map(|source| source.ip.to_canonical());
                    assert!(read.is_none_or(|read| read.to_string() == ip), "{written}");
                });
            }
            assert!(forging > 10, "{}: {forging} lines that forge", server.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_others() {
    let written = |spec: &Spec| {
        let mut generator = Generator::new(spec);
        let mut bytes = Vec::new();
        while generator.next_line(&mut bytes) {}
        bytes
    };
    for server in SERVERS {
        let seeded = |seed| {
            written(&Spec {
                seed,
                ..spec(named(server.name).expect("a server"), Format::Dovecot)
            })
        };
        assert_eq!(seeded(1), seeded(1), "{}", server.name);
        assert_ne!(seeded(1), seeded(2), "{}", server.name);
    }
}
