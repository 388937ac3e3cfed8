//! Reads addresses and ports as logs have them; by hand, because every event has two of them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bytes::find;

/// The port that `text` is.
pub fn parse_port(text: &str) -> Option<u16> {
    // A parser for each width would be some hundred bytes of a guest each.
    text.parse::<u64>().ok()?.try_into().ok()
}

/// The address that `text` is, without brackets; a scope (`fe80::1%eth0`) is left out.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = |text| match strip_ipv4(text) {
        Some(([], ip)) => Some(IpAddr::V4(ip)),
        _ => parse_ipv6(text).map(IpAddr::V6),
    };
    let text = text.as_bytes();
    bare(text).or_else(|| bare(text.get(..find(text, b'%')?)?))
}

/// The address `1.2.3.4`, without leading zeros, at the end of `text`, and what comes before it.
#[inline]
pub(crate) fn strip_ipv4(text: &[u8]) -> Option<(&[u8], Ipv4Addr)> {
    let (rest, fourth) = strip_octet(text)?;
    let (rest, third) = strip_octet(strip_dot(rest)?)?;
    let (rest, second) = strip_octet(strip_dot(rest)?)?;
    let (rest, first) = strip_octet(strip_dot(rest)?)?;
    let ip = first << 24 | second << 16 | third << 8 | fourth;
    Some((rest, Ipv4Addr::from_bits(ip)))
}

#[inline(always)]
fn strip_dot(text: &[u8]) -> Option<&[u8]> {
    match text {
        [rest @ .., b'.'] => Some(rest),
        _ => None,
    }
}

#[inline(always)]
fn strip_octet(text: &[u8]) -> Option<(&[u8], u32)> {
    let (mut rest, ones) = strip_digit(text)?;
    let mut octet = ones;
    if let Some((before, tens)) = strip_digit(rest) {
        let (mut first, mut hundreds) = (tens, 0);
        rest = before;
        if let Some((before, digit)) = strip_digit(rest) {
            (first, hundreds) = (digit, digit);
            rest = before;
        }
        octet += tens * 10 + hundreds * 100;
        if first == 0 || octet > 255 {
            return None;
        }
    }
    Some((rest, octet))
}

#[inline(always)]
fn strip_digit(text: &[u8]) -> Option<(&[u8], u32)> {
    let (last, rest) = text.split_last()?;
    let digit = last.wrapping_sub(b'0');
    (digit < 10).then_some((rest, u32::from(digit)))
}

/// Groups of hexadecimal digits with `::` once at most; the last two may be an IPv4 address.
fn parse_ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let (text, last, last_len) = match strip_ipv4(text) {
        Some((rest, ip)) if rest.ends_with(b"::") => (rest, u128::from(ip.to_bits()), 2),
        Some(([rest @ .., b':'], ip)) => (rest, u128::from(ip.to_bits()), 2),
        _ => (text, 0, 0),
    };
    let (head, head_len, rest) = read_groups(text);
    let bits = match rest {
        [] if head_len + last_len == 8 => head << (16 * last_len),
        [b':', b':', rest @ ..] => {
            let (tail, tail_len, rest) = read_groups(rest);
            if !rest.is_empty() || head_len + tail_len + last_len > 7 {
                return None;
            }
            head.checked_shl(128 - 16 * head_len).unwrap_or(0) | tail << (16 * last_len)
        }
        _ => return None,
    };
    Some(Ipv6Addr::from_bits(bits | last))
}

/// The groups at the start of `text`, at most eight, how many there are, and what follows them.
fn read_groups(text: &[u8]) -> (u128, u32, &[u8]) {
    let (mut bits, mut count) = (0, 0);
    let (mut rest, mut next) = (text, text);
    while count < 8
        && let Some((group, after)) = read_group(next)
    {
        bits = bits << 16 | u128::from(group);
        count += 1;
        rest = after;
        let [b':', following @ ..] = rest else { break };
        next = following;
    }
    (bits, count, rest)
}

/// One to four hexadecimal digits.
#[inline]
fn read_group(text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut group, mut rest) = (0, text);
    while let Some((&byte, after)) = rest.split_first()
        && let Some(digit) = char::from(byte).to_digit(16)
    {
        group = group << 4 | digit;
        rest = after;
        if text.len() - rest.len() == 4 {
            break;
        }
    }
    (rest.len() < text.len()).then_some((group, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str) {
        let expected = text.parse().ok();
        assert_eq!(parse_ip(text), expected, "{text}");
    }

    #[test]
    fn addresses_and_what_is_none() {
        let texts = "|.|:|::|:::|::1|1::|1:|:1|::1:|2001:db8::17|2001:DB8:0:0:1::|1:2:3:4:5:6:7:8|\
                     1:2:3:4:5:6:7::|::2:3:4:5:6:7:8|1::2:3:4:5:6:7:8|1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|\
                     1::2::3|12345::|::ffff:203.0.113.9|0.0.0.0|255.255.255.255|256.0.0.1|1.2.3|1.2.3.4.5|\
                     01.2.3.4|1.2.3.00|1.2.3.1234|XXX.xxx.XXX.xxx";
        for text in texts.split('|') {
            check(text);
        }
        assert_eq!(parse_ip("fe80::1%eth0"), "fe80::1".parse().ok());
    }

    proptest! {
        #[test]
        fn reads_what_core_reads(
            text in "[0-9.]{1,16}|([0-9]{1,3}\\.){3}[0-9]{1,3}|([0-9a-fA-F]{0,5}:){1,9}[0-9a-f]{0,4}",
            v4 in any::<u32>(),
            groups in prop::array::uniform8(prop_oneof![Just(0u16), any::<u16>()]),
        ) {
            check(&text);
            check(&Ipv4Addr::from_bits(v4).to_string());
            check(&Ipv6Addr::from(groups).to_string());
        }
    }
}
