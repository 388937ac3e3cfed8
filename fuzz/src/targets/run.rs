//! What `maxconn run` reads: connections, bodies, lines, its state file.

use maxconn::run::fuzzing;
use serde::de::IgnoredAny;

use crate::document::is_object;

/// A body may have this size, in bytes.
const BODY_MAX_BYTES: usize = 8 << 20;

/// The first byte chooses the headers.
const TYPES: [&str; 5] = [
    "application/json",
    "application/x-ndjson",
    "text/plain",
    "",
    "application/octet-stream",
];
const ENCODINGS: [&str; 4] = ["", "gzip", "zstd", "deflate"];

pub fn body(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let choice = usize::from(*choice);
    let content = TYPES[choice % TYPES.len()];
    let encoding = ENCODINGS[choice / TYPES.len() % ENCODINGS.len()];
    let result = fuzzing::body(content, encoding, body.to_vec());
    let lines = match &result {
        Ok(lines) => lines,
        Err((status, sentence)) => {
            assert!(
                (400..500).contains(status) && !sentence.is_empty(),
                "{status} {sentence}"
            );
            return;
        }
    };
    assert!(lines.is_empty() || lines.ends_with(b"\n"));
    if encoding.is_empty() && content == TYPES[0] {
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let array: Option<Vec<IgnoredAny>> = serde_json::from_slice(body).ok();
        let stream = || {
            serde_json::Deserializer::from_slice(body)
                .into_iter::<IgnoredAny>()
                .filter(Result::is_ok)
                .count()
        };
        let records = array.map_or_else(stream, |array| array.len());
        let found = lines.split_inclusive(|byte| *byte == b'\n');
        let all = found.clone().all(is_object);
        assert!(
            all,
            "{} became {}",
            String::from_utf8_lossy(body),
            String::from_utf8_lossy(lines)
        );
        assert_eq!(found.count(), records, "{}", String::from_utf8_lossy(body));
    }
}

pub fn bodies() -> Vec<Vec<u8>> {
    let json: &[u8] = b"[{\"a\":\"],\\n\"} ,\n{ \"b\":[1,\r\n{}]}]";
    let gzip: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 86, 74, 84, 178, 50, 172, 229, 2, 0, 174, 84, 54, 98,
        8, 0, 0, 0,
    ];
    let zstd: &[u8] = &[
        40, 181, 47, 253, 4, 0, 65, 0, 0, 123, 34, 97, 34, 58, 49, 125, 10, 102, 12, 109, 53,
    ];
    let mut all = vec![
        [&[0], json].concat(),
        [&[3], json].concat(),
        [&[0], &b"{\"a\":1}{\"b\":2}\n{}"[..]].concat(),
        [&[0], &b"\xef\xbb\xbf[{}]"[..]].concat(),
        [&[2], &b"a line\nanother"[..]].concat(),
        [&[5], gzip].concat(),
        [&[10], zstd].concat(),
        [
            &[15],
            &[
                120, 156, 171, 86, 74, 84, 178, 50, 172, 229, 2, 0, 12, 104, 2, 74,
            ][..],
        ]
        .concat(),
    ];
    all.extend(
        super::seeds::records()
            .iter()
            .take(40)
            .map(|record| [&[0], &record[..]].concat()),
    );
    all.extend(super::seeds::files("fuzz/body"));
    all
}

pub fn http(data: &[u8]) {
    let (answers, batches) = fuzzing::connection(data);
    let shown = String::from_utf8_lossy(&answers);
    if !answers.is_empty() {
        assert!(answers.starts_with(b"HTTP/1."), "{shown}");
    }
    // An answer may be cut off by what its sender said behind the request, but the first never is.
    let taken = answers
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"HTTP/1.") && line[8..].starts_with(b" 204"));
    assert!(
        batches.len() <= taken.count(),
        "{} batches: {shown}",
        batches.len()
    );
    for batch in &batches {
        assert!(
            batch.ends_with(b"\n") && batch.len() <= BODY_MAX_BYTES + 1,
            "{} bytes",
            batch.len()
        );
    }
}

pub fn requests() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na\nb",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n",
        "PUT /x?y HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[{\"a\":1}]",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\0\x08\0",
    ]
    .iter()
    .map(|request| request.as_bytes().to_vec())
    .collect();
    all.extend(super::seeds::files("fuzz/http"));
    all
}

pub fn records(data: &[u8]) {
    let (records, mended) = fuzzing::records(data);
    let lines = |text: &[u8]| text.split_inclusive(|byte| *byte == b'\n').count();
    assert_eq!(lines(&records), lines(data));
    for line in records.split_inclusive(|byte| *byte == b'\n') {
        let is_text = std::str::from_utf8(line).is_ok();
        assert!(
            is_text && is_object(line),
            "{}",
            String::from_utf8_lossy(line)
        );
    }
    if mended == 0 {
        assert!(records == data);
    }
}

pub fn state(data: &[u8]) {
    let _ = fuzzing::state(data);
    // The same with a hash that holds, so that what is behind it is read.
    let whole = fuzzing::sealed_state(data);
    if let Ok(written) = fuzzing::state(&whole) {
        let again = fuzzing::state(&written);
        assert_eq!(again.as_ref(), Ok(&written));
        assert!(
            written.len() <= whole.len() + 64,
            "{} bytes of {}",
            written.len(),
            whole.len()
        );
    }
}

pub fn states() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for file in super::seeds::files("state") {
        // What is behind the magic and the hash.
        all.extend(file.get(40..).map(<[u8]>::to_vec));
        all.push(file);
    }
    all.extend(super::seeds::files("fuzz/state"));
    all
}
