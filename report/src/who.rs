//! Says who is refused, in words.

use crate::words::{counted, grouped, rate};
use crate::written::{Distinct, Flood};
use crate::zone::Zone;

/// The length of a hash that stands for a user's name.
const HASH_CHARS: usize = 64;

/// A user's name; of a hash, its begin.
pub fn short(name: &str) -> String {
    let is_hash = name.len() == HASH_CHARS && name.bytes().all(|it| it.is_ascii_hexdigit());
    match name.get(..12) {
        Some(begin) if is_hash => format!("user {begin}"),
        _ => name.to_string(),
    }
}

/// Whether a limit of that scope leaves no client to name.
fn is_full(scope: &str) -> bool {
    matches!(scope, "service" | "process")
}

/// `bob from 192.0.2.7 on mail`, `about 33 users`, `imap-login`.
pub fn who(flood: &Flood) -> String {
    let of = |distinct: &Distinct, one: &str, many: &str| match distinct.count {
        0 => None,
        1 if distinct.names.len() == 1 => distinct.names.first().map(|name| short(name)),
        count => {
            let about = if distinct.is_estimate { "about " } else { "" };
            Some(format!("{about}{}", counted(count, one, many)))
        }
    };
    let claimed = flood.stage.as_deref() == Some("before-auth");
    let user = match claimed {
        // Before they are known, users are what clients say.
        true => None,
        false => of(&flood.users, "user", "users"),
    };
    let ip = of(&flood.ips, "address", "addresses");
    let who = match (user, ip) {
        _ if is_full(&flood.scope) => service(flood),
        (Some(user), Some(ip)) => format!("{user} from {ip}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => service(flood),
    };
    let host = of(&flood.hosts, "host", "hosts");
    let host = host.map_or(String::new(), |host| format!(" on {host}"));
    format!("{who}{host}")
}

fn service(flood: &Flood) -> String {
    flood
        .service
        .clone()
        .unwrap_or_else(|| flood.server.clone())
}

/// `imap-login (mail_max_userip_connections=10)`.
pub fn by(flood: &Flood) -> String {
    let value = flood.limit_value;
    let value = value.map_or(String::new(), |value| format!("={value}"));
    format!("{} ({}{value})", service(flood), flood.limit)
}

/// How often, when and how fast.
pub fn times(flood: &Flood, zone: &Zone) -> String {
    let times = match flood.count {
        1 => "once".to_string(),
        count => format!("{} times", grouped(count)),
    };
    let when = zone.from_until(zone.show_ms(flood.start), zone.show_ms(flood.end));
    format!(
        "{times} by {}, {when}, {} a second",
        by(flood),
        rate(flood.rate.mean)
    )
}

/// Who was refused how often, by what, when and how fast.
pub fn sentence(flood: &Flood, zone: &Zone) -> String {
    let (who, times) = (who(flood), times(flood, zone));
    let claimed = flood.stage.as_deref() == Some("before-auth");
    let users = if claimed { 0 } else { flood.users.count };
    match (users, flood.ips.count) {
        (0, 0) => format!("{who} was at its limit {times}."),
        _ if is_full(&flood.scope) => format!("{who} was at its limit {times}."),
        (1, _) | (0, 1) => format!("{who} was refused {times}."),
        _ => format!("{who} were refused {times}."),
    }
}
