//! `maxconn generate` writes synthetic incidents: the same specification gives the same bytes on every machine.
//!
//! It uses the addresses set aside for documentation and users of example.org, starts at the time that the specification
//! gives, and reads neither clock nor machine. Lines come in the order of their times.

pub mod args;
mod line;
pub(crate) mod random;
mod server;

use std::io::{self, Write};

use line::LineWriter;
use maxconn_core::recognisers;
use random::{Random, mix};
use server::ServerLines;

/// The lines of the incident that this project exists for: one mail client, 52 hours, 1.7 GB.
pub const STORY_LINES: u64 = 9_316_085;
/// How much is gathered before it is written.
const CHUNK_BYTES: usize = 1 << 20;
/// The mailboxes of the mail client of [`Cause::ManyFolders`].
const FOLDERS: u64 = 36;

/// What an incident comes from, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Cause {
    /// One client tries again and again at a nearly constant rate.
    RetryStorm,
    /// One client opens a connection for each of its folders every few minutes.
    ManyFolders,
    /// Many users behind one public address.
    SharedAddress,
    /// Many users through a webmail on the mail server itself.
    WebmailOrProxy,
    /// One user from hundreds of addresses.
    ManyAddresses,
    /// A service at its limit of clients or processes.
    ServiceLimit,
    /// Everyday mail traffic, with a few events of everybody among it.
    Normal,
    /// All of these at once.
    Mixed,
    /// The incident that this project exists for: a retry storm of 9,316,085 lines, 1.7 GB.
    Story,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The server's own log (`own` is the same).
    #[value(alias = "own")]
    Dovecot,
    /// Traditional syslog.
    Rfc3164,
    /// Modern syslog, as a file.
    Rfc5424,
    /// JSON as a shipper makes it: `@timestamp`, `host.name`, `message`.
    Json,
    /// `journalctl -o json`.
    Journald,
    /// Docker's JSON log file.
    Docker,
}

/// The wording of a version of Dovecot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Wording {
    /// 1.2 to 2.0.beta3, which does not say the limit's value.
    #[value(name = "1.2")]
    V1_2,
    /// 2.0 to 2.3.14.
    #[value(name = "2.0")]
    V2_0,
    /// 2.3.15 to 2.3.21.
    #[value(name = "2.3")]
    V2_3,
    /// 2.4.
    #[value(name = "2.4")]
    V2_4,
}

/// How long an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// In lines.
    Lines(u64),
    /// In ms from the start.
    DurationMs(i64),
}

/// An incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Another seed gives other users, addresses and jitter.
    pub seed: u64,
    /// Where it comes from.
    pub cause: Cause,
    /// The server that says it, by the name of its entry, in its own words; without one it is Dovecot, and [`Self::cause`] counts.
    pub server: Option<&'static str>,
    /// How long it is.
    pub amount: Amount,
    /// Lines a second; of [`Cause::ManyFolders`] within a burst.
    pub lines_per_second: f64,
    /// The share of events among the lines of [`Cause::Normal`], [`Cause::Mixed`] and of a server.
    pub events_percent: f64,
    /// How lines are written.
    pub format: Format,
    /// The first line's time, in ms since the Unix epoch.
    pub start_ms: i64,
    /// How many users there are.
    pub users: u64,
    /// Which version's messages.
    pub wording: Wording,
    /// Whether lines carry `session=<…>`, which makes each unique.
    pub session: bool,
}

impl Spec {
    /// The usual incident of that cause.
    pub fn of(cause: Cause) -> Spec {
        let story = cause == Cause::Story;
        Spec {
            seed: 1,
            cause,
            server: None,
            amount: Amount::Lines(if story { STORY_LINES } else { 10_000 }),
            lines_per_second: 50.0,
            events_percent: if cause == Cause::Mixed { 50.0 } else { 1.0 },
            format: if story {
                Format::Rfc3164
            } else {
                Format::Dovecot
            },
            // 2026-01-01T00:00:00Z.
            start_ms: 1_767_225_600_000,
            users: 200,
            wording: if story { Wording::V2_0 } else { Wording::V2_3 },
            session: !story,
        }
    }
}

/// Who a line is about.
#[derive(Clone, Copy, Debug)]
struct Who {
    /// The user's number.
    user: u64,
    /// Where the user comes from.
    from: From,
}

/// Where a client comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    /// The mail server itself.
    Local,
    /// A client in the mail server's own network, without TLS.
    Neighbour,
    /// The address of that number.
    Address(u64),
}

/// Writes an incident line by line.
#[derive(Debug)]
pub struct Generator {
    spec: Spec,
    random: Random,
    writer: LineWriter,
    /// What writes lines in its place.
    server: Option<ServerLines>,
    interval_ns: u64,
    /// Events among a million lines.
    events_per_million: u64,
    lines: u64,
    /// Since the start.
    now_ns: u64,
    burst_started_ns: u64,
    burst_left: u64,
}

impl Generator {
    /// The incident of that specification, at its start.
    pub fn new(spec: &Spec) -> Generator {
        Generator {
            spec: spec.clone(),
            random: Random::new(mix(spec.seed)),
            writer: LineWriter::new(spec),
            server: spec
                .server
                .and_then(recognisers::named)
                .map(|server| ServerLines::new(server, spec)),
            interval_ns: (1e9 / spec.lines_per_second.clamp(1e-3, 1e6)) as u64,
            events_per_million: (spec.events_percent.clamp(0.0, 100.0) * 10_000.0) as u64,
            lines: 0,
            now_ns: 0,
            burst_started_ns: 0,
            burst_left: FOLDERS,
        }
    }

    /// Appends the next line, with its newline; `false` if the incident is over.
    pub fn next_line(&mut self, out: &mut Vec<u8>) -> bool {
        if let Amount::Lines(lines) = self.spec.amount
            && self.lines >= lines
        {
            return false;
        }
        let now_ns = self.next_time_ns();
        if let Amount::DurationMs(ms) = self.spec.amount
            && now_ns / 1_000_000 >= ms.max(0).unsigned_abs()
        {
            return false;
        }
        self.now_ns = now_ns;
        self.lines += 1;
        let since_start_us = i64::try_from(now_ns / 1_000).unwrap_or(i64::MAX);
        let time_us = self
            .spec
            .start_ms
            .saturating_mul(1_000)
            .saturating_add(since_start_us);
        self.write_line(time_us, out);
        true
    }

    /// How much of the incident is written, from 0 to 1.
    pub fn progress(&self) -> f64 {
        match self.spec.amount {
            Amount::Lines(lines) => self.lines as f64 / lines.max(1) as f64,
            Amount::DurationMs(ms) => self.now_ns as f64 / 1e6 / ms.max(1) as f64,
        }
    }

    fn next_time_ns(&mut self) -> u64 {
        let nominal = self.lines.saturating_mul(self.interval_ns);
        match self.spec.cause {
            // A program that retries keeps its pace: a twentieth of jitter, no drift.
            Cause::RetryStorm | Cause::Story => {
                nominal.saturating_add(self.random.below(self.interval_ns / 20))
            }
            Cause::ManyFolders => {
                if self.burst_left == 0 {
                    let pause_ns = (120_000 + self.random.below(60_000)) * 1_000_000;
                    self.burst_started_ns = self.burst_started_ns.saturating_add(pause_ns);
                    self.burst_left = FOLDERS - 2 + self.random.below(4);
                    self.now_ns = self.now_ns.max(self.burst_started_ns);
                }
                self.burst_left -= 1;
                let step_ns = self.interval_ns / 2 + self.random.below(self.interval_ns);
                self.now_ns.saturating_add(step_ns)
            }
            // People come when they come, yet not so that the rate would wander off.
            _ => nominal.saturating_add(self.random.below(self.interval_ns)),
        }
    }

    fn write_line(&mut self, time_us: i64, out: &mut Vec<u8>) {
        if let Some(server) = &mut self.server {
            let is_event = self.random.below(1_000_000) < self.events_per_million;
            let line = server.next(time_us, is_event, &mut self.random);
            server.write(line, out);
            return;
        }
        let cause = match self.spec.cause {
            Cause::Normal | Cause::Mixed => {
                if self.random.below(1_000_000) >= self.events_per_million {
                    let who = self.anybody();
                    self.writer.everyday(time_us, who, &mut self.random, out);
                    return;
                }
                match (self.spec.cause, self.random.below(16)) {
                    (Cause::Normal, _) => Cause::Normal,
                    (_, 0..5) => Cause::RetryStorm,
                    (_, 5..8) => Cause::ManyAddresses,
                    (_, 8..11) => Cause::SharedAddress,
                    (_, 11..14) => Cause::WebmailOrProxy,
                    (_, 14) => Cause::ServiceLimit,
                    _ => Cause::Normal,
                }
            }
            cause => cause,
        };
        // Users and addresses lie apart, so that several causes at once don't meet.
        let number = |salt: u64| mix(self.spec.seed.wrapping_mul(16).wrapping_add(salt));
        let who = match cause {
            Cause::ServiceLimit => {
                self.writer.service_limit(time_us, &mut self.random, out);
                return;
            }
            Cause::Story => Who {
                user: 1,
                from: From::Neighbour,
            },
            Cause::RetryStorm | Cause::ManyFolders => Who {
                user: number(1) % self.spec.users.max(1),
                from: From::Address(number(2)),
            },
            Cause::ManyAddresses => {
                let address = number(3).wrapping_add(self.random.below(400));
                Who {
                    user: number(4) % self.spec.users.max(1),
                    from: From::Address(address),
                }
            }
            Cause::SharedAddress => Who {
                from: From::Address(number(5)),
                ..self.anybody()
            },
            Cause::WebmailOrProxy => Who {
                from: From::Local,
                ..self.anybody()
            },
            Cause::Normal | Cause::Mixed => self.anybody(),
        };
        self.writer.refusal(time_us, who, &mut self.random, out);
    }

    /// Some user at home.
    fn anybody(&mut self) -> Who {
        let user = self.random.below(self.spec.users.max(1));
        Who {
            user,
            from: From::Address(mix(user ^ self.spec.seed)),
        }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Writes a whole incident; `progress` hears now and then how much of it is done, from 0 to 1.
pub fn write(
    spec: &Spec,
    out: &mut impl Write,
    mut progress: impl FnMut(f64),
) -> io::Result<Written> {
    let mut generator = Generator::new(spec);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 4_096);
    let mut written = Written::default();
    loop {
        chunk.clear();
        while chunk.len() < CHUNK_BYTES && generator.next_line(&mut chunk) {}
        if chunk.is_empty() {
            out.flush()?;
            return Ok(written);
        }
        out.write_all(&chunk)?;
        written = Written {
            lines: generator.lines,
            bytes: written.bytes + chunk.len() as u64,
        };
        progress(generator.progress());
    }
}

#[cfg(test)]
mod tests;
