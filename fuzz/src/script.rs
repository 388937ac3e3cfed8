//! Bytes as everything that can happen to the plugin: a configuration, records, ticks, restarts.
//!
//! The first [`HEAD_BYTES`] choose the configuration and what happens between records. The rest are the
//! records: text as it is, or a story in which every three bytes are one event, which reaches the detector's
//! depths sooner.

use arbitrary::Unstructured;
use maxconn_core::config::Config;
use maxconn_core::engine::{Format, Source, Want};
use serde_json::{Value, json};

/// How many bytes choose.
pub const HEAD_BYTES: usize = 48;
/// When stories begin: 2023-11-14.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Lines arrive, at this place in their source.
    Lines(Vec<u8>, Option<u64>),
    /// One record arrives, with the time that its host gives it and a position.
    Record(Vec<u8>, Option<i64>, Vec<u8>),
    /// Time goes on.
    Tick(i64),
    /// Statistics are asked for.
    Statistics,
    /// The state moves to another instance.
    Restart,
    /// The same configuration with other numbers comes into force.
    Reconfigure(String),
    /// The input ends.
    Finish(Option<i64>),
    /// A stop that keeps no state.
    Shutdown,
}

/// Everything that happens.
#[derive(Clone, Debug)]
pub struct Script {
    /// The configuration, as every guest reads it.
    pub json: String,
    /// The same, read.
    pub config: Config,
    /// Where the records come from.
    pub source: Source,
    /// Which output is wanted.
    pub want: Want,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl Script {
    /// What these bytes say.
    pub fn of(data: &[u8]) -> Script {
        let (head, body) = data.split_at(data.len().min(HEAD_BYTES));
        let u = &mut Unstructured::new(head);
        let is_story = byte(u) & 1 == 1;
        let want = want(u);
        let source = source(u);
        let json = config(u);
        let other = config(u);
        let lines = if is_story { story(body) } else { text(body) };
        let steps = steps(u, lines, &other);
        Script {
            config: read(&json),
            json,
            source,
            want,
            steps,
        }
    }
}

/// The configuration that a JSON text of ours says.
pub fn read(json: &str) -> Config {
    Config::parse(json.as_bytes(), Config::default())
        .unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn byte(u: &mut Unstructured<'_>) -> u8 {
    u.arbitrary().unwrap_or_default()
}

/// One of them.
fn pick<T: Copy>(u: &mut Unstructured<'_>, first: T, others: &[T]) -> T {
    let at = usize::from(byte(u)) % (others.len() + 1);
    at.checked_sub(1)
        .and_then(|at| others.get(at))
        .copied()
        .unwrap_or(first)
}

fn want(u: &mut Unstructured<'_>) -> Want {
    let flags = byte(u);
    Want {
        records: flags & 1 == 0,
        enriched: flags & 2 == 0,
        alerts: flags & 4 == 0,
        views: flags & 8 != 0,
        held_back: flags & 16 != 0,
        ids: flags & 32 != 0,
    }
}

fn source(u: &mut Unstructured<'_>) -> Source {
    let path = pick(
        u,
        None,
        &[Some("/var/log/mail.log"), Some("C:\\mail \"x\".log")],
    );
    Source {
        clock_ms: pick(u, None, &[Some(BEGIN_MS), Some(BEGIN_MS + 60_000)]),
        path: path.map(str::to_string),
        reference_ms: pick(
            u,
            Some(BEGIN_MS),
            &[None, Some(0), Some(i64::MAX), Some(i64::MIN)],
        ),
        format: pick(u, Format::Auto, &[Format::Text, Format::Json]),
        stream: 0,
    }
}

/// A valid configuration, of small numbers more often than not.
fn config(u: &mut Unstructured<'_>) -> String {
    let shape = byte(u);
    if shape == 0 {
        return "{}".to_string();
    }
    let (within, more) = (pick(u, 16, &[1, 2, 60, 3_600]), pick(u, 0, &[1, 40, 600]));
    let update = pick(u, 10, &[1, 60]);
    let mut rules = Vec::new();
    for (bit, name) in [
        (1, "userip"),
        (2, "many-users-one-ip"),
        (4, "one-user-many-ips"),
        (8, "service-limit"),
    ] {
        let policy = pick(u, "suppress", &["pass", "sample"]);
        let mut rule = json!({
            "name": name,
            "threshold": pick(u, 3, &[1, 2, 5, 30]),
            "within": format!("{within}s"),
            "quiet": format!("{}s", within + more),
            "update_every": format!("{update}s"),
            "update_max": format!("{}s", update * pick(u, 1, &[4, 60])),
            "policy": policy,
            "enabled": shape & bit == 0,
        });
        if policy == "sample" {
            rule["sample_every"] = Value::from(3);
        }
        if bit == 2 || bit == 4 {
            let field = if bit == 2 { "user" } else { "ip" };
            rule["distinct"] = json!({ "field": field, "at_least": 2 });
        } else if bit == 1 {
            rule["key"] = match byte(u) % 4 {
                0 => json!(["service", "user", "ip"]),
                1 => json!(["user"]),
                2 => json!(["net"]),
                _ => json!(["host", "limit", "ip"]),
            };
        }
        rules.push(rule);
    }
    let (max_keys, max_floods) = (pick(u, 10_000, &[43, 50]), pick(u, 1_000, &[1, 2, 3]));
    let mut config = json!({
        "rule": rules,
        "allowed_lateness": pick(u, "5s", &["0s", "1h"]),
        "max_keys": max_keys,
        "max_floods": max_floods.min(max_keys),
        "statistics_every": pick(u, "0s", &["1s", "1m"]),
        "timezone": pick(u, "UTC", &["CET-1CEST,M3.5.0,M10.5.0/3", "+05:45"]),
    });
    if shape & 16 != 0 {
        config["redact_key"] = Value::from("sixteen bytes at least");
    }
    if shape & 32 != 0 {
        config["trusted_networks"] = json!(["198.51.100.0/24"]);
    }
    if shape & 64 != 0 {
        config["pattern"] = json!([{
            "name": "p", "contains": "too many connections", "limit": "l", "scope": "user",
            "regex": "too many connections for (?<user>[^\"]+)",
        }]);
    }
    config.to_string()
}

/// The lines of a text, newlines included.
fn text(body: &[u8]) -> Vec<Vec<u8>> {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

/// Three bytes are one event: how time moves and the shape of the record; who; from where.
fn story(body: &[u8]) -> Vec<Vec<u8>> {
    let mut time_ms = BEGIN_MS;
    let (events, _) = body.as_chunks::<3>();
    let events = events.iter().take(4_096);
    events
        .map(|&[how, who, from]| {
            time_ms += match how >> 3 {
                0..=7 => 0,
                8..=15 => i64::from(how >> 3) * 10,
                16..=22 => i64::from(how & 7) * 1_000,
                23..=25 => 16_000,
                26 => 40_000,
                27 => -1_000,
                28 => -60_000,
                29 => 600_000,
                30 => 86_400_000,
                _ => -86_400_000,
            };
            event(time_ms, how & 7, who, from)
        })
        .collect()
}

fn event(time_ms: i64, shape: u8, who: u8, from: u8) -> Vec<u8> {
    let service = if who & 128 == 0 { "imap" } else { "pop3" };
    let (user, net, host) = (who & 31, from >> 6, from & 63);
    let refusal = format!(
        "{service}-login: Disconnected: Maximum number of connections from user+IP exceeded \
         (mail_max_userip_connections=10): user=<u{user}>, method=PLAIN, rip=198.51.{net}.{host}, lip=192.0.2.1, \
         TLS, session=<s{time_ms}>"
    );
    let mut stamp = Vec::new();
    maxconn_core::time::write_rfc3339_ms(time_ms, &mut stamp);
    let stamp = String::from_utf8_lossy(&stamp);
    let line = match shape {
        0..=2 => json!({ "@timestamp": time_ms, "message": refusal }).to_string(),
        3 => json!({ "host": { "name": "mx" }, "log": format!("{stamp} mx dovecot: {refusal}") })
            .to_string(),
        4 => format!("{stamp} mx{net} dovecot: {refusal}"),
        5 => format!(
            "Nov 14 22:13:{:02} mx dovecot: {refusal}",
            time_ms / 1_000 % 60
        ),
        6 => format!(
            "{stamp} mx dovecot: master: Warning: service({service}): process_limit ({user}) reached, client \
             connections are being dropped"
        ),
        _ => format!(
            "{stamp} mx dovecot: {service}-login: Login: user=<u{user}>, method=PLAIN, rip=198.51.100.1"
        ),
    };
    (line + "\n").into_bytes()
}

/// Lines in batches, and what happens between them.
fn steps(u: &mut Unstructured<'_>, lines: Vec<Vec<u8>>, other: &str) -> Vec<Step> {
    let has_offsets = byte(u) & 1 == 1;
    let mut events: Vec<(usize, Step)> = Vec::new();
    let mut now_ms = BEGIN_MS;
    for _ in 0..byte(u) % 8 {
        let at = lines.len() * usize::from(byte(u)) / 255;
        let step = match byte(u) % 9 {
            0 | 1 => {
                now_ms += pick(u, 1_000, &[60_000, 3_600_000, -5_000, i64::MAX / 2]);
                Step::Tick(now_ms)
            }
            2 => Step::Statistics,
            3 | 4 => Step::Restart,
            5 => Step::Reconfigure(other.to_string()),
            6 => Step::Finish(pick(u, None, &[Some(BEGIN_MS), Some(i64::MAX)])),
            7 => Step::Shutdown,
            // The lines up to here come one by one.
            _ => Step::Record(
                Vec::new(),
                pick(u, None, &[Some(BEGIN_MS), Some(i64::MIN + 1)]),
                vec![7],
            ),
        };
        events.push((at, step));
    }
    events.sort_by_key(|(at, _)| *at);
    let (mut steps, mut done, mut offset) = (Vec::new(), 0, 0);
    for (at, step) in events {
        let batch = lines.get(done..at).unwrap_or_default();
        done = at;
        if let Step::Record(_, time_ms, position) = step {
            for line in batch {
                let record = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
                steps.push(Step::Record(record, time_ms, position.clone()));
            }
        } else {
            let batch = batch.concat();
            let len = batch.len() as u64;
            steps.push(Step::Lines(batch, has_offsets.then_some(offset)));
            offset += len;
            steps.push(step);
        }
    }
    let rest = lines.get(done..).unwrap_or_default().concat();
    steps.push(Step::Lines(rest, has_offsets.then_some(offset)));
    // Silence, until some floods are over and then more.
    steps.extend([0, 17_000, 90_000].map(|silent_ms| Step::Tick(now_ms.saturating_add(silent_ms))));
    steps.push(Step::Finish(None));
    steps
}
