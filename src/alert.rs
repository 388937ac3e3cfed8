//! Writes the alert: what a person or a dashboard gets to see of a flood (docs/contract.md §3.3).
//!
//! Fields are ECS 9.4 (<https://www.elastic.co/docs/reference/ecs>), what ECS has no place for lies
//! under `maxconn.*`. An alert is written once, when its transition happens.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::config::{Config, Network};
use crate::detector::cause::{Cause, judge};
use crate::detector::flood::Flood;
use crate::detector::seen::Same;
use crate::detector::{KeyState, Transition};
use crate::document::{close, group, number, open, text, texts, time};
use crate::event::{Scope, Stage, protocol_of};
use crate::json::write::Writer;
use crate::recognisers::{Hint, dataset};
use crate::tally::Tally;
use crate::text::{append, hundredths_text, ip_text, push_number, push_tenths, rounded};
use crate::time::write_rfc3339_ms;

/// What an alert says beside what the flood knows.
pub struct Alert<'a> {
    /// The flood it is about.
    flood: &'a Flood,
    /// What happened to it …
    pub transition: Transition,
    /// … and when, in event time.
    at_ms: i64,
    /// The alert's number within the flood.
    sequence: u32,
    /// What came since the one before.
    increase: Tally,
    /// The rule's name.
    rule: &'a str,
    /// Events per second in the last window.
    current_rate: f64,
    /// Networks that are our own.
    trusted: &'a [Network],
    /// Whether the names of users are hashes.
    is_redacted: bool,
}

impl<'a> Alert<'a> {
    /// The alert of a transition, with the flood's next number; `None` without an open flood. At an end the caller closes the
    /// flood, once the alert is written.
    pub fn of(
        key: &'a mut KeyState,
        config: &'a Config,
        rule: &'a str,
        (transition, at_ms): (Transition, i64),
        current_rate: f64,
    ) -> Option<Alert<'a>> {
        let (sequence, increase, flood) = key.tell()?;
        Some(Alert {
            flood,
            transition,
            at_ms: at_ms.max(flood.start_ms),
            sequence,
            increase,
            rule,
            current_rate,
            trusted: &config.trusted_networks,
            is_redacted: config.redact_key.is_some(),
        })
    }

    /// Writes the document as one line of JSON, newline included.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_open(out);
        write_increase(&self.increase, out);
        out.push(b'\n');
    }

    /// Writes all but the increase, which [`write_increase`] adds.
    pub fn write_open(&self, out: &mut Vec<u8>) {
        let cause = judge(self.flood, self.trusted);
        let mut json = Writer::new(out);
        json.begin_object();
        time(&mut json, "@timestamp", self.at_ms);
        text(&mut json, "message", &self.sentence(&cause));
        open(&mut json, "log");
        let severity = self.severity(cause.hint);
        let level = if severity >= 73 && !self.is_end() {
            "error"
        } else if self.is_end() {
            "info"
        } else {
            "warning"
        };
        text(&mut json, "level", level);
        close(&mut json);
        self.write_event(&mut json, &cause, severity);
        open(&mut json, "rule");
        text(&mut json, "name", self.rule);
        text(&mut json, "id", self.rule);
        close(&mut json);
        self.write_who(&mut json);
        self.write_maxconn(&mut json, &cause);
    }

    /// The flood.
    pub fn flood_id(&self) -> u128 {
        self.flood.id
    }

    /// What came since the flood's alert before.
    pub fn increase(&self) -> Tally {
        self.increase
    }

    fn is_end(&self) -> bool {
        matches!(self.transition, Transition::End(_))
    }

    /// Whether users are who they say. Before that nobody is to be called guilty.
    fn is_user_known(&self) -> bool {
        self.flood.seen.stage() != Some(Stage::BeforeAuth)
    }

    /// By mean rate, on Elastic's scale of 21 (low), 47 (medium), 73 (high), 99 (critical). Where a service is full nobody
    /// can log in, however slowly that is said.
    fn severity(&self, hint: Hint) -> u64 {
        let least = match self.flood.scope() {
            Scope::Service | Scope::Process => 73,
            _ if hint == Hint::ServerFull => 73,
            _ => 0,
        };
        let by_rate = match self.flood.mean_rate() {
            rate if rate < 1.0 => 21,
            rate if rate < 10.0 => 47,
            rate if rate < 100.0 => 73,
            _ => 99,
        };
        by_rate.max(least)
    }

    fn write_event(&self, json: &mut Writer<'_>, cause: &Cause, severity: u64) {
        let flood = self.flood;
        open(json, "event");
        text(json, "kind", "alert");
        let (action, kind) = match self.transition {
            Transition::Start => ("connection-limit-flood-start", "start"),
            Transition::Ongoing => ("connection-limit-flood-ongoing", "info"),
            Transition::End(_) => ("connection-limit-flood-end", "end"),
        };
        text(json, "action", action);
        let categories: &[&str] = if cause.hint.is_hostile() {
            &["network", "intrusion_detection"]
        } else {
            &["network"]
        };
        texts(json, "category", categories);
        texts(json, "type", &["denied", kind]);
        text(json, "code", &flood.seen.limit);
        text(json, "outcome", "failure");
        text(json, "module", &flood.seen.module);
        text(json, "dataset", dataset(&flood.seen.module));
        time(json, "start", flood.start_ms);
        time(json, "end", flood.end_ms);
        json.key("duration");
        json.int(flood.duration_ms().saturating_mul(1_000_000));
        json.key("id");
        // Of what it says, too: a process that crashed after its last alert makes another one of that number.
        let id = crate::hash::Hash::new(HASH_ALERT)
            .number((flood.id >> 64) as u64)
            .number(flood.id as u64)
            .number(u64::from(self.sequence))
            .number(self.at_ms as u64)
            .number(flood.count);
        json.hex(id.finish());
        number(json, "sequence", u64::from(self.sequence));
        number(json, "severity", severity);
        close(json);
    }

    fn write_who(&self, json: &mut Writer<'_>) {
        let seen = &self.flood.seen;
        if let Some(user) = seen.users.only().filter(|_| self.is_user_known()) {
            group(
                json,
                "user",
                if self.is_redacted { "hash" } else { "name" },
                user,
            );
        }
        if let Some(ip) = seen.ips.only() {
            address(json, "source", *ip);
        }
        if let Some(ip) = seen.destination.one() {
            address(json, "destination", *ip);
        }
        open(json, "service");
        text(json, "type", &seen.module);
        if let Some(service) = seen.service.one() {
            text(json, "name", service);
        }
        close(json);
        if let Some(protocol) = seen.service.one().and_then(|service| protocol_of(service)) {
            group(json, "network", "protocol", protocol);
        }
        if let Some(host) = seen.hosts.only() {
            group(json, "host", "name", host);
        }
        let has_ip = seen.ips.iter().len() > 0 || seen.destination.one().is_some();
        if has_ip || seen.users.iter().len() > 0 || seen.hosts.iter().len() > 0 {
            open(json, "related");
            if has_ip {
                let own = seen
                    .destination
                    .one()
                    .filter(|ip| !seen.ips.iter().any(|other| other == *ip));
                json.key("ip");
                json.begin_array();
                for ip in seen.ips.iter().chain(own) {
                    json.ip(*ip);
                }
                json.end_array();
            }
            if seen.users.iter().len() > 0 {
                texts(json, "user", &names(&mut seen.users.iter()));
            }
            if seen.hosts.iter().len() > 0 {
                texts(json, "hosts", &names(&mut seen.hosts.iter()));
            }
            close(json);
        }
    }

    fn write_maxconn(&self, json: &mut Writer<'_>, cause: &Cause) {
        let flood = self.flood;
        open(json, "maxconn");
        open(json, "limit");
        text(json, "name", &flood.seen.limit);
        if let Some(value) = flood.seen.limit_value {
            number(json, "value", value);
        }
        text(json, "scope", flood.scope().name());
        if let Some(stage) = flood.seen.stage() {
            text(json, "stage", stage.name());
        }
        close(json);
        open(json, "flood");
        json.key("id");
        json.hex(flood.id);
        let state = match self.transition {
            Transition::Start => "start",
            Transition::Ongoing => "ongoing",
            Transition::End(_) => "end",
        };
        text(json, "state", state);
        text(json, "key", &flood.key);
        flood.tally().write(json);
        open(json, "rate");
        for (name, rate) in [
            ("mean", flood.mean_rate()),
            ("peak", flood.peak_rate() as f64),
            ("current", self.current_rate),
        ] {
            json.key(name);
            json.raw(hundredths_text(libm::round(rate * 100.0) as u64).as_bytes());
        }
        close(json);
        self.write_distinct(json);
        open(json, "cause");
        text(json, "hint", cause.hint.name());
        text(json, "evidence", &cause.evidence);
        text(json, "advice", &cause.advice);
        close(json);
        text(json, "sample", &flood.sample);
        if let Transition::End(reason) = self.transition {
            text(json, "end_reason", reason.name());
        }
    }

    fn write_distinct(&self, json: &mut Writer<'_>) {
        let seen = &self.flood.seen;
        let counts = [
            ("users", seen.users.count()),
            ("ips", seen.ips.count()),
            ("hosts", seen.hosts.count()),
            ("sessions", seen.session_count()),
        ];
        open(json, "distinct");
        for (name, (count, _)) in counts {
            // An estimate may err; that no event has two of them is certain.
            number(json, name, count.min(self.flood.count));
        }
        if counts.iter().any(|(_, (_, is_exact))| !is_exact) {
            json.key("estimated");
            json.begin_array();
            for (name, (_, is_exact)) in counts {
                if !is_exact {
                    json.string(name);
                }
            }
            json.end_array();
        }
        close(json);
    }

    /// One sentence for people: who, from where, how many, how fast, since when.
    fn sentence(&self, cause: &Cause) -> String {
        let flood = self.flood;
        let seen = &flood.seen;
        let mut out = String::from(match self.transition {
            Transition::Start => "Flood started: ",
            Transition::Ongoing => "Flood goes on: ",
            Transition::End(_) => "Flood ended: ",
        });
        let service = match &seen.service {
            Same::One(service) => service,
            Same::Many => "several services",
            Same::None => &seen.module,
        };
        let is_service = matches!(flood.scope(), Scope::Service | Scope::Process);
        let is_known = self.is_user_known();
        if is_service || cause.hint == Hint::ServerFull {
            append(&mut out, &[service, " is at its limit"]);
        } else {
            match (seen.users.only(), seen.users.count()) {
                (Some(_), _) if !is_known => out.push_str("clients"),
                (Some(user), _) if self.is_redacted => {
                    append(&mut out, &["user ", user.get(..12).unwrap_or(user)]);
                }
                (Some(user), _) => out.push_str(user),
                (None, (0, _)) => out.push_str("clients"),
                (None, _) if !is_known => out.push_str("clients"),
                (None, count) => append_count(&mut out, count, " user"),
            }
            match (seen.ips.only(), seen.ips.count()) {
                (Some(ip), _) => append(&mut out, &[" from ", &ip_text(*ip)]),
                (None, (0, _)) => {}
                (None, count) => {
                    out.push_str(" from ");
                    append_count(&mut out, count, " address");
                }
            }
            append(&mut out, &[" refused by ", service]);
        }
        if let Some(host) = seen.hosts.only() {
            append(&mut out, &[" on ", host]);
        }
        append(&mut out, &[" (", &seen.limit]);
        if let Some(value) = seen.limit_value {
            out.push('=');
            push_number(&mut out, value);
        }
        out.push_str("), ");
        if flood.count == 1 {
            out.push_str("once");
        } else {
            push_number(&mut out, flood.count);
            out.push_str(" times, ");
            push_tenths(&mut out, rounded(flood.mean_rate(), 10));
            out.push_str("/s");
        }
        let mut since = Vec::new();
        write_rfc3339_ms(flood.start_ms, &mut since);
        let since = core::str::from_utf8(&since).unwrap_or_default();
        let hint = cause.hint.name();
        append(&mut out, &[" since ", since, "; likely cause: ", hint]);
        out
    }
}

const HASH_ALERT: u8 = 20;

/// Ends a document of [`Alert::write_open`].
pub fn write_increase(increase: &Tally, out: &mut Vec<u8>) {
    let mut json = Writer::after_member(out);
    open(&mut json, "increase");
    increase.write(&mut json);
    for _ in 0..4 {
        close(&mut json);
    }
}

fn names<'a>(values: &mut dyn Iterator<Item = &'a String>) -> Vec<&'a str> {
    values.map(String::as_str).collect()
}

fn address(json: &mut Writer<'_>, group: &str, ip: IpAddr) {
    open(json, group);
    json.key("ip");
    json.ip(ip);
    close(json);
}

fn append_count(out: &mut String, (count, is_exact): (u64, bool), what: &str) {
    if !is_exact {
        out.push_str("about ");
    }
    push_number(out, count);
    out.push_str(what);
    if count != 1 {
        // "addresses"
        out.push_str(if what.ends_with('s') { "es" } else { "s" });
    }
}
