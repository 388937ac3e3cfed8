//! Makes one JSON object a line of whatever came in.
//!
//! A guest passes lines that look like JSON as they are, for most of them it never reads. One that is none
//! would make the next hop refuse everything that is sent with it.

use std::borrow::Cow;

use maxconn_core::json::scan::is_object;
use maxconn_core::record::write_text_record;

/// Lines as they go on: those that [`append_records`] would change are copied.
pub fn as_records(lines: &[u8]) -> Cow<'_, [u8]> {
    let mut all = lines.split_inclusive(|byte| *byte == b'\n');
    if all.all(is_object) && std::str::from_utf8(lines).is_ok() {
        return Cow::Borrowed(lines);
    }
    let mut out = Vec::new();
    append_records(lines, &mut out);
    Cow::Owned(out)
}

/// Appends lines as they go on; answers how many of them were no JSON objects. Those become the record of a text line;
/// of objects whose strings are not UTF-8 only the strings are mended. All others keep their bytes.
pub fn append_records(lines: &[u8], out: &mut Vec<u8>) -> u64 {
    let all_utf8 = std::str::from_utf8(lines).is_ok();
    let (mut kept, mut start, mut mended) = (0, 0, 0);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let object = is_object(line);
        if !object || !(all_utf8 || std::str::from_utf8(line).is_ok()) {
            out.extend_from_slice(lines.get(kept..start).unwrap_or(&[]));
            if object {
                out.extend_from_slice(String::from_utf8_lossy(line).as_bytes());
            } else {
                write_text_record(line, None, None, out);
            }
            out.push(b'\n');
            (kept, mended) = (end, mended + 1);
        }
        start = end;
    }
    out.extend_from_slice(lines.get(kept..).unwrap_or(&[]));
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_bytes_and_what_is_none_becomes_one() {
        let fine = b"{\"a\": 1}\r\n { \"b\":[{}, \"\\u00e4\"] }\n{}\n";
        assert!(matches!(as_records(fine), Cow::Borrowed(bytes) if bytes == fine));
        for (line, record) in [
            (&b"{\"mess"[..], &b"{\"message\":\"{\\\"mess\"}"[..]),
            (b"{} {}", b"{\"message\":\"{} {}\"}"),
            (b"{\"a\":\"\xff\"}", "{\"a\":\"\u{fffd}\"}".as_bytes()),
            (
                b"{\"a\":\"\t\"}",
                b"{\"message\":\"{\\\"a\\\":\\\"\\t\\\"}\"}",
            ),
        ] {
            let lines = [&fine[..], line, b"\n", line, b"\n{}\n"].concat();
            let expected = [&fine[..], record, b"\n", record, b"\n{}\n"].concat();
            let mut out = Vec::new();
            let mended = append_records(&lines, &mut out);
            assert_eq!(as_records(&lines), out);
            let text = String::from_utf8_lossy(&out);
            assert_eq!((text, mended), (String::from_utf8_lossy(&expected), 2));
            for line in out.split_inclusive(|byte| *byte == b'\n') {
                assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
            }
        }
    }
}
