//! Judges the likely cause of a flood: a hint, the evidence for it in figures, and what to do.
//!
//! A refusal of a mail login over user+IP comes after a successful password check, so such a flood is never password
//! guessing (docs/contract.md §7). What it is shows in how many users and addresses there are and in how the
//! events are spread in time.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::flood::Flood;
use crate::config::Network;
use crate::event::{Scope, Stage};
use crate::recognisers::{Hint, advice};
use crate::sentence::Part::{Number, Tenths, Text};
use crate::sentence::say;
use crate::text::{ip_text, rounded};

/// A retry is automatic when events in spans of 10 s vary by no more than this share of their mean …
const EVEN: f64 = 0.35;
/// … and there are so many of them in 10 s.
const MIN_EVENTS_IN_SPAN: f64 = 5.0;
/// So many events in 10 s without any pause are a program's, however uneven.
const RAPID_EVENTS_IN_SPAN: f64 = 100.0;
/// Pauses between bursts of a client that opens its folders are at least so long …
pub const MIN_PAUSE_S: f64 = 20.0;
/// … and there are so many of them …
const MIN_PAUSES: u64 = 2;
/// … in no less than half of the time.
const MAX_BURST_SHARE: f64 = 0.5;
/// A client opens about as many connections as it has folders.
pub const FOLDERS: core::ops::RangeInclusive<f64> = 3.0..=500.0;
/// So many users behind one address, or addresses of one user, are many.
pub const MANY: u64 = 5;
/// Addresses from so many networks are unrelated.
const UNRELATED: usize = 3;
/// So many strangers at once are no accident.
const MANY_STRANGERS: u64 = 10;
/// Less than so many refusals of one client say nothing.
const MIN_REFUSALS: u64 = 30;
/// Refusals in so many of the day's hours are there all day …
const ALL_DAY_HOURS: u32 = 20;
/// … and so few, in a second, are no storm.
const SLOW_RATE: f64 = 1.0;

/// A hint with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// What it is.
    pub hint: Hint,
    /// The figures that speak for it.
    pub evidence: String,
    /// What to do.
    pub advice: String,
}

/// Judges a flood by what is known of it so far.
pub fn judge(flood: &Flood, trusted: &[Network]) -> Cause {
    let (hint, evidence) = if flood.scope() == Scope::UserIp {
        judge_clients(flood, trusted)
    } else if flood.seen.is_of_server() {
        judge_server(flood)
    } else {
        unknown(flood)
    };
    Cause {
        hint,
        evidence,
        advice: advise(
            &flood.seen.module,
            &flood.seen.limit,
            hint,
            flood.seen.service.one().map(String::as_str),
        ),
    }
}

/// What to do about refusals at a module's limit whose cause is likely `hint`, the service's settings spelled out.
pub fn advise(module: &str, limit: &str, hint: Hint, service: Option<&str>) -> String {
    let first = match hint {
        Hint::ClientStorm => {
            "One client wants more than its share: see what it is, and slow it down rather than raise the limit. "
        }
        Hint::PoolRetry => {
            "One application tries again and again: give its pool a maximum and a pause. "
        }
        Hint::ScanOrGuessing => {
            "Strangers: keep them away (firewall, fail2ban) rather than raise the limit. "
        }
        Hint::Undersized => {
            "Refused all day, never many at once: there is less room than is needed. "
        }
        _ => "",
    };
    let mut text = String::from(first);
    text.push_str(&say(
        advice(module, limit, hint),
        &[Text(service.unwrap_or("NAME"))],
    ));
    text
}

/// What makes an address one of our own, where a webmail or a proxy may run. `is_local`: it was the server's own.
pub fn own_address(ip: IpAddr, is_local: bool, trusted: &[Network]) -> Option<&'static str> {
    if is_local {
        Some("the server's own address")
    } else if trusted.iter().any(|network| network.contains(ip)) {
        Some("a trusted address")
    } else if is_private(ip) {
        Some("a private address")
    } else {
        None
    }
}

/// What a server other than Dovecot's login refuses. Before anybody is known nobody is guilty but by what the network shows.
fn judge_server(flood: &Flood) -> (Hint, String) {
    let seen = &flood.seen;
    let (ips, users) = (seen.ips.count().0, seen.users.count().0);
    let networks = unrelated_networks(seen.ips.iter());
    let parts = [
        Number(ips),
        Number(networks as u64),
        Number(flood.count),
        Tenths(flood.mean_rate()),
        Number(u64::from(flood.pace.hours())),
    ];
    let is_per_client = matches!(flood.scope(), Scope::Ip | Scope::Zone | Scope::Listener);
    let is_stranger = seen.stage() == Some(Stage::BeforeAuth);
    let is_open_to_all = is_per_client || seen.is_of_guessed();
    if is_stranger && is_open_to_all && ips >= MANY_STRANGERS {
        // When the flood opens only one address has a name yet.
        if seen.ips.iter().len() < UNRELATED {
            return (
                Hint::ScanOrGuessing,
                say("%0 addresses or more, none of them known yet", &parts),
            );
        }
        if networks >= UNRELATED {
            let evidence = "%0 addresses in at least %1 unrelated networks, none of them known yet";
            return (Hint::ScanOrGuessing, say(evidence, &parts));
        }
    }
    if flood.pace.hours() >= ALL_DAY_HOURS && flood.mean_rate() < SLOW_RATE {
        return (
            Hint::Undersized,
            say("%2 refusals, %3/s, in %4 of the day's 24 hours", &parts),
        );
    }
    let is_one = ips == 1 || (ips == 0 && users == 1);
    if is_per_client && is_one && flood.count >= MIN_REFUSALS {
        return (
            Hint::ClientStorm,
            say("1 address, %2 refusals, %3/s", &parts),
        );
    }
    if !is_per_client && is_one && flood.count >= MIN_REFUSALS {
        let is_even = flood.pace.evenness().is_some_and(|(mean, deviation)| {
            mean >= MIN_EVENTS_IN_SPAN && deviation <= EVEN || mean >= RAPID_EVENTS_IN_SPAN
        });
        if is_even && !seen.is_of_guessed() {
            let evidence = match ips {
                0 => "1 user, %2 refusals, %3/s",
                _ => "1 address, %2 refusals, %3/s",
            };
            return (Hint::PoolRetry, say(evidence, &parts));
        }
    }
    if is_full(flood.scope()) && !seen.is_of_guessed() {
        let evidence = match ips {
            _ if flood.count == 1 => "said once",
            0 => "%2 refusals, %3/s, of whom is not said",
            1 => "%2 refusals, %3/s, of 1 address",
            _ => "%2 refusals, %3/s, of %0 addresses",
        };
        return (Hint::ServerFull, say(evidence, &parts));
    }
    unknown(flood)
}

/// Whether a limit of that scope leaves no room for anybody.
pub fn is_full(scope: Scope) -> bool {
    matches!(
        scope,
        Scope::Global
            | Scope::Service
            | Scope::Process
            | Scope::Pool
            | Scope::Node
            | Scope::Server
            | Scope::Listener
            | Scope::Database
    )
}

fn judge_clients(flood: &Flood, trusted: &[Network]) -> (Hint, String) {
    let users = flood.seen.users.sketch.count().0;
    let ips = flood.seen.ips.sketch.count().0;
    if let Some(ip) = flood.seen.ips.only() {
        let own = own_address(*ip, flood.seen.all_local, trusted);
        let parts = [
            Number(users),
            Text(if users == 1 { "user" } else { "users" }),
            Text(&ip_text(*ip)),
            Text(own.unwrap_or_default()),
        ];
        if own.is_some() && users > 0 {
            return (Hint::WebmailOrProxy, say("%0 %1 behind %2, %3", &parts));
        }
        if users >= MANY {
            let evidence = say("%0 %1 behind the public address %2", &parts);
            return (Hint::SharedAddress, evidence);
        }
    }
    let networks = unrelated_networks(flood.seen.ips.iter());
    if users == 1 && ips >= MANY {
        let parts = [Number(ips), Number(networks as u64)];
        // When the flood opens only one address has a name yet.
        if flood.seen.ips.iter().len() < UNRELATED {
            let evidence = say("1 user from %0 addresses or more", &parts);
            return (Hint::ManyAddresses, evidence);
        }
        if networks >= UNRELATED {
            let evidence = say(
                "1 user from %0 addresses in at least %1 unrelated networks",
                &parts,
            );
            return (Hint::ManyAddresses, evidence);
        }
    }
    if users <= 1 && ips <= 1 {
        return judge_one_client(flood);
    }
    unknown(flood)
}

fn judge_one_client(flood: &Flood) -> (Hint, String) {
    let (pauses, pause_s) = flood.pace.pauses();
    // Both since it opened: what came before may have been spread in another way.
    let burst = flood.pace.events() as f64 / (pauses + 1) as f64;
    if pauses >= MIN_PAUSES {
        let is_short = flood.pace.active_share() <= MAX_BURST_SHARE;
        if is_short && pause_s >= MIN_PAUSE_S && FOLDERS.contains(&burst) {
            let evidence = say(
                "%0 bursts of about %1 attempts, %2 s apart",
                &[pauses + 1, rounded(burst, 1), rounded(pause_s, 1)].map(Number),
            );
            return (Hint::ManyFolders, evidence);
        }
    }
    if let Some((mean, deviation)) = flood.pace.evenness() {
        let is_even = mean >= MIN_EVENTS_IN_SPAN && deviation <= EVEN;
        // So fast, nobody but a program tries, even where its rate changes.
        let is_rapid = mean >= RAPID_EVENTS_IN_SPAN && (pauses == 0 || burst > *FOLDERS.end());
        if is_even || is_rapid {
            let user = match flood.seen.users.sketch.count().0 {
                0 => "no user named",
                _ => "1 user",
            };
            let template = if pauses == 0 {
                "%0, 1 address, %1/s (±%2 % from one 10 s to the next), without a pause, in %4 of the day's 24 hours"
            } else {
                "%0, 1 address, %1/s (±%2 % from one 10 s to the next), %3 pauses, in %4 of the day's 24 hours"
            };
            let evidence = say(
                template,
                &[
                    Text(user),
                    Tenths(mean / 10.0),
                    Number(rounded(deviation * 100.0, 1)),
                    Number(pauses),
                    Number(u64::from(flood.pace.hours())),
                ],
            );
            return (Hint::RetryStorm, evidence);
        }
    }
    unknown(flood)
}

fn unknown(flood: &Flood) -> (Hint, String) {
    let seconds = flood.duration_ms() as f64 / 1_000.0;
    let evidence = say(
        "%0 events in %1 s; no cause stands out",
        &[Number(flood.count), Tenths(seconds)],
    );
    (Hint::Unknown, evidence)
}

/// How many networks the addresses lie in: a /16 of IPv4 or a /32 of IPv6 counts as one.
fn unrelated_networks<'a>(ips: impl Iterator<Item = &'a IpAddr>) -> usize {
    // A flood knows but a few of its addresses by name, so that a walk is as good as a set.
    let mut networks: Vec<(u8, u32)> = Vec::new();
    for ip in ips {
        let network = match ip.to_canonical() {
            IpAddr::V4(ip) => (4, u32::from(ip) >> 16),
            IpAddr::V6(ip) => (6, (u128::from(ip) >> 96) as u32),
        };
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    networks.len()
}

/// Loopback, link-local and private addresses (RFC 1918, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
