//! Tells a record from what else a host may hand over.

/// Whether bytes of which the host does not say what they are can be a record: a JSON object, or one line of text. What
/// holds control characters (Avro, Protobuf, several lines) and arrays of records are none.
#[inline]
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{') || is_text(bytes)
}

#[inline(never)]
fn is_text(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_end();
    let is_array = matches!(line.trim_ascii_start(), [b'[', rest @ ..] if matches!(rest.trim_ascii_start(), [b'{' | b'"', ..]));
    let is_control = |&byte: &u8| byte < b' ' && !matches!(byte, b'\t' | b'\x1b');
    !is_array && !line.iter().any(is_control)
}
