//! Answers a post with what became of it.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response};

use super::body::Content;
use crate::http::Body;
use crate::lock::lock;

/// Answers below this size are not compressed: it would not make them fewer packets.
const GZIP_MIN_BYTES: usize = 1400;

/// What is done once an answer is written.
type Done = Box<dyn FnOnce() + Send>;

/// In an answer: what is done once it is written. Dropped before, it is not.
#[derive(Clone)]
pub struct WhenWritten(Arc<Mutex<Option<Done>>>);

impl WhenWritten {
    /// This is done then.
    pub fn new(what: impl FnOnce() + Send + 'static) -> WhenWritten {
        WhenWritten(Arc::new(Mutex::new(Some(Box::new(what)))))
    }

    /// What is to be done.
    pub fn take(&self) -> Option<Done> {
        lock(&self.0).take()
    }
}

/// Whether a sender takes an answer by gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT_ENCODING).iter();
    values.any(|value| {
        let mut codings = value.to_str().unwrap_or("").split(',');
        codings.any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            let is_wanted = weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0);
            is_wanted && name.trim().eq_ignore_ascii_case("gzip")
        })
    })
}

/// The answer: lines of JSON, in the form that the records came in.
///
/// # Errors
/// None that a memory can have.
pub fn of(
    lines: &[Bytes],
    content: Content,
    by_gzip: bool,
    when_written: impl FnOnce() + Send + 'static,
) -> io::Result<Response<Body>> {
    let body = match content {
        Content::Lines => lines.concat(),
        Content::Json => array(lines),
    };
    let by_gzip = by_gzip && body.len() >= GZIP_MIN_BYTES;
    let body = if by_gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(&body)?;
        encoder.finish()?
    } else {
        body
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let kind = match content {
        Content::Lines => "application/x-ndjson",
        Content::Json => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if by_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
        .extensions_mut()
        .insert(WhenWritten::new(when_written));
    Ok(response)
}

/// Lines as the elements of an array.
fn array(lines: &[Bytes]) -> Vec<u8> {
    let bytes: usize = lines.iter().map(Bytes::len).sum();
    let mut array = Vec::with_capacity(bytes + 2);
    array.push(b'[');
    for piece in lines {
        for line in piece
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            if array.len() > 1 {
                array.push(b',');
            }
            array.extend_from_slice(line);
        }
    }
    array.push(b']');
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_an_array_and_back() {
        for (lines, expected) in [
            (&[][..], "[]"),
            (
                &["{\"a\":1}\n", "{}\n{\"b\":\"[,\"}\n", ""],
                "[{\"a\":1},{},{\"b\":\"[,\"}]",
            ),
        ] {
            let lines: Vec<Bytes> = lines.iter().map(|line| Bytes::from(*line)).collect();
            assert_eq!(String::from_utf8(array(&lines)).unwrap(), expected);
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, br", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(takes_gzip(&headers), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
