//! What a shipper posts: decompressed, and as lines.

use std::io::Read;

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::IgnoredAny;

use crate::replay::input::ZstdFrames;

/// A body may have this size, compressed and decompressed, in bytes; so a line fits into the guest's input.
pub const BODY_MAX_BYTES: usize = 8 << 20;

/// Why a body is not taken: the status and a sentence.
pub type Refusal = (u16, String);

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// zlib, which HTTP calls deflate.
    Deflate,
    /// Zstandard.
    Zstd,
}

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Lines: text, or a JSON record each.
    Lines,
    /// An array of records, or records one after the other.
    Json,
}

impl Encoding {
    /// As the headers say.
    ///
    /// # Errors
    /// Another one.
    pub fn of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
        let value = headers.get(CONTENT_ENCODING);
        let name = value.map_or(Ok("identity"), |value| value.to_str());
        match name.unwrap_or("?").trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Ok(Encoding::Plain),
            "gzip" | "x-gzip" => Ok(Encoding::Gzip),
            "deflate" => Ok(Encoding::Deflate),
            "zstd" => Ok(Encoding::Zstd),
            _ => Err((
                415,
                "this Content-Encoding is not read here; send gzip, zstd, or no compression"
                    .to_string(),
            )),
        }
    }

    /// Decompresses a body.
    ///
    /// # Errors
    /// It is damaged, or larger than it may be.
    pub fn decode(self, body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let mut plain = Vec::new();
        let limit = BODY_MAX_BYTES as u64 + 1;
        let read = match self {
            Encoding::Plain => return Ok(body),
            Encoding::Gzip => MultiGzDecoder::new(&body[..])
                .take(limit)
                .read_to_end(&mut plain),
            Encoding::Deflate => ZlibDecoder::new(&body[..])
                .take(limit)
                .read_to_end(&mut plain),
            Encoding::Zstd => ZstdFrames::new(&body[..], BODY_MAX_BYTES as u64)
                .take(limit)
                .read_to_end(&mut plain),
        };
        match read {
            Ok(_) if plain.len() <= BODY_MAX_BYTES => Ok(plain),
            Ok(_) => Err(too_large()),
            Err(error) => Err((400, format!("the body cannot be decompressed: {error}"))),
        }
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
        let begins_array = || body.trim_ascii_start().starts_with(b"[");
        match name.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Content::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "text/plain" => {
                Ok(Content::Lines)
            }
            // What curl sends if it is told nothing.
            "" | "application/x-www-form-urlencoded" | "application/octet-stream"
                if begins_array() =>
            {
                Ok(Content::Json)
            }
            "" | "application/x-www-form-urlencoded" | "application/octet-stream" => {
                Ok(Content::Lines)
            }
            _ => Err((
                415,
                "this Content-Type is not read here; send application/x-ndjson, application/json or text/plain"
                    .to_string(),
            )),
        }
    }

    /// The body as lines, the last with its newline.
    ///
    /// # Errors
    /// JSON that is broken: nothing of the body is taken.
    pub fn lines(self, mut body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        if self == Content::Json {
            body = records(&body)?;
        }
        if body.last().is_some_and(|byte| *byte != b'\n') {
            body.push(b'\n');
        }
        Ok(body)
    }
}

/// A text without the byte order mark that some programs begin it with.
pub fn without_mark(mut text: Vec<u8>) -> Vec<u8> {
    if text.starts_with("\u{feff}".as_bytes()) {
        text.drain(..3);
    }
    text
}

/// What is said of a body that is too large.
pub fn too_large() -> Refusal {
    (
        413,
        format!(
            "the body is larger than {} MiB, compressed or not; send smaller batches",
            BODY_MAX_BYTES >> 20
        ),
    )
}

/// The objects of an array, or objects one after the other, as lines. Each is checked to be JSON, so that
/// a shipper hears of broken ones at once; none is changed but for newlines between its tokens.
fn records(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut lines = Vec::with_capacity(body.len() + 1);
    let mut at = skip_space(body, 0);
    let array = body.get(at) == Some(&b'[');
    if array {
        at = skip_space(body, at + 1);
        if body.get(at) == Some(&b']') {
            return end(body, at + 1, lines);
        }
    }
    while at < body.len() {
        let rest = body.get(at..).unwrap_or(&[]);
        if rest.first() != Some(&b'{') {
            return Err(broken(at, "an object is expected"));
        }
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                return Err(broken(at + place(rest, &error), &first_words(&error)));
            }
            None => return Err(broken(at, "an object is expected")),
        }
        let (record, _) = rest.split_at(values.byte_offset());
        let from = lines.len();
        lines.extend_from_slice(record);
        // Within a string it would be escaped: those here lie between tokens.
        if let Some(record) = lines.get_mut(from..)
            && memchr::memchr2(b'\n', b'\r', record).is_some()
        {
            for byte in record {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
        lines.push(b'\n');
        at = skip_space(body, at + record.len());
        if array {
            match body.get(at) {
                Some(b',') => at = skip_space(body, at + 1),
                Some(b']') => return end(body, at + 1, lines),
                _ => return Err(broken(at, "a comma or the end of the array is expected")),
            }
        }
    }
    if array {
        return Err(broken(at, "the array does not end"));
    }
    Ok(lines)
}

fn end(body: &[u8], at: usize, lines: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    match skip_space(body, at) {
        at if at < body.len() => Err(broken(at, "something follows the array")),
        _ => Ok(lines),
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

fn broken(at: usize, what: &str) -> Refusal {
    (
        400,
        format!(
            "the body is not the JSON it is said to be: {what} at byte {at}; nothing of it was taken"
        ),
    )
}

/// Where in `text` serde_json noticed it: it counts lines and the bytes in them.
fn place(text: &[u8], error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(lines_before).map(<[u8]>::len).sum();
    before + error.column().saturating_sub(1)
}

/// What serde_json says, without its line and column, which count from the record.
fn first_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or("");
    words.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn json(body: &str) -> Result<String, Refusal> {
        let lines = Content::Json.lines(body.as_bytes().to_vec())?;
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
        assert_eq!(Content::Lines.lines(b"x".to_vec()).unwrap(), b"x\n");
        assert!(Content::Lines.lines(Vec::new()).unwrap().is_empty());
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
            let (status, sentence) = json(body).unwrap_err();
            assert_eq!(status, 400);
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
        for (encoding, compress) in [
            (Encoding::Gzip, &gzip as &dyn Fn(&[u8]) -> Vec<u8>),
            (Encoding::Deflate, &zlib),
            (Encoding::Zstd, &zstd),
        ] {
            assert_eq!(encoding.decode(compress(b"a\nb\n")).unwrap(), b"a\nb\n");
            assert!(encoding.decode(compress(&most)).is_ok(), "{encoding:?}");
            assert_eq!(encoding.decode(compress(&bomb)).unwrap_err().0, 413);
            let whole = compress(b"a\nb\n");
            let cut = whole[..whole.len() - 3].to_vec();
            assert_eq!(encoding.decode(cut).unwrap_err().0, 400, "{encoding:?}");
            assert_eq!(encoding.decode(b"hello".to_vec()).unwrap_err().0, 400);
        }
    }
}
