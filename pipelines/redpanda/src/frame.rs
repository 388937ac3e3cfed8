//! Reads and writes records as the host frames them: key, value, number of headers, headers (name and value each). Keys
//! and values stand behind their length, −1 being null; every number is a zigzag varint.

use core::ops::Range;

/// Where a record's value lies.
pub(crate) struct Value {
    /// From the start of its length: what is before is the key.
    pub length_at: usize,
    /// Its bytes; what is behind them are the headers.
    pub bytes: Range<usize>,
}

/// The value of a record; `None` if it is null or the record is broken.
#[inline]
pub(crate) fn value(record: &[u8]) -> Option<Value> {
    let length_at = match number(record, 0)? {
        (len, start) if len > 0 => start.checked_add(usize::try_from(len).ok()?)?,
        (_, start) => start,
    };
    let (len, start) = number(record, length_at)?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    let bytes = start..end;
    record.get(bytes.clone())?;
    Some(Value { length_at, bytes })
}

/// The number at a place, and the place behind it.
#[inline]
fn number(record: &[u8], mut at: usize) -> Option<(i64, usize)> {
    let (mut bits, mut shift) = (0_u64, 0);
    while shift < 64 {
        let byte = *record.get(at)?;
        at += 1;
        bits |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(((bits >> 1) as i64 ^ -((bits & 1) as i64), at));
        }
        shift += 7;
    }
    None
}

/// Appends a number that is not negative.
pub(crate) fn push_number(out: &mut Vec<u8>, number: usize) {
    let mut bits = (number as u64) << 1;
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

/// Appends bytes behind their length.
pub(crate) fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the record with another value: key and headers stay.
pub(crate) fn replace(out: &mut Vec<u8>, record: &[u8], old: &Value, new: &[u8]) {
    out.extend_from_slice(record.get(..old.length_at).unwrap_or_default());
    push_sized(out, new);
    out.extend_from_slice(record.get(old.bytes.end..).unwrap_or_default());
}

/// Appends a record of our own: a key (null if there is none), a value and one header.
pub(crate) fn push_record(
    out: &mut Vec<u8>,
    key: Option<&[u8]>,
    value: &[u8],
    header: (&str, &str),
) {
    match key {
        Some(key) => push_sized(out, key),
        // −1 in zigzag.
        None => out.push(1),
    }
    push_sized(out, value);
    push_number(out, 1);
    push_sized(out, header.0.as_bytes());
    push_sized(out, header.1.as_bytes());
}
