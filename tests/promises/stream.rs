//! Streams of events, and bytes that mean harm.

use maxconn_core::engine::{Format, Source};
use proptest::prelude::*;
use test_support::refusal;

/// When every stream begins: 2023-11-14.
pub const BEGIN_MS: i64 = 1_700_000_000_000;

/// One event.
#[derive(Clone, Debug)]
pub struct Sighted {
    pub time_ms: i64,
    pub user: String,
    pub ip: u32,
    /// How many refusals its record stands for.
    pub count: u32,
}

/// A stream: events in the order of their times, and ordinary records (`None`) among them.
#[derive(Clone, Debug)]
pub struct Stream(pub Vec<Option<Sighted>>);

impl Sighted {
    /// An event so long after the beginning of every stream.
    pub fn after(after_ms: i64, user: &str, ip: u32) -> Sighted {
        Sighted {
            time_ms: BEGIN_MS + after_ms,
            user: user.to_string(),
            ip,
            count: 1,
        }
    }

    /// Its key under the first rule, as alerts name it.
    pub fn key(&self) -> String {
        format!("imap-login|{}|{}", self.user, self.address())
    }

    fn address(&self) -> String {
        let [_, a, b, c] = self.ip.to_be_bytes();
        format!("198.{a}.{b}.{c}")
    }

    /// The record, as a shipper hands it over.
    pub fn line(&self) -> String {
        let line = refusal::json(self.time_ms, &self.user, &self.address());
        if self.count == 1 {
            return line;
        }
        let before = format!("\"message\":\"message repeated {} times: [ ", self.count);
        line.replace("\"message\":\"", &before)
            .replace("\"}\n", "]\"}\n")
    }

    /// The same, with no more than a word of the record before it, which is of the same key.
    fn line_of_last(&self) -> String {
        let (time_ms, count) = (self.time_ms, self.count);
        format!(
            "{{\"@timestamp\":{time_ms},\"message\":\"mail last message repeated {count} times\"}}\n"
        )
    }
}

impl Stream {
    /// The records, newline included.
    pub fn lines(&self) -> Vec<String> {
        let line = |(number, sighted): (usize, &Option<Sighted>)| match sighted {
            Some(sighted) => sighted.line(),
            None => {
                format!("{{\"message\":\"imap-login: Login: user=<u{number}>, method=PLAIN\"}}\n")
            }
        };
        self.0.iter().enumerate().map(line).collect()
    }

    /// The same; where a key's records follow each other, some name no more than their number.
    pub fn terse_lines(&self) -> Vec<String> {
        let mut lines = self.lines();
        for (at, pair) in self.0.windows(2).enumerate() {
            if let [Some(before), Some(sighted)] = pair
                && before.key() == sighted.key()
                && sighted.count % 2 == 0
            {
                lines[at + 1] = sighted.line_of_last();
            }
        }
        lines
    }

    /// The same with one record for each refusal.
    pub fn expanded(&self) -> Stream {
        let one = |sighted: &Sighted| Sighted {
            count: 1,
            ..sighted.clone()
        };
        let times = |sighted: &Option<Sighted>| match sighted {
            Some(sighted) => vec![Some(one(sighted)); sighted.count as usize],
            None => vec![None],
        };
        Stream(self.0.iter().flat_map(times).collect())
    }

    /// The same, and after it as many events of somebody else as end every flood: what the end of the input does then
    /// depends on nobody's clock.
    pub fn closed(&self) -> Stream {
        let mut stream = self.clone();
        let last_ms = stream
            .0
            .iter()
            .flatten()
            .map(|sighted| sighted.time_ms)
            .max();
        let last_ms = last_ms.unwrap_or(0) - BEGIN_MS;
        let closing = (1..=4).map(|number| last_ms + number * 1_000_000);
        let closing = closing.map(|after_ms| Sighted::after(after_ms, "closing", 0x33_6400));
        stream.0.extend(closing.map(Some));
        stream
    }

    /// The times of one key's refusals, in order.
    pub fn times(&self, user: &str, ip: u32) -> Vec<i64> {
        let same = |sighted: &&Sighted| sighted.user == user && sighted.ip == ip;
        let own = self.0.iter().flatten().filter(same);
        own.flat_map(|sighted| vec![sighted.time_ms; sighted.count as usize])
            .collect()
    }

    /// All keys.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.0.iter().flatten().map(Sighted::key).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Moves the times of a part.
    pub fn shift(&mut self, part: std::ops::Range<usize>, shift_ms: i64) {
        for sighted in self.0[part].iter_mut().flatten() {
            sighted.time_ms += shift_ms;
        }
    }

    /// The same with each record so many times over.
    pub fn repeated(&self, times: &[usize]) -> Stream {
        let repeated = self.0.iter().zip(times);
        let repeated = repeated.flat_map(|(one, &times)| vec![one.clone(); times]);
        Stream(repeated.collect())
    }

    /// Swaps neighbours as long as nothing comes later than the lateness allows.
    pub fn reordered(&self, swaps: &[usize], lateness_ms: i64) -> Stream {
        let mut stream = self.clone();
        for &at in swaps {
            if at + 1 < stream.0.len() {
                stream.0.swap(at, at + 1);
                let mut latest_ms = i64::MIN;
                let is_late = stream.0.iter().flatten().any(|sighted| {
                    latest_ms = latest_ms.max(sighted.time_ms);
                    sighted.time_ms < latest_ms - lateness_ms
                });
                if is_late {
                    stream.0.swap(at, at + 1);
                }
            }
        }
        stream
    }
}

/// Bursts and pauses of a few keys: steps that stay in a slot, cross a window, reach `quiet` exactly.
pub fn stream(max_len: usize, users: u32) -> impl Strategy<Value = Stream> {
    let step_ms = prop_oneof![
        6 => 0_i64..1_500,
        2 => Just(1_000_i64),
        2 => 1_500_i64..20_000,
        1 => Just(40_000_i64),
        1 => 30_000_i64..90_000,
    ];
    let one = (step_ms, 0..users, 0_u32..2, prop::bool::weighted(0.85));
    prop::collection::vec(one, 0..max_len).prop_map(|steps| {
        let mut after_ms = 0;
        let sighted = steps.into_iter().map(|(step_ms, user, ip, is_event)| {
            after_ms += step_ms;
            is_event.then(|| Sighted::after(after_ms, &format!("user{user}"), 0x33_6401 + ip))
        });
        Stream(sighted.collect())
    })
}

/// The same; some records stand for several refusals.
pub fn counted(streams: impl Strategy<Value = Stream>) -> impl Strategy<Value = Stream> {
    let count = prop_oneof![4 => Just(1_u32), 2 => 2_u32..5, 1 => 5_u32..12];
    (streams, prop::collection::vec(count, 1..60)).prop_map(|(mut stream, counts)| {
        let sighted = stream.0.iter_mut().flatten();
        for (sighted, count) in sighted.zip(counts.iter().cycle()) {
            sighted.count = *count;
        }
        stream
    })
}

/// How the streams' lines are to be read.
pub fn json_source() -> Source {
    Source {
        format: Format::Json,
        ..Source::default()
    }
}

/// Bytes, halves of records, limit messages with anything in them.
pub fn hostile_piece() -> impl Strategy<Value = Vec<u8>> {
    let text = "imap-login: Disconnected: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=3): user=<";
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "\\PC{0,80}".prop_map(move |name| format!(
            "{text}{name}>, method=PLAIN, rip=1.2.3.4, lip=::1"
        )
        .into_bytes()),
        "[<>,=: \\\\\"%(a-z]{0,80}".prop_map(move |name| {
            let message = serde_json::Value::from(format!(
                "{text}{name}>, rip=2001:db8::1, lip=::1, session=<x>"
            ));
            format!(
                "{{\"message\":{message},\"maxconn\":1,\"user\":[],\"event\":{{\"kind\":null}}}}"
            )
            .into_bytes()
        }),
        ("\\PC{0,40}", 0_usize..300).prop_map(move |(name, len)| {
            let line =
                format!("{{\"log\":\"{text}{name}>, rip=1.2.3.4\",\"n\":1e400,\"d\":[[[{{}}]]]}}");
            line.as_bytes()[..len.min(line.len())].to_vec()
        }),
    ]
}
