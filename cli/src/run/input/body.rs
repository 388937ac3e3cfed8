//! What a shipper posts: decompressed, and as records.

use std::io::Read;

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::IgnoredAny;

use super::cut::lines;
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

    /// Checks a body before any of it is taken.
    ///
    /// # Errors
    /// JSON that is broken, and what is no object.
    pub fn check(self, body: &[u8]) -> Result<(), Refusal> {
        match self {
            Content::Lines => Ok(()),
            Content::Json => Records::new(body).try_for_each(|record| record.map(drop)),
        }
    }

    /// Makes a body that was checked one whose records have no newlines: within a string they would be escaped, so
    /// those that JSON has lie between tokens.
    pub fn flatten(self, body: &mut [u8]) {
        if self == Content::Json {
            let newlines = body.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r'));
            newlines.for_each(|byte| *byte = b' ');
        }
    }

    /// The records of a body that was flattened.
    pub fn records(self, body: &[u8]) -> Box<dyn Iterator<Item = &[u8]> + Send + '_> {
        match self {
            Content::Lines => Box::new(lines(body)),
            Content::Json => Box::new(Records::new(body).map_while(Result::ok)),
        }
    }
}

/// A text without the byte order mark that some programs begin it with.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
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

/// The objects of an array, or objects one after the other. Each is checked to be JSON, so that a shipper
/// hears of broken ones at once. After an error there is nothing more.
struct Records<'a> {
    body: &'a [u8],
    at: usize,
    place: Place,
}

/// Where in a body the next record is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    WithinArray,
    InARow,
    End,
}

impl<'a> Records<'a> {
    fn new(body: &'a [u8]) -> Records<'a> {
        Records {
            body,
            at: 0,
            place: Place::Start,
        }
    }

    fn record(&mut self) -> Result<Option<&'a [u8]>, Refusal> {
        if self.place == Place::Start {
            self.at = skip_space(self.body, 0);
            self.place = Place::InARow;
            if self.body.get(self.at) == Some(&b'[') {
                self.place = Place::WithinArray;
                self.at = skip_space(self.body, self.at + 1);
                if self.body.get(self.at) == Some(&b']') {
                    self.end()?;
                }
            }
        }
        match self.place {
            Place::End => return Ok(None),
            Place::InARow if self.at == self.body.len() => return Ok(None),
            _ => {}
        }
        let at = self.at;
        let rest = self.body.get(at..).unwrap_or(&[]);
        if rest.is_empty() {
            return Err(broken(at, "the array does not end"));
        }
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
        self.at = skip_space(self.body, at + record.len());
        if self.place == Place::WithinArray {
            match self.body.get(self.at) {
                Some(b',') => self.at = skip_space(self.body, self.at + 1),
                Some(b']') => self.end()?,
                _ => {
                    return Err(broken(
                        self.at,
                        "a comma or the end of the array is expected",
                    ));
                }
            }
        }
        Ok(Some(record))
    }

    /// The array ends here; nothing may follow it.
    fn end(&mut self) -> Result<(), Refusal> {
        self.place = Place::End;
        match skip_space(self.body, self.at + 1) {
            at if at < self.body.len() => Err(broken(at, "something follows the array")),
            _ => Ok(()),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8], Refusal>;

    fn next(&mut self) -> Option<Result<&'a [u8], Refusal>> {
        let record = self.record();
        if record.is_err() {
            self.place = Place::End;
        }
        record.transpose()
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
        let mut body = body.as_bytes().to_vec();
        Content::Json.check(&body)?;
        Content::Json.flatten(&mut body);
        let records = Content::Json
            .records(&body)
            .map(|it| String::from_utf8(it.to_vec()).unwrap());
        Ok(records.map(|record| record + "\n").collect())
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
