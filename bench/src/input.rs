//! What is measured with: batches of JSON records as a shipper sends them, made from a seed.

use std::fmt::Write as _;

/// The bytes of a batch, about: what a host hands over at once.
const BATCH_BYTES: usize = 128 * 1024;

/// The workloads' headings.
pub const NORMAL: &str = "1 % events";
/// The flood, held back.
pub const SUPPRESSED: &str = "all events, suppressed";
/// The flood, passed on.
pub const ENRICHED: &str = "all events, enriched";

/// What happens to the events of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They go on, with fields added.
    Enriched,
    /// They are held back.
    Suppressed,
}

/// Records, and what is to be done with them.
pub struct Workload {
    /// Its heading.
    pub name: &'static str,
    /// How many records there are.
    pub records: usize,
    /// How many of them are events.
    pub events: usize,
    /// What happens to those.
    pub treatment: Events,
    /// The configuration that makes maxconn do so.
    pub config: &'static str,
    /// Whole lines, a batch each.
    pub batches: Vec<Vec<u8>>,
}

impl Workload {
    /// A normal mail log: one record in a hundred is an event, of too many users to be a flood.
    pub fn normal(records: usize) -> Workload {
        Workload::new(NORMAL, records, 100, Events::Enriched, "{}")
    }

    /// The flood, held back: the default policy.
    pub fn suppressed(records: usize) -> Workload {
        Workload::new(SUPPRESSED, records, 1, Events::Suppressed, "{}")
    }

    /// The flood, passed on with fields added.
    pub fn enriched(records: usize) -> Workload {
        let config = r#"{"rule":[{"name":"userip","policy":"pass"}]}"#;
        Workload::new(ENRICHED, records, 1, Events::Enriched, config)
    }

    fn new(
        name: &'static str,
        records: usize,
        one_in: usize,
        treatment: Events,
        config: &'static str,
    ) -> Workload {
        let mut random = Random(0x6d61_7863_6f6e_6e21);
        let mut batches = vec![Vec::with_capacity(BATCH_BYTES + 512)];
        let mut line = String::new();
        let mut events = 0;
        for index in 0..records {
            line.clear();
            let event = index % one_in == one_in / 2;
            events += usize::from(event);
            // Among others an event is from anybody; on its own it is always from the same client.
            let user = if one_in == 1 { 7 } else { random.below(20_000) };
            record(&mut line, index as u64 * 20, event, user, &mut random);
            if let Some(batch) = batches.last_mut() {
                batch.extend_from_slice(line.as_bytes());
                if batch.len() >= BATCH_BYTES {
                    batches.push(Vec::with_capacity(BATCH_BYTES + 512));
                }
            }
        }
        Workload {
            name,
            records,
            events,
            treatment,
            config,
            batches,
        }
    }

    /// The bytes of all records.
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }
}

/// Appends one record: `time_ms` after the start, fifty a second.
fn record(line: &mut String, time_ms: u64, event: bool, user: u64, random: &mut Random) {
    let (second, ms) = (time_ms / 1000, time_ms % 1000);
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let ip = format!("198.51.{}.{}", user / 250 % 250, 1 + user % 250);
    let pid = 10_000 + random.below(50_000);
    let session = format!("{:011x}/AAAB", random.next() >> 20);
    // Writing to a string can't fail.
    let _ = write!(
        line,
        r#"{{"@timestamp":"2026-01-05T{hour:02}:{minute:02}:{second:02}.{ms:03}Z","message":"Jan  5 {hour:02}:{minute:02}:{second:02} mail dovecot: "#
    );
    let _ = if event {
        write!(
            line,
            "imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): \
             user=<u{user}@example.org>, method=PLAIN, rip={ip}, lip=192.0.2.10, TLS"
        )
    } else {
        match random.below(8) {
            0..3 => write!(
                line,
                "imap-login: Login: user=<u{user}@example.org>, method=PLAIN, rip={ip}, lip=192.0.2.10, \
                 mpid={pid}, TLS, session=<{session}>"
            ),
            3..6 => write!(
                line,
                "imap(u{user}@example.org)<{pid}><{session}>: Disconnected: Logged out in=513 out=18390 deleted=0 \
                 expunged=0 trashed=0 hdr_count=2 hdr_bytes=904"
            ),
            6 => write!(
                line,
                "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<u{user}@example.org>, \
                 method=PLAIN, rip={ip}, lip=192.0.2.10, TLS, session=<{session}>"
            ),
            _ => write!(
                line,
                "lmtp(u{user}@example.org)<{pid}><{session}>: sieve: msgid=<{session}@mail.example.org>: stored mail \
                 into mailbox 'INBOX' size=41822"
            ),
        }
    };
    line.push_str("\"}\n");
}

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_valid_json_of_the_size_in_question() {
        for workload in [Workload::normal(10_000), Workload::suppressed(1_000)] {
            let lines: Vec<&[u8]> = workload
                .batches
                .iter()
                .flat_map(|batch| batch.split_inclusive(|byte| *byte == b'\n'))
                .collect();
            assert_eq!(lines.len(), workload.records);
            for line in lines {
                serde_json::from_slice::<serde_json::Value>(line).expect("a record");
            }
            let mean = workload.bytes() / workload.records;
            assert!(
                (200..=270).contains(&mean),
                "{}: {mean} bytes a record",
                workload.name
            );
        }
    }

    #[test]
    fn one_record_in_a_hundred_is_an_event() {
        let workload = Workload::normal(10_000);
        let all = workload.batches.concat();
        let needle = b"user+IP exceeded";
        assert_eq!(
            all.windows(needle.len())
                .filter(|window| window == needle)
                .count(),
            100
        );
        assert_eq!(workload.events, 100);
    }
}
