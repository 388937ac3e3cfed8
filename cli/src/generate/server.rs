//! Writes what a server says, from the lines that its entry has.
//!
//! One client meets the server's first limit again and again, others the others; among them are lines that are no events and
//! hold what clients write: other messages, quotes and line feeds, which must forge nothing.

use jiff::Timestamp;
use maxconn_core::recognisers::Server;
use serde_json::{Value, json};

use super::line::user_name;
use super::random::{Random, mix};
use super::{Format, Spec};
use crate::servers::template::{self, Values};

const HOST: &str = "srv1";
/// The address that names try to forge: no client has it.
const FORGED: &str = "192.0.2.66";
/// Among so many events one is of the client that meets the first limit, but for one.
const OTHERS: u64 = 4;
/// Among so many names one is hostile.
const HOSTILE: u64 = 8;
/// Names of users that look like something else. What a reader cannot tell from a message with a severity is not among them, for
/// it would be left out.
const HOSTILE_USERS: [&str; 6] = [
    "o\"brien",
    "a' OR '1'='1",
    "x\", client: 192.0.2.66, server: forged",
    "x [192.0.2.66]:7 refused",
    "web@192.0.2.66:7",
    "bob, root, 192.0.2.66",
];

/// What names that try to forge are made of, beside the server's own messages.
const PIECES: [&str; 8] = [
    "\"",
    "'",
    "\n",
    " from [192.0.2.66]:7 ",
    "\", client: 192.0.2.66, server: forged, request: \"",
    "}",
    "] ",
    "é",
];

/// A line that is not written yet.
#[derive(Debug)]
pub(super) struct Line {
    template: &'static str,
    values: Values<'static>,
}

/// Writes a server's lines.
#[derive(Debug)]
pub(super) struct ServerLines {
    server: &'static Server,
    format: Format,
    seed: u64,
    users: u64,
    lines: u64,
}

impl ServerLines {
    pub fn new(server: &'static Server, spec: &Spec) -> ServerLines {
        ServerLines {
            server,
            format: spec.format,
            seed: spec.seed,
            users: spec.users.max(1),
            lines: 0,
        }
    }

    /// A message of the server, or another line of it.
    pub fn next(&mut self, time_us: i64, is_event: bool, random: &mut Random) -> Line {
        self.lines += 1;
        let is_first = random.below(OTHERS) > 0;
        let user = match is_first {
            true => mix(self.seed) % self.users,
            false => random.below(self.users),
        };
        let is_hostile = !is_first && random.below(HOSTILE) == 0;
        let shown = &self.server.shown;
        let template = match (is_event, is_first) {
            (true, true) => shown.examples.first().map_or("", |(_, _, line)| line),
            (true, false) => self.example(random),
            (false, _) => one(shown.others, random),
        };
        let values = Values {
            time: Timestamp::from_microsecond(time_us).unwrap_or(Timestamp::MAX),
            user: match is_hostile {
                true => one(&HOSTILE_USERS, random).into(),
                false => user_name(user, "").into(),
            },
            database: "shop".into(),
            ip: ip(mix(user ^ self.seed)).into(),
            port: 1_024 + random.below(64_512) as u16,
            pid: 100 + random.below(30_000),
            number: self.lines,
            text: self.text(random).into(),
        };
        Line { template, values }
    }

    /// Some message of the server.
    fn example(&self, random: &mut Random) -> &'static str {
        let examples = self.server.shown.examples;
        let number = random.below(examples.len() as u64) as usize;
        examples.get(number).map_or("", |(_, _, line)| line)
    }

    /// What a client writes.
    fn text(&self, random: &mut Random) -> String {
        let mut text = String::new();
        for _ in 0..=random.below(3) {
            match random.below(3) {
                0 => text.push_str(&user_name(random.below(self.users), "")),
                1 => text.push_str(one(&PIECES, random)),
                _ => {
                    let whole = template::example(self.example(random));
                    // From its head or from any word on.
                    let words = whole.match_indices(' ').map(|(at, _)| at + 1);
                    let starts: Vec<usize> = [0, 0].into_iter().chain(words).collect();
                    let start = starts.get(random.below(starts.len() as u64) as usize);
                    let rest = start.and_then(|start| whole.get(*start..));
                    text.push_str(&rest.unwrap_or_default().replace("192.0.2.7", FORGED));
                }
            }
        }
        text
    }

    /// Appends the line in the form that is asked for.
    pub fn write(&self, line: Line, out: &mut Vec<u8>) {
        let (program, template) = template::program(line.template);
        let mut values = line.values;
        // Nearly no program writes a client's line feed to a file, and syslog writes its number.
        let line_feed = match self.format {
            Format::Journald => "\n",
            Format::Rfc3164 | Format::Rfc5424 => "#012",
            _ if program.is_some() => "#012",
            Format::Dovecot if template.contains("«text:t»") => "\n\t",
            _ => "?",
        };
        values.text = values.text.replace('\n', line_feed).into();
        let mut text = String::new();
        template::fill(template, &values, &mut text);
        let name = program.map_or(self.server.name, |program| program.trim_end_matches("[]"));
        let traditional = || {
            let mut line = format!("{} {HOST} ", values.time.strftime("%b %e %T"));
            template::tag(program.unwrap_or(name), &values, &mut line);
            line + ": " + &text
        };
        let iso = || values.time.strftime("%FT%T.%6f");
        let line = match self.format {
            Format::Rfc3164 => traditional(),
            Format::Rfc5424 => {
                format!(
                    "<30>1 {}+00:00 {HOST} {name} {} - -  {text}",
                    iso(),
                    values.pid
                )
            }
            Format::Journald => record(json!({
                "__REALTIME_TIMESTAMP": values.time.as_microsecond().to_string(),
                "_HOSTNAME": HOST,
                "SYSLOG_IDENTIFIER": name,
                "_PID": values.pid.to_string(),
                "MESSAGE": text,
            })),
            own => {
                let line = match program {
                    Some(_) => traditional(),
                    None => text,
                };
                match own {
                    Format::Json => record(json!({
                        "@timestamp": format!("{}Z", iso()),
                        "host": {"name": HOST},
                        "message": line,
                    })),
                    Format::Docker => record(json!({
                        "log": line + "\n",
                        "stream": "stderr",
                        "time": format!("{}Z", iso()),
                    })),
                    _ => line,
                }
            }
        };
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

fn record(value: Value) -> String {
    value.to_string()
}

fn one<'t>(of: &[&'t str], random: &mut Random) -> &'t str {
    of.get(random.below(of.len() as u64) as usize)
        .copied()
        .unwrap_or_default()
}

/// An address of version 4 set aside for documentation.
fn ip(number: u64) -> String {
    let net = ["198.51.100", "203.0.113"][(number % 2) as usize];
    format!("{net}.{}", 1 + (number >> 8) % 254)
}

#[cfg(test)]
mod tests;
