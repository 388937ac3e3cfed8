//! Durations and networks as people write them.

use alloc::string::String;
use core::net::IpAddr;

use super::Network;
use crate::ip::parse_ip;
use crate::sentence::Part::{Number, Quoted, Text};
use crate::sentence::say;
use crate::text::{ip_text, push_number};

/// The units of durations, the largest first.
const UNITS: [(&str, i64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// `5s`, `250ms`, `1h30m` in ms. The error is the mend.
pub(super) fn parse_duration(text: &str) -> Result<i64, &'static str> {
    const FORM: &str =
        "write whole numbers with the units d, h, m, s or ms, the largest first, e.g. \"1h30m\"";
    const SIZE: &str = "write a smaller number with a larger unit, e.g. \"7d\"";
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
        let number: u64 = number.parse().map_err(|_| SIZE)?;
        total = i64::try_from(number)
            .map_err(|_| SIZE)?
            .checked_mul(size)
            .and_then(|ms| total.checked_add(ms))
            .ok_or(SIZE)?;
        if after.is_empty() {
            return Ok(total);
        }
        last_size = size;
        rest = after;
    }
}

/// A duration as [`parse_duration`] reads it: `90_000` is `1m30s`.
pub(super) fn duration_text(ms: i64) -> String {
    let mut text = String::new();
    let mut rest = ms.max(0);
    for (unit, size) in UNITS {
        if rest >= size {
            push_number(&mut text, (rest / size) as u64);
            text.push_str(unit);
            rest %= size;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// `10.0.0.0/8`, `2001:db8::/32` or a single address. The error is problem and mend.
pub(super) fn parse_network(text: &str) -> Result<Network, (String, String)> {
    let no_network = || {
        let mend = String::from("write an address or a network in CIDR form, e.g. \"10.0.0.0/8\"");
        (say(&[Quoted(text), Text(" is no network")]), mend)
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address = match parse_ip(address) {
        Some(ip) if !address.contains('%') => ip,
        _ => return Err(no_network()),
    };
    let bits: u64 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => bits as u8,
        // A sign or blanks would be taken by `parse`, but nobody means them.
        Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
            let prefix: u64 = prefix.parse().map_err(|_| no_network())?;
            if prefix > bits {
                let problem = say(&[
                    Text("/"),
                    Number(prefix),
                    Text(" is longer than the address"),
                ]);
                return Err((problem, say(&[Text("write /0 to /"), Number(bits)])));
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
        let (start, address) = (ip_text(start), ip_text(address));
        let prefix = Number(u64::from(prefix));
        let problem = say(&[
            Text(&address),
            Text(" lies inside the network /"),
            prefix,
            Text(", it does not start it"),
        ]);
        let mend = say(&[
            Text("write \""),
            Text(&start),
            Text("/"),
            prefix,
            Text("\", or \""),
            Text(&address),
            Text("\" for the one address"),
        ]);
        return Err((problem, mend));
    }
    Ok(Network { address, prefix })
}

/// A network as [`parse_network`] reads it.
pub(super) fn network_text(network: &Network) -> String {
    let whole = if network.address.is_ipv4() { 32 } else { 128 };
    let address = ip_text(network.address);
    if network.prefix == whole {
        address
    } else {
        say(&[Text(&address), Text("/"), Number(u64::from(network.prefix))])
    }
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
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "5S",
            "-5s",
            "1.5s",
            "30m1h",
            "1s1s",
            "5s ",
            "é",
            "9999999999999d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_start_where_they_say() {
        for text in [
            "10.0.0.0/8",
            "192.0.2.7",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::/0",
            "::1",
        ] {
            let network = parse_network(text).expect(text);
            assert_eq!(network_text(&network), text);
        }
        assert_eq!(
            parse_network("192.0.2.7/32").map(|n| network_text(&n)),
            Ok("192.0.2.7".into())
        );
        assert_eq!(
            parse_network("::ffff:203.0.113.0/120").map(|n| network_text(&n)),
            Ok("203.0.113.0/24".into())
        );
        let (_, mend) = parse_network("10.1.2.3/8").expect_err("host bits are set");
        assert_eq!(
            mend,
            "write \"10.0.0.0/8\", or \"10.1.2.3\" for the one address"
        );
        for text in [
            "",
            "/8",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0/8",
            "::/129",
            "example.org",
        ] {
            assert!(parse_network(text).is_err(), "{text}");
        }
    }
}
