//! Reads durations and networks as people write them.

use alloc::string::{String, ToString};
use core::net::IpAddr;

use super::{Network, Problem};
use crate::ip::parse_ip;
use crate::sentence::Part::{Number, Text};
use crate::sentence::say;
use crate::text::{UNITS, ip_text};

/// `5s`, `250ms`, `1h30m` in ms.
pub(super) fn parse_duration(text: &str) -> Result<i64, Problem> {
    parse_units(text).map_err(|problem| problem(text.to_string()))
}

fn parse_units(text: &str) -> Result<i64, fn(String) -> Problem> {
    const FORM: fn(String) -> Problem = Problem::DurationForm;
    const DIGITS: fn(String) -> Problem = Problem::DurationDigits;
    let mut rest = text;
    let mut total: i64 = 0;
    let mut last_size = i64::MAX;
    loop {
        let (number, after) = split_at_first(rest, |b| !b.is_ascii_digit());
        let (unit, after) = split_at_first(after, |b| b.is_ascii_digit());
        let size = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, size)| *size)
            .ok_or(FORM)?;
        if number.is_empty() || size >= last_size {
            return Err(FORM);
        }
        // All that is left to go wrong with digits alone is that they are too many.
        let number: u64 = number.parse().map_err(|_| DIGITS)?;
        total = i64::try_from(number)
            .map_err(|_| DIGITS)?
            .checked_mul(size)
            .and_then(|ms| total.checked_add(ms))
            .ok_or(DIGITS)?;
        if after.is_empty() {
            return Ok(total);
        }
        last_size = size;
        rest = after;
    }
}

/// `10.0.0.0/8`, `2001:db8::/32` or a single address.
pub(super) fn parse_network(text: &str) -> Result<Network, Problem> {
    let no_network = || Problem::Network(text.to_string());
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address = match parse_ip(address) {
        Some(ip) if !address.contains('%') => ip,
        _ => return Err(no_network()),
    };
    let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => bits,
        // A sign or blanks would be taken by `parse`, but nobody means them.
        Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
            let prefix: u64 = prefix.parse().map_err(|_| no_network())?;
            let most = u64::from(bits);
            if prefix > most {
                return Err(Problem::Prefix { prefix, most });
            }
            prefix as u8
        }
        Some(_) => return Err(no_network()),
    };
    // Addresses are compared as what they are, so an IPv4 network in IPv6's clothes is one of IPv4.
    let (address, prefix) = match (address, address.to_canonical()) {
        (IpAddr::V6(_), ip @ IpAddr::V4(_)) if prefix >= 96 => (ip, prefix - 96),
        _ => (address, prefix),
    };
    let start = network_start(address, prefix);
    if start != address {
        return Err(Problem::InsideNetwork {
            address,
            start,
            prefix,
        });
    }
    Ok(Network { address, prefix })
}

/// A network as [`parse_network`] reads it.
pub(super) fn network_text(network: &Network) -> String {
    let whole = if network.address.is_ipv4() { 32 } else { 128 };
    let form = if network.prefix == whole {
        "%0"
    } else {
        "%0/%1"
    };
    say(
        form,
        &[
            Text(&ip_text(network.address)),
            Number(u64::from(network.prefix)),
        ],
    )
}

/// The first address of the network of that length around `address`.
fn network_start(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(ip) => {
            let host_bits = 32u32.saturating_sub(prefix.into());
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let host_bits = 128u32.saturating_sub(prefix.into());
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

/// The first character that an encoder of JSON may write as an escape: a search over raw JSON for text
/// with such a character would miss records. Which encoders escape what: every one the control
/// characters, `"` and `\`; PHP `/`; Go and Ruby on Rails `<`, `>`, `&`; Gson `=` and `'`; .NET `+`,
/// the backtick and everything beyond ASCII, as Python does.
pub(super) fn escapable(text: &str) -> Option<char> {
    text.chars()
        .find(|c| !matches!(c, ' '..='~') || "\"\\/<>&='+`".contains(*c))
}

fn split_at_first(text: &str, stop: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(stop).unwrap_or(text.len());
    // Digits are ASCII, so both sides of one are character boundaries; were they not, nothing would parse.
    text.split_at_checked(end).unwrap_or(("", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::duration_text;

    #[test]
    fn durations_are_read_as_written() {
        for (text, ms) in [
            ("0s", 0),
            ("250ms", 250),
            ("5s", 5_000),
            ("1m", 60_000),
            ("60s", 60_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1d2h3m4s5ms", 93_784_005),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
            assert_eq!(parse_duration(&duration_text(ms)), Ok(ms), "{text}");
        }
        for text in "|5|s|5 s|5S|-5s|1.5s|30m1h|1s1s|5s |é|9999999999999d".split('|') {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_start_where_they_say() {
        for text in "10.0.0.0/8|192.0.2.7|0.0.0.0/0|2001:db8::/32|::/0|::1".split('|') {
            let network = parse_network(text).expect(text);
            assert_eq!(network_text(&network), text);
        }
        for (text, shown) in [
            ("192.0.2.7/32", "192.0.2.7"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ] {
            let network = parse_network(text).expect(text);
            assert_eq!(network_text(&network), shown);
        }
        for text in "|/8|10.0.0.0/33|10.0.0.0/+8|10.0.0.0/|10.0.0/8|::/129|example.org|10.1.2.3/8"
            .split('|')
        {
            assert!(parse_network(text).is_err(), "{text}");
        }
    }
}
