//! Hints at the cause of floods, held against generated scenarios: for each cause a hundred, of other people, rates and habits
//! each (docs/contract.md §7).
//!
//! What a scenario is made of is what people and programs do, not what the detector looks at.

use std::collections::BTreeMap;

use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Kind, Output, Source};
use serde_json::Value;
use test_support::refusal;

const SCENARIOS: u64 = 100;
const RIGHT_MIN: usize = 90;
const HOUR_MS: i64 = 3_600_000;
/// 2026-03-02T06:00:00Z, a Monday.
const BEGIN_MS: i64 = 1_772_431_200_000;

/// Chance, the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn within(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The same, where each factor is as likely.
    fn factor_within(&mut self, least: f64, most: f64) -> f64 {
        self.within(least.ln(), most.ln()).exp()
    }

    fn count(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// The time to the next one of people who know nothing of each other, in ms.
    fn wait_ms(&mut self, per_second: f64) -> f64 {
        -self.within(f64::EPSILON, 1.0).ln() / per_second * 1_000.0
    }

    /// An address of somebody's provider.
    fn stranger(&mut self) -> String {
        let [a, b, c] = [0; 3].map(|_| self.count(1, 250));
        format!("{}.{a}.{b}.{c}", self.count(11, 99))
    }
}

/// What a log says, and when.
#[derive(Default)]
struct Log(Vec<(i64, String)>);

impl Log {
    fn dovecot(&mut self, after_ms: f64, user: &str, ip: &str) {
        let message = refusal::message(user, ip);
        self.line(after_ms, &format!("mail dovecot: {message}"));
    }

    fn line(&mut self, after_ms: f64, line: &str) {
        let time_ms = BEGIN_MS + after_ms as i64;
        let line = format!("{} {line}\n", stamp(time_ms));
        self.0.push((time_ms, line));
    }

    fn postgresql(&mut self, after_ms: f64, line: &str) {
        let time_ms = BEGIN_MS + after_ms as i64;
        let stamp = stamp(time_ms).replace('T', " ").replace('Z', " UTC");
        self.0.push((time_ms, format!("{stamp} [77] {line}\n")));
    }

    /// All alerts of it.
    fn alerts(mut self) -> Vec<Value> {
        self.0.sort_by_key(|(time_ms, _)| *time_ms);
        let text: String = self.0.into_iter().map(|(_, line)| line).collect();
        let text = text.as_bytes();
        let mut engine = Engine::new(Config::default()).unwrap();
        let mut out = Output::default();
        out.want.records = false;
        out.want.enriched = false;
        let (mut alerts, mut at) = (Vec::new(), 0);
        let mut take = |out: &mut Output| {
            let pieces = out.pieces(&[]).filter(|(kind, _)| *kind == Kind::Alert);
            alerts.extend(pieces.map(|(_, alert)| serde_json::from_slice::<Value>(alert).unwrap()));
            out.clear();
        };
        while at < text.len() {
            at += engine.push_lines(&Source::default(), &text[at..], None, &mut out);
            take(&mut out);
        }
        while !engine.finish(None, &mut out) {
            take(&mut out);
        }
        take(&mut out);
        alerts
    }
}

fn stamp(time_ms: i64) -> String {
    let mut text = Vec::new();
    maxconn_core::time::write_rfc3339_ms(time_ms, &mut text);
    String::from_utf8(text).unwrap()
}

/// The hint of the largest flood, at its end; `None` without a flood.
fn hint(alerts: &[Value]) -> Option<&str> {
    let ends = alerts
        .iter()
        .filter(|alert| alert["maxconn"]["flood"]["state"] == "end");
    let largest = ends.max_by_key(|alert| alert["maxconn"]["flood"]["count"].as_u64())?;
    largest["maxconn"]["flood"]["cause"]["hint"].as_str()
}

fn is_hostile(alert: &Value) -> bool {
    let categories = alert["event"]["category"].as_array().unwrap();
    categories.iter().any(|it| it == "intrusion_detection")
}

/// Whether somebody is called hostile.
#[derive(Clone, Copy, PartialEq)]
enum Nature {
    Harmless,
    Hostile,
}

fn hold(causes: &[&str], nature: Nature, scenario: impl Fn(&mut Random, &mut Log)) {
    let mut found = BTreeMap::<String, Vec<u64>>::new();
    for seed in 0..SCENARIOS {
        let (mut random, mut log) = (Random(seed ^ 0x6d61_7863_6f6e_6e00), Log::default());
        scenario(&mut random, &mut log);
        let alerts = log.alerts();
        let named = hint(&alerts).unwrap_or("no flood").to_string();
        found.entry(named).or_default().push(seed);
        if nature == Nature::Harmless {
            for alert in &alerts {
                assert!(!is_hostile(alert), "{causes:?}, seed {seed}: {alert}");
            }
        }
    }
    let right = causes.iter().filter_map(|cause| found.get(*cause));
    let right: usize = right.map(Vec::len).sum();
    let told = format!("{causes:?} {right} times of {SCENARIOS}: {found:?}");
    assert!(right >= RIGHT_MIN, "{told}");
}

/// A program that tries again: every so often, with some jitter, now and then stopped for a while.
#[test]
fn a_program_that_tries_again_is_a_retry_storm() {
    hold(&["retry-storm"], Nature::Harmless, |random, log| {
        let rate = random.factor_within(1.0, 80.0);
        let jitter = random.within(0.0, 0.5);
        let (ip, refusals) = (random.stranger(), random.count(400, 3_000));
        let mut now_ms = 0.0;
        for _ in 0..refusals {
            let step_ms = 1_000.0 / rate;
            log.dovecot(now_ms + random.within(0.0, jitter) * step_ms, "bob", &ip);
            now_ms += step_ms;
            if random.count(1, 2_000) == 1 {
                now_ms += random.within(11_000.0, 100_000.0);
            }
        }
    });
}

/// A mail program that looks into each folder by a connection of its own, every few minutes.
#[test]
fn a_client_that_opens_its_folders_is_many_folders() {
    hold(&["many-folders"], Nature::Harmless, |random, log| {
        let (ip, folders) = (random.stranger(), random.count(35, 300));
        let pause_ms = random.within(60.0, 280.0) * 1_000.0;
        let rate = random.factor_within(5.0, 100.0);
        let mut now_ms = 0.0;
        for _ in 0..random.count(5, 40) {
            let burst_ms = now_ms;
            for _ in 0..folders.saturating_sub(random.count(0, 3)) {
                log.dovecot(now_ms, "bob", &ip);
                now_ms += random.wait_ms(rate);
            }
            now_ms = burst_ms.max(now_ms - pause_ms) + pause_ms * random.within(0.9, 1.1);
        }
    });
}

/// Colleagues behind the one address of their office.
#[test]
fn colleagues_behind_one_public_address_share_it() {
    hold(&["shared-address"], Nature::Harmless, |random, log| {
        let (ip, users) = (random.stranger(), random.count(12, 80));
        let rate = random.factor_within(1.0, 20.0);
        let mut now_ms = 0.0;
        for _ in 0..random.count(300, 2_000) {
            now_ms += random.wait_ms(rate);
            log.dovecot(now_ms, &format!("user{}", random.count(1, users)), &ip);
        }
    });
}

/// A webmail on the mail server, in its network, or on a private address.
#[test]
fn a_webmail_is_known_by_its_address() {
    hold(&["webmail-or-proxy"], Nature::Harmless, |random, log| {
        let ip = match random.count(1, 4) {
            1 => "127.0.0.1".to_string(),
            2 => "::1".to_string(),
            3 => format!("10.0.{}.{}", random.count(0, 250), random.count(1, 250)),
            _ => format!("192.168.1.{}", random.count(2, 250)),
        };
        let (users, rate) = (random.count(1, 200), random.factor_within(1.0, 30.0));
        let mut now_ms = 0.0;
        for _ in 0..random.count(300, 2_000) {
            now_ms += random.wait_ms(rate);
            log.dovecot(now_ms, &format!("user{}", random.count(1, users)), &ip);
        }
    });
}

/// One account in the hands of many.
#[test]
fn one_account_from_everywhere_is_many_addresses() {
    hold(&["many-addresses"], Nature::Hostile, |random, log| {
        let addresses: Vec<String> = (0..random.count(15, 400))
            .map(|_| random.stranger())
            .collect();
        let rate = random.factor_within(1.0, 20.0);
        let mut now_ms = 0.0;
        for _ in 0..random.count(300, 2_000) {
            now_ms += random.wait_ms(rate);
            let ip = random.next() as usize % addresses.len();
            log.dovecot(now_ms, "bob", &addresses[ip]);
        }
    });
}

/// Somebody with a telephone, a notebook and a desk, now here, now there: no stranger.
#[test]
fn somebody_on_the_way_is_no_attacker() {
    hold(
        &["unknown", "many-folders", "retry-storm"],
        Nature::Harmless,
        |random, log| {
            let (home, cafe) = (random.count(11, 99), random.stranger());
            let addresses: Vec<String> = (0..random.count(2, 14))
                .map(|_| match random.count(1, 2) {
                    // The provider's of the telephone, which changes all the time.
                    1 => format!("{home}.7.{}.{}", random.count(1, 250), random.count(1, 250)),
                    _ => format!("2001:db8:{home}:1::{:x}", random.next() & 0xffff_ffff),
                })
                .chain([cafe])
                .collect();
            let rate = random.factor_within(0.8, 5.0);
            let mut now_ms = 0.0;
            for number in 0..random.count(200, 600) {
                now_ms += random.wait_ms(rate);
                // An address is used for a while.
                let ip = (number / 40) as usize % addresses.len();
                log.dovecot(now_ms, "bob", &addresses[ip]);
            }
        },
    );
}

/// So little that nobody can tell.
#[test]
fn a_few_refusals_tell_nothing() {
    hold(&["unknown"], Nature::Harmless, |random, log| {
        let ip = random.stranger();
        let mut now_ms = 0.0;
        for _ in 0..random.count(31, 45) {
            log.dovecot(now_ms, "bob", &ip);
            now_ms += random.within(0.0, 1_800.0);
        }
    });
}

/// One browser or script that opens more than its share at a web server.
#[test]
fn one_client_of_a_web_server_is_a_client_storm() {
    hold(&["client-storm"], Nature::Harmless, |random, log| {
        let (ip, rate) = (random.stranger(), random.factor_within(1.0, 50.0));
        let mut now_ms = 0.0;
        for number in 0..random.count(60, 1_500) {
            now_ms += random.wait_ms(rate);
            let line = format!(
                "web nginx: 2026/03/02 06:00:00 [error] 15#15: *{number} limiting connections by zone \"perip\", client: {ip}, \
                 server: example.org, request: \"GET / HTTP/1.1\", host: \"example.org\""
            );
            log.line(now_ms, &line);
        }
    });
}

/// An application whose pool finds no connection and asks again.
#[test]
fn an_application_that_asks_a_full_database_again_is_a_pool() {
    hold(&["pool-retry"], Nature::Harmless, |random, log| {
        let (rate, jitter) = (random.factor_within(1.0, 20.0), random.within(0.0, 0.5));
        let step_ms = 1_000.0 / rate;
        for number in 0..random.count(1_000, 3_000) {
            let after_ms = number as f64 * step_ms + random.within(0.0, jitter) * step_ms;
            log.postgresql(
                after_ms,
                "web@shop FATAL:  too many connections for role \"web\"",
            );
        }
    });
}

/// Everybody at once, at a server that says no more than that it is full.
#[test]
fn a_server_that_turns_everybody_away_is_full() {
    hold(&["server-full"], Nature::Harmless, |random, log| {
        let rate = random.factor_within(1.0, 30.0);
        let mut now_ms = 0.0;
        for _ in 0..random.count(60, 1_500) {
            now_ms += random.wait_ms(rate);
            log.postgresql(now_ms, "FATAL:  sorry, too many clients already");
        }
    });
}

/// Strangers who try doors.
#[test]
fn strangers_at_sshd_are_scanning() {
    hold(&["scan-or-guessing"], Nature::Hostile, |random, log| {
        let addresses: Vec<String> = (0..random.count(15, 300))
            .map(|_| random.stranger())
            .collect();
        let rate = random.factor_within(1.0, 20.0);
        let mut now_ms = 0.0;
        for number in 0..random.count(200, 1_500) {
            now_ms += random.wait_ms(rate);
            let ip = &addresses[random.next() as usize % addresses.len()];
            log.line(now_ms, &format!("srv sshd[9]: drop connection #{number} from [{ip}]:40000 on [192.0.2.1]:22 past MaxStartups"));
        }
    });
}

/// A server that has a little too little for its day.
#[test]
fn a_limit_that_is_met_all_day_is_too_small() {
    hold(&["undersized"], Nature::Harmless, |random, log| {
        let rate = random.factor_within(0.05, 0.12);
        let mut now_ms = 0.0;
        while now_ms < 23.5 * HOUR_MS as f64 {
            now_ms += random.wait_ms(rate).min(250_000.0);
            log.postgresql(now_ms, "FATAL:  sorry, too many clients already");
        }
    });
}
