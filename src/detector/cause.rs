//! The likely cause of a flood: a hint, the evidence for it in figures, and what to do.
//!
//! A refusal over user+IP comes after a successful password check, so such a flood is never password
//! guessing (docs/contract.md §7). What it is shows in how many users and addresses there are and in how the
//! events are spread in time.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::flood::Flood;
use crate::config::Network;
use crate::event::Scope;
use crate::recognisers::{Hint, advice};
use crate::sentence::Part::{Number, Tenths, Text};
use crate::sentence::say;
use crate::text::ip_text;
use crate::text::rounded;

/// A retry is automatic when events in spans of 10 s vary by no more than this share of their mean …
const EVEN: f64 = 0.35;
/// … and there are so many of them in 10 s.
const MIN_EVENTS_IN_SPAN: f64 = 5.0;
/// So many events in 10 s without any pause are a program's, however uneven.
const RAPID_EVENTS_IN_SPAN: f64 = 100.0;
/// Pauses between bursts of a client that opens its folders are at least so long.
const MIN_PAUSE_S: f64 = 20.0;
/// A client opens about as many connections as it has folders.
const FOLDERS: core::ops::RangeInclusive<f64> = 3.0..=500.0;
/// So many users behind one address, or addresses of one user, are many.
const MANY: u64 = 5;
/// Addresses from so many networks are unrelated.
const UNRELATED: usize = 3;

/// A hint with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// What it is.
    pub hint: Hint,
    /// The figures that speak for it.
    pub evidence: String,
    /// What to do.
    pub advice: &'static str,
}

/// Judges a flood by what is known of it so far.
pub fn judge(flood: &Flood, trusted: &[Network]) -> Cause {
    let (hint, evidence) = if flood.scope() == Scope::UserIp {
        judge_clients(flood, trusted)
    } else {
        unknown(flood)
    };
    Cause {
        hint,
        evidence,
        advice: advice(&flood.seen.module, &flood.seen.limit, hint),
    }
}

fn judge_clients(flood: &Flood, trusted: &[Network]) -> (Hint, String) {
    let users = flood.seen.users.sketch.count().0;
    let ips = flood.seen.ips.sketch.count().0;
    if let Some(ip) = flood.seen.ips.only()
        && users >= MANY
    {
        let reason = if flood.seen.all_local {
            Some("the server's own address")
        } else if trusted.iter().any(|network| network.contains(*ip)) {
            Some("a trusted address")
        } else if is_private(*ip) {
            Some("a private address")
        } else {
            None
        };
        return match reason {
            Some(reason) => (
                Hint::WebmailOrProxy,
                say(&[
                    Number(users),
                    Text(" users behind "),
                    Text(&ip_text(*ip)),
                    Text(", "),
                    Text(reason),
                ]),
            ),
            None => (
                Hint::SharedAddress,
                say(&[
                    Number(users),
                    Text(" users behind the public address "),
                    Text(&ip_text(*ip)),
                ]),
            ),
        };
    }
    let networks = unrelated_networks(flood.seen.ips.iter());
    if users == 1 && ips >= MANY {
        // When the flood opens only one address has a name yet.
        if flood.seen.ips.iter().len() < UNRELATED {
            return (
                Hint::ManyAddresses,
                say(&[
                    Text("1 user from "),
                    Number(ips),
                    Text(" addresses or more"),
                ]),
            );
        }
        if networks >= UNRELATED {
            let evidence = say(&[
                Text("1 user from "),
                Number(ips),
                Text(" addresses in at least "),
                Number(networks as u64),
                Text(" unrelated networks"),
            ]);
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
    if pauses > 0 {
        // Both since it opened: what came before may have been spread in another way.
        let burst = flood.pace.events() as f64 / (pauses + 1) as f64;
        if pause_s >= MIN_PAUSE_S && FOLDERS.contains(&burst) {
            let bursts = pauses + 1;
            return (
                Hint::ManyFolders,
                say(&[
                    Number(bursts),
                    Text(" bursts of about "),
                    Number(rounded(burst, 1)),
                    Text(" attempts, "),
                    Number(rounded(pause_s, 1)),
                    Text(" s apart"),
                ]),
            );
        }
    }
    if let Some((mean, deviation)) = flood.pace.evenness() {
        let is_even = mean >= MIN_EVENTS_IN_SPAN && deviation <= EVEN;
        // So fast, nobody but a program tries, even where its rate changes.
        let is_rapid = mean >= RAPID_EVENTS_IN_SPAN && pauses == 0;
        if is_even || is_rapid {
            let (per_s, percent) = (mean / 10.0, deviation * 100.0);
            let hours = flood.pace.hours();
            let paused = say(&[Number(pauses), Text(" pauses")]);
            let user = match flood.seen.users.sketch.count().0 {
                0 => "no user named",
                _ => "1 user",
            };
            let evidence = say(&[
                Text(user),
                Text(", 1 address, "),
                Tenths(per_s),
                Text("/s (±"),
                Number(rounded(percent, 1)),
                Text(" % from one 10 s to the next), "),
                Text(if pauses == 0 {
                    "without a pause"
                } else {
                    &paused
                }),
                Text(", in "),
                Number(u64::from(hours)),
                Text(" of the day's 24 hours"),
            ]);
            return (Hint::RetryStorm, evidence);
        }
    }
    unknown(flood)
}

fn unknown(flood: &Flood) -> (Hint, String) {
    let seconds = flood.duration_ms() as f64 / 1_000.0;
    let events = flood.count;
    (
        Hint::Unknown,
        say(&[
            Number(events),
            Text(" events in "),
            Tenths(seconds),
            Text(" s, too few or too uneven for more"),
        ]),
    )
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
