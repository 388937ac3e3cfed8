//! JSON: reading it, and what Fluent Bit's parser takes of what its encoder writes.

use arbitrary::Unstructured;
use maxconn_core::json::scan;
use maxconn_core::json::string::{decode, decode_byte_array};
use maxconn_core::json::value::Value;
use maxconn_core::json::write::push_string;
use maxconn_fluent_bit_json::{ROUTE, first_quote, may_go_back, mend};

use crate::document::is_object;

/// How deep what the encoder is given nests.
const DEPTH_MAX: u32 = 6;

pub fn run(data: &[u8]) {
    any_bytes(data);
    let mut written = Vec::new();
    let u = &mut Unstructured::new(data);
    map(u, DEPTH_MAX, &mut written);
    encoded(&written);
}

/// Bytes of anybody.
fn any_bytes(data: &[u8]) {
    let shown = String::from_utf8_lossy(data);
    let is_one = is_object(data);
    assert_eq!(
        scan::is_object(data),
        is_one,
        "another reader says {is_one}: {shown}"
    );
    if let Ok(text) = serde_json::from_slice::<String>(data) {
        let raw = data.trim_ascii();
        let raw = raw.get(1..raw.len() - 1).unwrap_or_default();
        assert_eq!(decode(raw), text, "{shown}");
    }
    let _ = decode(data);
    let _ = decode_byte_array(data);
    if is_one && std::str::from_utf8(data).is_ok() {
        assert!(Value::parse(data).is_ok(), "{shown}");
    }
    may_go_back(data, first_quote);
    mended(data);
}

/// Mends it if it can; what is mended is JSON without a route, and what needs no mending stays.
fn mended(data: &[u8]) -> bool {
    let shown = String::from_utf8_lossy(data);
    let mut out = b"kept".to_vec();
    let is_repaired = mend(data, &mut out);
    let (kept, repaired) = out.split_at(4);
    assert_eq!(kept, b"kept", "{shown}");
    if !is_repaired {
        assert!(repaired.is_empty(), "{shown}");
        return false;
    }
    assert!(
        is_object(repaired),
        "{shown} became {}",
        String::from_utf8_lossy(repaired)
    );
    assert!(!has_route(repaired), "{shown}");
    let mut again = Vec::new();
    assert!(mend(repaired, &mut again) && again == repaired, "{shown}");
    true
}

/// What the encoder wrote.
fn encoded(written: &[u8]) {
    let shown = String::from_utf8_lossy(written);
    let is_valid = serde_json::from_slice::<serde_json::Value>(written).is_ok();
    if may_go_back(written, first_quote) {
        assert!(is_valid, "another reader does not take it: {shown}");
        assert!(!has_route(written), "{shown}");
    }
    let is_mended = mended(written);
    if is_valid {
        let mut out = Vec::new();
        assert!(is_mended && mend(written, &mut out), "{shown}");
        assert!(has_route(written) || out == written, "{shown}");
    }
}

fn has_route(record: &[u8]) -> bool {
    let record = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(record);
    record.is_ok_and(|record| record.contains_key(ROUTE))
}

/// What the encoder makes of a map.
fn map(u: &mut Unstructured<'_>, depth: u32, out: &mut Vec<u8>) {
    out.push(b'{');
    members(u, depth, out, |u, depth, out| {
        match u.arbitrary().unwrap_or(0_u8) % 12 {
            0 => bare(u, out),
            1 => value(u, depth, out),
            _ => text(u, out),
        }
        out.push(b':');
        value(u, depth, out);
    });
    out.push(b'}');
}

fn members(
    u: &mut Unstructured<'_>,
    depth: u32,
    out: &mut Vec<u8>,
    one: fn(&mut Unstructured<'_>, u32, &mut Vec<u8>),
) {
    for index in 0..u.arbitrary().unwrap_or(0_u8) % 5 {
        if index > 0 {
            // With a space and without: encoders differ in that.
            out.extend_from_slice(if index % 2 == 1 { b", " } else { b"," });
        }
        one(u, depth.saturating_sub(1), out);
    }
}

fn value(u: &mut Unstructured<'_>, depth: u32, out: &mut Vec<u8>) {
    match u.arbitrary().unwrap_or(0_u8) % 8 {
        0 if depth > 0 => map(u, depth, out),
        1 if depth > 0 => {
            out.push(b'[');
            members(u, depth, out, value);
            out.push(b']');
        }
        2 => {
            out.push(b'"');
            for byte in u.bytes(2).unwrap_or_default() {
                out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
            out.push(b'"');
        }
        3 | 4 => bare(u, out),
        _ => text(u, out),
    }
}

fn text(u: &mut Unstructured<'_>, out: &mut Vec<u8>) {
    let text = match u.arbitrary().unwrap_or(0_u8) {
        0..16 => ROUTE,
        _ => u.arbitrary().unwrap_or(""),
    };
    push_string(out, text.as_bytes());
}

/// Neither strings nor maps nor lists.
fn bare(u: &mut Unstructured<'_>, out: &mut Vec<u8>) {
    let words: [&[u8]; 14] = [
        b"null",
        b"true",
        b"false",
        b"nan",
        b"-nan",
        b"inf",
        b"-inf",
        b"1e+20",
        b"1.797693134862316e+308",
        b"1.797693134862315e+308",
        b"-1e+400",
        b"4.9e-324",
        b"18446744073709551615",
        b"-0",
    ];
    match u.choose(&words) {
        Ok(word) if u.arbitrary().unwrap_or(true) => out.extend_from_slice(word),
        _ => out.extend_from_slice(u.arbitrary().unwrap_or(0_i64).to_string().as_bytes()),
    }
}
