//! The alert document: what a person or a dashboard gets to see of a flood (contract.md §3.3).
//!
//! Fields are ECS 9.4 (<https://www.elastic.co/docs/reference/ecs>), what ECS has no place for lies
//! under `maxconn.*`. An alert is written once, when its transition happens.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::Network;
use crate::detector::Transition;
use crate::detector::cause::{Cause, judge};
use crate::detector::flood::Flood;
use crate::event::{Scope, protocol_of};
use crate::json::write::Writer;
use crate::time::write_rfc3339_ms;

/// What an alert says beside what the flood knows.
pub struct Alert<'a> {
    /// The flood it is about.
    pub flood: &'a Flood,
    /// What happened to it …
    pub transition: Transition,
    /// … and when, in event time.
    pub at_ms: i64,
    /// The alert's number within the flood.
    pub sequence: u32,
    /// The rule's name.
    pub rule: &'a str,
    /// Events per second in the last window.
    pub current_rate: f64,
    /// Networks that are our own.
    pub trusted: &'a [Network],
    /// Whether the names of users are hashes.
    pub is_redacted: bool,
}

impl Alert<'_> {
    /// Writes the document as one line of JSON, newline included.
    pub fn write(&self, out: &mut Vec<u8>) {
        let cause = judge(self.flood, self.trusted);
        let mut json = Writer::new(out);
        json.begin_object();
        write_time(&mut json, "@timestamp", self.at_ms);
        json.key("message");
        json.string(&self.sentence(&cause));
        json.key("log");
        json.begin_object();
        let severity = self.severity();
        json.key("level");
        json.string(if severity >= 73 && !self.is_end() {
            "error"
        } else if self.is_end() {
            "info"
        } else {
            "warning"
        });
        json.end_object();
        self.write_event(&mut json, &cause, severity);
        json.key("rule");
        json.begin_object();
        text(&mut json, "name", self.rule);
        text(&mut json, "id", self.rule);
        json.end_object();
        self.write_who(&mut json);
        self.write_maxconn(&mut json, &cause);
        json.end_object();
        out.push(b'\n');
    }

    fn is_end(&self) -> bool {
        matches!(self.transition, Transition::End(_))
    }

    fn state(&self) -> &'static str {
        match self.transition {
            Transition::Start => "start",
            Transition::Ongoing => "ongoing",
            Transition::End(_) => "end",
        }
    }

    /// By mean rate, on Elastic's scale of 21 (low), 47 (medium), 73 (high), 99 (critical).
    fn severity(&self) -> u64 {
        match self.flood.mean_rate() {
            rate if rate < 1.0 => 21,
            rate if rate < 10.0 => 47,
            rate if rate < 100.0 => 73,
            _ => 99,
        }
    }

    fn write_event(&self, json: &mut Writer<'_>, cause: &Cause, severity: u64) {
        let flood = self.flood;
        json.key("event");
        json.begin_object();
        text(json, "kind", "alert");
        text(
            json,
            "action",
            match self.transition {
                Transition::Start => "connection-limit-flood-start",
                Transition::Ongoing => "connection-limit-flood-ongoing",
                Transition::End(_) => "connection-limit-flood-end",
            },
        );
        let categories: &[&str] = if cause.hint.is_hostile() {
            &["network", "intrusion_detection"]
        } else {
            &["network"]
        };
        texts(json, "category", categories.iter().copied());
        let kind = match self.transition {
            Transition::Start => "start",
            Transition::Ongoing => "info",
            Transition::End(_) => "end",
        };
        texts(json, "type", ["denied", kind].into_iter());
        text(json, "code", &flood.seen.limit);
        text(json, "outcome", "failure");
        text(json, "module", &flood.seen.module);
        text(json, "dataset", &dataset(&flood.seen.module));
        write_time(json, "start", flood.start_ms);
        write_time(json, "end", flood.last_ms);
        json.key("duration");
        json.int(flood.duration_ms().saturating_mul(1_000_000));
        json.key("id");
        let id = crate::hash::Hash::new(HASH_ALERT)
            .number((flood.id >> 64) as u64)
            .number(flood.id as u64);
        json.display(format_args!(
            "{:032x}",
            id.number(u64::from(self.sequence)).finish()
        ));
        json.key("sequence");
        json.uint(u64::from(self.sequence));
        json.key("severity");
        json.uint(severity);
        json.end_object();
    }

    fn write_who(&self, json: &mut Writer<'_>) {
        let seen = &self.flood.seen;
        if let Some(user) = seen.users.only() {
            group(
                json,
                "user",
                if self.is_redacted { "hash" } else { "name" },
                user,
            );
        }
        if let Some(ip) = seen.ips.only() {
            group(json, "source", "ip", &format!("{ip}"));
        }
        if let Some(ip) = seen.destination.one() {
            group(json, "destination", "ip", &format!("{ip}"));
        }
        json.key("service");
        json.begin_object();
        text(json, "type", &seen.module);
        if let Some(service) = seen.service.one() {
            text(json, "name", service);
        }
        json.end_object();
        if let Some(protocol) = seen.service.one().and_then(|service| protocol_of(service)) {
            group(json, "network", "protocol", protocol);
        }
        if let Some(host) = seen.hosts.only() {
            group(json, "host", "name", host);
        }
        let has_ip = seen.ips.iter().len() > 0 || seen.destination.one().is_some();
        if has_ip || seen.users.iter().len() > 0 || seen.hosts.iter().len() > 0 {
            json.key("related");
            json.begin_object();
            if has_ip {
                let own = seen
                    .destination
                    .one()
                    .filter(|ip| !seen.ips.iter().any(|other| other == *ip));
                json.key("ip");
                json.begin_array();
                for ip in seen.ips.iter().chain(own) {
                    json.display(ip);
                }
                json.end_array();
            }
            if seen.users.iter().len() > 0 {
                texts(json, "user", seen.users.iter().map(String::as_str));
            }
            if seen.hosts.iter().len() > 0 {
                texts(json, "hosts", seen.hosts.iter().map(String::as_str));
            }
            json.end_object();
        }
    }

    fn write_maxconn(&self, json: &mut Writer<'_>, cause: &Cause) {
        let flood = self.flood;
        json.key("maxconn");
        json.begin_object();
        json.key("limit");
        json.begin_object();
        text(json, "name", &flood.seen.limit);
        if let Some(value) = flood.seen.limit_value {
            json.key("value");
            json.uint(value);
        }
        text(json, "scope", flood.scope().name());
        json.end_object();
        json.key("flood");
        json.begin_object();
        json.key("id");
        json.display(format_args!("{:032x}", flood.id));
        text(json, "state", self.state());
        text(json, "key", &flood.key);
        for (name, value) in [
            ("count", flood.count),
            ("passed", flood.passed),
            ("suppressed", flood.suppressed),
            ("suppressed_bytes", flood.suppressed_bytes),
        ] {
            json.key(name);
            json.uint(value);
        }
        json.key("rate");
        json.begin_object();
        for (name, rate) in [
            ("mean", flood.mean_rate()),
            ("peak", f64::from(flood.peak)),
            ("current", self.current_rate),
        ] {
            json.key(name);
            json.float(libm::round(rate * 100.0) / 100.0);
        }
        json.end_object();
        self.write_distinct(json);
        json.key("cause");
        json.begin_object();
        text(json, "hint", cause.hint.name());
        text(json, "evidence", &cause.evidence);
        text(json, "advice", cause.advice);
        json.end_object();
        text(json, "sample", &flood.sample);
        if let Transition::End(reason) = self.transition {
            text(json, "end_reason", reason.name());
        }
        json.end_object();
        json.end_object();
    }

    fn write_distinct(&self, json: &mut Writer<'_>) {
        let seen = &self.flood.seen;
        let counts = [
            ("users", seen.users.count()),
            ("ips", seen.ips.count()),
            ("hosts", seen.hosts.count()),
            ("sessions", seen.sessions.count()),
        ];
        json.key("distinct");
        json.begin_object();
        for (name, (count, _)) in counts {
            json.key(name);
            json.uint(count);
        }
        if counts.iter().any(|(_, (_, is_exact))| !is_exact) {
            let estimated = counts.iter().filter(|(_, (_, is_exact))| !is_exact);
            texts(json, "estimated", estimated.map(|(name, _)| *name));
        }
        json.end_object();
    }

    /// One sentence for people: who, from where, how many, how fast, since when.
    fn sentence(&self, cause: &Cause) -> String {
        let flood = self.flood;
        let seen = &flood.seen;
        let user = match (seen.users.only(), seen.users.count()) {
            (Some(user), _) if self.is_redacted => {
                format!("user {}", user.get(..12).unwrap_or(user))
            }
            (Some(user), _) => user.clone(),
            (None, (0, _)) => String::from("clients"),
            (None, (count, true)) => format!("{count} users"),
            (None, (count, false)) => format!("about {count} users"),
        };
        let from = match (seen.ips.only(), seen.ips.count()) {
            (Some(ip), _) => format!(" from {ip}"),
            (None, (0, _)) => String::new(),
            (None, (count, true)) => format!(" from {count} addresses"),
            (None, (count, false)) => format!(" from about {count} addresses"),
        };
        let service = seen
            .service
            .one()
            .map_or("several services", String::as_str);
        let limit = match seen.limit_value {
            Some(value) => format!("{}={value}", seen.limit),
            None => seen.limit.clone(),
        };
        let who = match flood.scope() {
            Scope::Service | Scope::Process => format!("{service} is at its limit"),
            _ => format!("{user}{from} refused by {service}"),
        };
        let host = seen
            .hosts
            .only()
            .map(|host| format!(" on {host}"))
            .unwrap_or_default();
        let verb = match self.transition {
            Transition::Start => "Flood started",
            Transition::Ongoing => "Flood goes on",
            Transition::End(_) => "Flood ended",
        };
        let (count, rate) = (flood.count, flood.mean_rate());
        let mut since = Vec::new();
        write_rfc3339_ms(flood.start_ms, &mut since);
        let since = String::from_utf8(since).unwrap_or_default();
        let hint = cause.hint.name();
        format!(
            "{verb}: {who}{host} ({limit}), {count} times, {rate:.1}/s since {since}; likely cause: {hint}"
        )
    }
}

const HASH_ALERT: u8 = 20;

/// `event.dataset` of a module: `dovecot.maxconn`, or the pattern's own name.
pub fn dataset(module: &str) -> String {
    if module == "dovecot" {
        String::from("dovecot.maxconn")
    } else {
        String::from(module)
    }
}

pub(crate) fn write_time(json: &mut Writer<'_>, key: &str, time_ms: i64) {
    let mut time = Vec::with_capacity(24);
    write_rfc3339_ms(time_ms, &mut time);
    json.key(key);
    json.string(core::str::from_utf8(&time).unwrap_or_default());
}

fn text(json: &mut Writer<'_>, key: &str, value: &str) {
    json.key(key);
    json.string(value);
}

fn texts<'a>(json: &mut Writer<'_>, key: &str, values: impl Iterator<Item = &'a str>) {
    json.key(key);
    json.begin_array();
    for value in values {
        json.string(value);
    }
    json.end_array();
}

fn group(json: &mut Writer<'_>, group: &str, key: &str, value: &str) {
    json.key(group);
    json.begin_object();
    text(json, key, value);
    json.end_object();
}
