//! Writes numbers, addresses, durations and names as text, for documents and sentences. Fractions are written in integer arithmetic:
//! `core::fmt` would bring 15 KB of code and tables for floats into every guest.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::json::write::{push_ip, push_uint};

/// `value` times `scale`, rounded to a whole number as `format!` rounds: exactly, and ties to even.
/// Negative values and what is not a number count as nought; `scale` is at most 1000.
pub(crate) fn rounded(value: f64, scale: u64) -> u64 {
    const FRACTION_BITS: u64 = 52;
    if value.is_nan() || value <= 0.0 {
        return 0;
    }
    let bits = value.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let biased = bits >> FRACTION_BITS;
    let mantissa = fraction | u64::from(biased != 0) << FRACTION_BITS;
    // At most 53 bits times ten bits.
    let product = mantissa * scale;
    if biased >= 1075 {
        let shift = u32::try_from(biased - 1075).unwrap_or(u32::MAX);
        return if shift <= product.leading_zeros() {
            product << shift
        } else {
            u64::MAX
        };
    }
    let shift = 1075 - biased.max(1);
    if shift > 63 {
        return 0;
    }
    let whole = product >> shift;
    let rest = product & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    whole + u64::from(rest > half || (rest == half && whole % 2 == 1))
}

/// Appends a number of tenths with its one decimal.
pub(crate) fn push_tenths(out: &mut String, tenths: u64) {
    push_number(out, tenths / 10);
    out.push('.');
    push_number(out, tenths % 10);
}

/// Appends a whole number.
#[inline(never)]
pub(crate) fn push_number(out: &mut String, number: u64) {
    let mut digits = Vec::with_capacity(20);
    push_uint(&mut digits, number);
    out.push_str(core::str::from_utf8(&digits).unwrap_or_default());
}

/// A number of hundredths with as many decimals as it needs.
#[inline(never)]
pub(crate) fn hundredths_text(hundredths: u64) -> String {
    let mut text = String::with_capacity(24);
    push_number(&mut text, hundredths / 100);
    let rest = hundredths % 100;
    if rest > 0 {
        text.push('.');
        push_number(&mut text, rest / 10);
        if !rest.is_multiple_of(10) {
            push_number(&mut text, rest % 10);
        }
    }
    text
}

/// The units of durations in ms, the largest first.
pub(crate) const UNITS: [(&str, i64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A length of time in ms as the configuration has it: `90_000` is `1m30s`.
#[inline(never)]
pub(crate) fn duration_text(ms: i64) -> String {
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

/// An address as text.
#[inline(never)]
pub(crate) fn ip_text(ip: IpAddr) -> String {
    let mut text = Vec::with_capacity(48);
    push_ip(&mut text, ip);
    String::from_utf8(text).unwrap_or_default()
}

#[inline(never)]
pub(crate) fn append(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

/// The first `max_bytes` bytes of a text, cut at a character's edge.
pub(crate) fn clip(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

pub(crate) fn clipped(text: &str, max_bytes: usize) -> String {
    String::from(clip(text, max_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounds_as_format_does(count in 0_u64..100_000_000, divisor in 1_u64..100_000) {
            for value in [count as f64 / divisor as f64, count as f64 / 8.0, count as f64 / 20.0] {
                prop_assert_eq!(format!("{}", rounded(value, 1)), format!("{value:.0}"));
                let mut tenths = String::new();
                push_tenths(&mut tenths, rounded(value, 10));
                prop_assert_eq!(tenths, format!("{value:.1}"));
                let hundredths = libm::round(value * 100.0);
                prop_assert_eq!(hundredths_text(hundredths as u64), format!("{}", hundredths / 100.0));
            }
        }
    }

    #[test]
    fn takes_any_float() {
        for (value, expected) in [
            (0.0, 0),
            (-1.5, 0),
            (f64::NAN, 0),
            (f64::INFINITY, u64::MAX),
            (f64::MAX, u64::MAX),
            (f64::MIN_POSITIVE, 0),
            (5e-324, 0),
            (0.05, 1),
            (0.25, 2),
            (0.35, 3),
            (0.75, 8),
            (9.007_199_254_740_992e15, 90_071_992_547_409_920),
        ] {
            assert_eq!(rounded(value, 10), expected, "{value}");
        }
    }
}
