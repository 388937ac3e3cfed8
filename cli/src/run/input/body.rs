//! Decompresses the body that a shipper posts, and splits it into records.

use std::io::Read;

use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use maxconn_core::json::scan::Scanner;
use serde::de::IgnoredAny;

use super::refusal::{NotJson, Refusal};
use crate::io::compression::Compression;
use crate::io::lines::lines;

/// A body may have this size, compressed and decompressed, in bytes; so a line fits into the guest's input.
pub const BODY_MAX_BYTES: usize = 8 << 20;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Lines: text, or a JSON record each.
    Lines,
    /// An array of records, or records one after the other.
    Json,
}

/// How a body is compressed, as the headers say.
///
/// # Errors
/// In another way than those that are known.
pub fn compression(headers: &HeaderMap) -> Result<Option<Compression>, Refusal> {
    let value = headers.get(CONTENT_ENCODING);
    let name = value.map_or(Ok("identity"), |value| value.to_str());
    match name.unwrap_or("?").trim().to_ascii_lowercase().as_str() {
        "identity" | "" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Compression::Gzip)),
        "deflate" => Ok(Some(Compression::Zlib)),
        "zstd" => Ok(Some(Compression::Zstd)),
        _ => Err(Refusal::Encoding),
    }
}

/// Decompresses a body.
///
/// # Errors
/// It is damaged, or larger than it may be.
pub fn decompress(compression: Compression, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut plain = Vec::new();
    let decoder = compression.decoder(body, BODY_MAX_BYTES as u64);
    let read = decoder
        .take(BODY_MAX_BYTES as u64 + 1)
        .read_to_end(&mut plain);
    match read {
        Ok(_) if plain.len() <= BODY_MAX_BYTES => Ok(plain),
        Ok(_) => Err(Refusal::TooLarge),
        Err(error) => Err(Refusal::Damaged(error)),
    }
}

impl Content {
    /// As the headers say. Types that tell nothing are taken for lines or an array by their first byte.
    ///
    /// # Errors
    /// A type that is certainly neither lines nor JSON.
    pub fn of(headers: &HeaderMap, body: &[u8]) -> Result<Content, Refusal> {
        let value = headers.get(CONTENT_TYPE).map(|value| value.to_str());
        let name = value.unwrap_or(Ok("")).unwrap_or("?");
        let name = name.split(';').next().unwrap_or("").trim();
        match name.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Content::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "text/plain" => {
                Ok(Content::Lines)
            }
            // What curl sends if it is told nothing.
            "" | "application/x-www-form-urlencoded" | "application/octet-stream" => {
                match body.trim_ascii_start().starts_with(b"[") {
                    true => Ok(Content::Json),
                    false => Ok(Content::Lines),
                }
            }
            _ => Err(Refusal::Type),
        }
    }

    /// Checks a body before any of it is taken, and makes it ready for [`Content::records`], in its place: however many
    /// records it has, nothing is kept of each. Answers whether all of them are known to be JSON objects.
    ///
    /// # Errors
    /// JSON that is broken, and what is no object.
    pub fn prepare(self, body: &mut [u8]) -> Result<bool, Refusal> {
        match self {
            Content::Lines => Ok(false),
            Content::Json => mark_objects(body),
        }
    }

    /// The records of a body that was prepared, without newlines but for one in the place of a record's first brace.
    pub fn records(self, body: &[u8]) -> Box<dyn Iterator<Item = &[u8]> + Send + '_> {
        match self {
            Content::Lines => Box::new(lines(body)),
            Content::Json => {
                let mut starts = memchr::memchr_iter(b'\n', body).peekable();
                Box::new(std::iter::from_fn(move || {
                    let start = starts.next()?;
                    let end = starts.peek().copied().unwrap_or(body.len());
                    body.get(start..end).map(<[u8]>::trim_ascii_end)
                }))
            }
        }
    }
}

/// Checks the objects of an array, or objects one after the other, so that a shipper hears of broken ones at once. The
/// first byte of each becomes a newline, and nothing else is one then: within a string it would be escaped; between
/// tokens, and whatever there is between objects, becomes spaces.
fn mark_objects(body: &mut [u8]) -> Result<bool, Refusal> {
    let mut all_known = std::str::from_utf8(body).is_ok();
    let mut at = skip_space(body, 0);
    let is_array = body.get(at) == Some(&b'[');
    let (mut is_open, mut end) = (is_array, 0);
    if is_array {
        at = skip_space(body, at + 1);
        if body.get(at) == Some(&b']') {
            (at, is_open) = (end_of_array(body, at)?, false);
        }
    }
    loop {
        body[end..at].fill(b' ');
        if at == body.len() && !is_open {
            return Ok(all_known);
        }
        let (object_end, is_known) = object(body, at)?;
        (end, all_known) = (object_end, all_known && is_known);
        let newlines = body[at..end]
            .iter_mut()
            .filter(|it| matches!(it, b'\n' | b'\r'));
        newlines.for_each(|byte| *byte = b' ');
        body[at] = b'\n';
        at = skip_space(body, end);
        match body.get(at) {
            _ if !is_array => {}
            Some(b',') => at = skip_space(body, at + 1),
            Some(b']') => (at, is_open) = (end_of_array(body, at)?, false),
            _ => return Err(Refusal::Json(at, NotJson::NoComma)),
        }
    }
}

/// Where the object that begins at a place ends, and whether it is one to the letter of what goes on as JSON.
fn object(body: &[u8], at: usize) -> Result<(usize, bool), Refusal> {
    let rest = body.get(at..).unwrap_or(&[]);
    match rest.first() {
        Some(b'{') => {}
        Some(_) => return Err(Refusal::Json(at, NotJson::NoObject)),
        None => return Err(Refusal::Json(at, NotJson::Unended)),
    }
    let mut scanner = Scanner::new(rest);
    if scanner.skip_value().is_ok() {
        return Ok((at + scanner.position(), true));
    }
    // Broken, which is told in words, or so deep that it goes on as text.
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Err(error)) => {
            let at = at + place(rest, &error);
            Err(Refusal::Json(at, NotJson::Malformed(error)))
        }
        _ => Ok((at + values.byte_offset(), false)),
    }
}

/// Nothing may follow the array that ends here.
fn end_of_array(body: &[u8], at: usize) -> Result<usize, Refusal> {
    match skip_space(body, at + 1) {
        at if at < body.len() => Err(Refusal::Json(at, NotJson::Behind)),
        end => Ok(end),
    }
}

fn skip_space(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or(&[]);
    // JSON's own: a form feed is none.
    let space = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    at + space.count()
}

/// Where in `text` serde_json noticed it: it counts lines and the bytes in them.
fn place(text: &[u8], error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(lines_before).map(<[u8]>::len).sum();
    before + error.column().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::input::cut::Batches;
    use std::io::Write;

    fn json(body: &str) -> Result<String, Refusal> {
        let mut body = body.as_bytes().to_vec();
        Content::Json.prepare(&mut body)?;
        let batches = Batches::new(Content::Json.records(&body));
        let lines: Vec<u8> = batches.flatten().collect();
        Ok(String::from_utf8(lines).unwrap())
    }

    #[test]
    fn arrays_and_objects_in_a_row_become_lines() {
        let lines = "{\"a\":\"],\\n\"}\n{ \"b\": [1,  {}]}\n";
        for body in [
            "[{\"a\":\"],\\n\"},{ \"b\": [1,  {}]}]",
            " [ {\"a\":\"],\\n\"} ,\n{ \"b\": [1,\r\n{}]}\n]\n ",
            "{\"a\":\"],\\n\"}{ \"b\": [1,  {}]}",
            "{\"a\":\"],\\n\"}\n{ \"b\": [1,\n {}]}\n",
        ] {
            assert_eq!(json(body).unwrap(), lines, "{body}");
        }
        for empty in ["", " \n", "[]", " [ ] "] {
            assert_eq!(json(empty).unwrap(), "", "{empty}");
        }
        let lines: Vec<_> = Content::Lines.records(b"x\n\ny").collect();
        assert_eq!(lines, [&b"x"[..], b"", b"y"]);
    }

    #[test]
    fn what_goes_on_as_json_is_known_and_what_goes_on_as_text_is_not() {
        let deep = format!("[{{\"a\":{}1{}}}]", "[".repeat(200), "]".repeat(200));
        for (body, are_objects) in [
            (&b"[{\"a\":[1]},{}]"[..], true),
            (deep.as_bytes(), false),
            (b"{\"a\":\"\xff\"}", false),
        ] {
            let mut body = body.to_vec();
            assert_eq!(Content::Json.prepare(&mut body).unwrap(), are_objects);
            let lines: Vec<u8> = Batches::new(Content::Json.records(&body))
                .flatten()
                .collect();
            let mended = crate::io::ndjson::append_records(&lines, &mut Vec::new());
            assert_eq!(mended == 0, are_objects);
        }
    }

    #[test]
    fn broken_json_is_refused_with_its_place() {
        for (body, place) in [
            ("[{\"a\":1},]", 9),
            ("[{\"a\":1}", 8),
            ("[{\"a\":1}{}]", 8),
            ("[{\"a\":1}]x", 9),
            ("[1]", 1),
            ("[{\"a\":}]", 6),
            ("[{},\u{c}{}]", 4),
            ("{\"a\":1} x", 8),
            ("{\"a\":\"", 5),
            ("x", 0),
            ("[", 1),
        ] {
            let refusal = json(body).unwrap_err();
            assert_eq!(refusal.status(), 400);
            let sentence = refusal.to_string();
            assert!(
                sentence.contains(&format!(" at byte {place};")),
                "{body}: {sentence}"
            );
        }
        // As deep as it likes: it must not overflow the stack.
        assert!(json(&format!("[{{\"a\":{}", "[".repeat(1_000_000))).is_err());
    }

    #[test]
    fn what_is_compressed_comes_out_and_bombs_do_not() {
        let gzip = |bytes: &[u8]| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let zlib = |bytes: &[u8]| {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = |bytes: &[u8]| {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        };
        let most = vec![b'x'; BODY_MAX_BYTES];
        let bomb = vec![b'x'; BODY_MAX_BYTES + 1];
        for (compression, compress) in [
            (Compression::Gzip, &gzip as &dyn Fn(&[u8]) -> Vec<u8>),
            (Compression::Zlib, &zlib),
            (Compression::Zstd, &zstd),
        ] {
            let plain = |body: &[u8]| decompress(compression, body).map_err(|it| it.status());
            let whole = compress(b"a\nb\n");
            assert_eq!(plain(&whole), Ok(b"a\nb\n".to_vec()));
            assert!(plain(&compress(&most)).is_ok(), "{compression:?}");
            assert_eq!(plain(&compress(&bomb)), Err(413));
            assert_eq!(plain(&whole[..whole.len() - 3]), Err(400));
            assert_eq!(plain(b"hello"), Err(400));
        }
    }
}
