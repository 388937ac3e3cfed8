//! Writes JSON into a buffer that the caller keeps.
//!
//! The writer knows one thing about where it is: whether a comma is due. So it costs no stack, and
//! its caller is trusted to close what it opened.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Writes one compact JSON document at the end of a buffer.
///
/// ```
/// use maxconn_records::json::write::Writer;
/// let mut out = Vec::new();
/// let mut json = Writer::new(&mut out);
/// json.begin_object();
/// json.key("count");
/// json.uint(3);
/// json.end_object();
/// assert_eq!(out, br#"{"count":3}"#);
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    comma_due: bool,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`; the first value gets no comma.
    pub fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer {
            out,
            comma_due: false,
        }
    }

    /// A writer that goes on inside an object or array that has members already.
    pub fn after_member(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer {
            out,
            comma_due: true,
        }
    }

    /// Opens an object.
    pub fn begin_object(&mut self) {
        self.open(b'{');
    }

    /// Closes an object.
    pub fn end_object(&mut self) {
        self.close(b'}');
    }

    /// Opens an array.
    pub fn begin_array(&mut self) {
        self.open(b'[');
    }

    /// Closes an array.
    pub fn end_array(&mut self) {
        self.close(b']');
    }

    /// The key of the member whose value comes next.
    pub fn key(&mut self, key: &str) {
        self.separate();
        push_string(self.out, key.as_bytes());
        self.out.push(b':');
        self.comma_due = false;
    }

    /// A key that is known to need no escape: as [`Writer::key`], but without a look at its bytes.
    pub fn plain_key(&mut self, key: &'static str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.comma_due = false;
    }

    /// A string, escaped as needed.
    pub fn string(&mut self, value: &str) {
        self.separate();
        push_string(self.out, value.as_bytes());
    }

    /// An address as a string.
    pub fn ip(&mut self, ip: IpAddr) {
        self.separate();
        self.out.push(b'"');
        push_ip(self.out, ip);
        self.out.push(b'"');
    }

    /// A time in ms since the Unix epoch as a string, as `@timestamp` has it.
    pub fn time(&mut self, time_ms: i64) {
        self.separate();
        self.out.push(b'"');
        crate::time::write_rfc3339_ms(time_ms, self.out);
        self.out.push(b'"');
    }

    /// A 128-bit number as a string of 32 hexadecimal digits: the form of our ids.
    pub fn hex(&mut self, value: u128) {
        self.separate();
        self.out.push(b'"');
        for byte in value.to_be_bytes() {
            self.out
                .extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte)]);
        }
        self.out.push(b'"');
    }

    /// A signed integer.
    pub fn int(&mut self, value: i64) {
        self.separate();
        if value < 0 {
            self.out.push(b'-');
        }
        push_uint(self.out, value.unsigned_abs());
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) {
        self.separate();
        push_uint(self.out, value);
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, json: &[u8]) {
        self.separate();
        self.out.extend_from_slice(json);
    }

    /// Writes the comma if one is due; a value follows, after which one is.
    #[inline]
    fn separate(&mut self) {
        if self.comma_due {
            self.out.push(b',');
        }
        self.comma_due = true;
    }

    fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma_due = false;
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.comma_due = true;
    }
}

/// Appends `text` in quotes, escaped. `text` is taken to be UTF-8.
pub fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` escaped for the inside of a JSON string. `text` is taken to be UTF-8.
///
/// Clean runs are copied in bulk; eight bytes are judged at a time, for most text needs no escape.
pub fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        let clean = clean_prefix(rest);
        let (run, tail) = rest.split_at(clean);
        out.extend_from_slice(run);
        let Some((&byte, tail)) = tail.split_first() else {
            return;
        };
        push_escape(out, byte);
        rest = tail;
    }
}

/// Appends an address as `core` shows it. By hand, for nearly every event has two of them, and `fmt` is
/// slow and large.
pub fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => push_ipv4(out, ip),
        IpAddr::V6(ip) => push_ipv6(out, ip),
    }
}

fn push_ipv4(out: &mut Vec<u8>, ip: Ipv4Addr) {
    // Put together in one place, for an event that goes on has four of these.
    let mut text = [b'.'; 16];
    let mut len = 0;
    for octet in ip.octets() {
        let mut put = |digit: u8| {
            text[len % 16] = b'0' + digit;
            len += 1;
        };
        if octet >= 100 {
            put(octet / 100);
        }
        if octet >= 10 {
            put(octet / 10 % 10);
        }
        put(octet % 10);
        // The dot is there.
        len += 1;
    }
    out.extend_from_slice(text.get(..len - 1).unwrap_or_default());
}

/// The canonical form of RFC 5952.
#[inline(never)]
fn push_ipv6(out: &mut Vec<u8>, ip: Ipv6Addr) {
    if let Some(ip) = ip.to_ipv4_mapped() {
        out.extend_from_slice(b"::ffff:");
        return push_ipv4(out, ip);
    }
    let groups = ip.segments();
    // The longest run of two or more zero groups, of equals the first.
    let (mut gap_start, mut gap_len, mut run) = (groups.len(), 1, 0);
    for (index, group) in groups.iter().enumerate() {
        run = if *group == 0 { run + 1 } else { 0 };
        if run > gap_len {
            (gap_start, gap_len) = (index + 1 - run, run);
        }
    }
    for (index, group) in groups.into_iter().enumerate() {
        if index == gap_start {
            out.extend_from_slice(b"::");
        }
        if (gap_start..gap_start + gap_len).contains(&index) {
            continue;
        }
        if index > 0 && index != gap_start + gap_len {
            out.push(b':');
        }
        let mut shift = 12;
        while shift > 0 && group >> shift == 0 {
            shift -= 4;
        }
        for shift in (0..=shift).rev().step_by(4) {
            out.push(hex_digit((group >> shift) as u8));
        }
    }
}

/// Appends the decimal digits of `value`.
pub fn push_uint(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut count = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
        count += 1;
        if value == 0 {
            break;
        }
    }
    if let Some(written) = digits.get(digits.len() - count..) {
        out.extend_from_slice(written);
    }
}

/// How many bytes at the start of `text` need no escape in a JSON string.
pub fn clean_prefix(text: &[u8]) -> usize {
    let mut clean = 0;
    let (words, tail) = text.as_chunks();
    for word in words {
        let hits = special_bytes(u64::from_le_bytes(*word));
        if hits != 0 {
            return clean + (hits.trailing_zeros() / 8) as usize;
        }
        clean += 8;
    }
    // What is left over is the end of the last eight bytes, most often clean as well.
    if let Some(last) = text.last_chunk::<8>()
        && special_bytes(u64::from_le_bytes(*last)) == 0
    {
        return text.len();
    }
    clean
        + tail
            .iter()
            .position(|&byte| is_special(byte))
            .unwrap_or(tail.len())
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is a quote, a backslash or a control character. Borrows may mark
/// bytes above a true hit as well, never one below: the lowest mark is exact.
#[inline]
pub(super) fn special_bytes(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGHS
}

/// Whether sixteen bytes may hold one that is a quote, a backslash or a control character. Less work than
/// [`special_bytes`], and says yes of bytes beyond ASCII, too.
#[inline]
pub(super) fn may_hold_special(pair: &[u8; 16]) -> bool {
    let (words, _) = pair.as_chunks::<8>();
    let marks = words.iter().fold(0, |marks, word| {
        let word = u64::from_le_bytes(*word);
        let quotes = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
        let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
        marks | quotes | backslashes | word.wrapping_sub(ONES * 0x20)
    });
    marks & HIGHS != 0
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// The digit of the lower four bits.
pub(crate) fn hex_digit(value: u8) -> u8 {
    match value & 15 {
        digit @ 0..=9 => b'0' + digit,
        letter => b'a' + (letter - 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    #[test]
    fn puts_commas_where_they_belong() {
        let mut out = Vec::new();
        let mut json = Writer::new(&mut out);
        json.begin_object();
        json.key("a");
        json.begin_array();
        json.int(i64::MIN);
        json.uint(u64::MAX);
        json.begin_array();
        json.end_array();
        json.bool(true);
        json.end_array();
        json.key("b");
        json.begin_object();
        json.end_object();
        json.key("c\n");
        json.raw(b"null");
        json.key("d");
        json.begin_array();
        json.ip(core::net::Ipv6Addr::LOCALHOST.into());
        json.ip(core::net::Ipv4Addr::new(192, 0, 2, 10).into());
        json.hex(0xabc);
        json.end_array();
        json.plain_key("e");
        json.string("x");
        json.end_object();
        assert_eq!(
            core::str::from_utf8(&out),
            Ok(
                "{\"a\":[-9223372036854775808,18446744073709551615,[],true],\
                \"b\":{},\"c\\n\":null,\"d\":[\"::1\",\"192.0.2.10\",\"00000000000000000000000000000abc\"],\"e\":\"x\"}"
            )
        );
    }

    #[test]
    fn no_special_byte_is_overlooked() {
        for around in [b'x', 0, b'!', b'#', b'[', b']', b'~'] {
            for at in 0..16 {
                for byte in 0..=u8::MAX {
                    let mut pair = [around; 16];
                    pair[at] = byte;
                    if pair.iter().any(|byte| is_special(*byte)) {
                        assert!(may_hold_special(&pair), "{byte} at {at} among {around}");
                    }
                }
            }
        }
        assert!(!may_hold_special(b"Maximum number !"));
    }

    proptest! {
        #[test]
        fn strings_come_back(text in any::<String>(), control in "[\\x00-\\x7f]{0,40}") {
            for text in [text, control] {
                let mut out = Vec::new();
                Writer::new(&mut out).string(&text);
                prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            }
        }

        #[test]
        fn numbers_come_back(uint in any::<u64>(), int in any::<i64>()) {
            let mut out = Vec::new();
            let mut json = Writer::new(&mut out);
            json.begin_array();
            json.uint(uint);
            json.int(int);
            json.end_array();
            prop_assert_eq!(serde_json::from_slice::<(u64, i64)>(&out).unwrap(), (uint, int));
        }

        #[test]
        fn addresses_look_as_core_shows_them(groups in prop::collection::vec(prop_oneof![3 => Just(0), 1 => any::<u16>(), 1 => Just(0xffff)], 8)) {
            let groups: [u16; 8] = groups.try_into().unwrap();
            for ip in [IpAddr::from(groups), IpAddr::from(Ipv4Addr::from_bits(u32::from(groups[0])))] {
                let mut out = Vec::new();
                push_ip(&mut out, ip);
                prop_assert_eq!(String::from_utf8(out).unwrap(), alloc::format!("{ip}"));
            }
        }
    }
}
