//! Takes records out of what is written around them, so that each is a line: arrays, JSON over several lines, envelopes of
//! log stores, and what `journalctl` exports. A stream is judged by its begin; all others pass as they are.

pub mod envelope;
mod journal;
mod json;

use std::io::{self, Read};

use journal::Journal;
use json::Json;

/// So much of the begin is judged, in bytes.
const BEGIN_BYTES: usize = 4096;
/// A record with what is around it may have this size, in bytes; what is longer goes on as the lines that it has.
const RECORD_MAX_BYTES: usize = 8 << 20;
/// Opening an envelope may take so much work, in bytes that are looked at and written; one that takes more is one record.
const OPENED_MAX_BYTES: usize = 64 << 20;

/// Takes bytes as they come and writes lines.
trait Framing: Send {
    /// Takes some bytes.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>);
    /// There are no more: writes what is left.
    fn end(&mut self, out: &mut Vec<u8>);
}

/// The stream with each record on a line of its own, if it is framed in a way that is known. It is read until its first
/// line is there, but no further.
pub fn unframed(mut stream: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut begin = vec![0; BEGIN_BYTES];
    let mut len = 0;
    while len < begin.len() && !is_decided(&begin[..len]) {
        match stream.read(&mut begin[len..]) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    begin.truncate(len);
    let framing = framing(&begin);
    let stream = io::Cursor::new(begin).chain(stream);
    Ok(match framing {
        None => Box::new(stream),
        Some(framing) => Box::new(Unframed {
            stream,
            framing,
            input: vec![0; 64 << 10],
            out: Vec::new(),
            read: 0,
            is_ended: false,
        }),
    })
}

/// Whether the first line is there, and what comes behind the bracket if that is all of it.
fn is_decided(begin: &[u8]) -> bool {
    let begin = begin.trim_ascii_start();
    let begin = begin.strip_prefix(b"[").unwrap_or(begin);
    match begin.trim_ascii_start() {
        b"" => false,
        behind => behind.len() < begin.len() || behind.contains(&b'\n'),
    }
}

/// How what begins so is framed; `None` if its lines are records already.
fn framing(begin: &[u8]) -> Option<Box<dyn Framing>> {
    let line = begin.split(|byte| *byte == b'\n').next()?;
    if journal::begins(line) {
        return Some(Box::new(Journal::default()));
    }
    json::begins(begin.trim_ascii_start()).then(|| Box::new(Json::default()) as Box<dyn Framing>)
}

struct Unframed<R> {
    stream: R,
    framing: Box<dyn Framing>,
    input: Vec<u8>,
    out: Vec<u8>,
    read: usize,
    is_ended: bool,
}

impl<R: Read> Read for Unframed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.out.len() && !self.is_ended {
            self.out.clear();
            self.read = 0;
            let count = self.stream.read(&mut self.input)?;
            if count == 0 {
                self.is_ended = true;
                self.framing.end(&mut self.out);
            } else {
                self.framing.take(&self.input[..count], &mut self.out);
            }
        }
        let count = (&self.out[self.read..]).read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::slow::Slow;

    fn unframe(text: &[u8]) -> String {
        let mut all = [1, 7, usize::MAX].map(|step| {
            let mut out = Vec::new();
            let stream = unframed(Box::new(Slow(io::Cursor::new(text.to_vec()), step)));
            stream.unwrap().read_to_end(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        });
        assert!(all.iter().all(|it| *it == all[0]), "{all:?}");
        std::mem::take(&mut all[0])
    }

    /// What is written around records, and the lines that they are.
    #[test]
    fn records_are_lines() {
        for (text, lines) in [
            (
                "[{\"a\":\"]}\"},\n {\"b\":[{}]}]\n",
                "{\"a\":\"]}\"}\n{\"b\":[{}]}\n",
            ),
            ("[\n  {\n    \"a\": 1\n  }\n]\n", "{     \"a\": 1   }\n"),
            (
                "{\n\t\"a\" : \"\\\"{\"\n}\n{\n\t\"b\" : 2\n}\n",
                "{ \t\"a\" : \"\\\"{\" }\n{ \t\"b\" : 2 }\n",
            ),
            (
                "\u{1e}{\"a\":1}\n\u{1e}{\"b\":2}\n",
                "{\"a\":1}\n{\"b\":2}\n",
            ),
            (
                "data: {\"a\":1}\n\ndata: {\"b\":2}\n\n",
                "{\"a\":1}\n{\"b\":2}\n",
            ),
            (
                "2026-11-16T19:13:55+00:00\tmail.info\t{\"a\":1}\nnow\tmail\t{\"tag\":\"x\",\"time\":1}\n",
                "{\"time\":\"2026-11-16T19:13:55+00:00\",\"tag\":\"mail.info\",\"a\":1}\n{\"tag\":\"x\",\"time\":1}\n",
            ),
            (
                "{\"owner\":\"1\",\"logEvents\":[{\"id\":\"7\",\"message\":\"x\"},{}],\"logGroup\":\"mail\"}\n",
                "{\"logGroup\":\"mail\",\"owner\":\"1\",\"id\":\"7\",\"message\":\"x\"}\n{\"logGroup\":\"mail\",\"owner\":\"1\"}\n",
            ),
            (
                "{\"resourceLogs\":[{\"resource\":{\"x\":1},\"scopeLogs\":[{\"scope\":{},\"logRecords\":[{\"body\":\"y\"}]}]}]}\n",
                "{\"resource\":{\"x\":1},\"scope\":{},\"body\":\"y\"}\n",
            ),
            // Nothing is lost of what is no envelope, no object, torn or not ended.
            (
                "{\"logEvents\":7}\n{\"a\":1}\n",
                "{\"logEvents\":7}\n{\"a\":1}\n",
            ),
            (
                "[{\"a\":1},\nfalse {\n{\"b\":\"torn\n{\"c\":3}\nx",
                "{\"a\":1}\nfalse {\n{\"b\":\"torn\n{\"c\":3}\nx\n",
            ),
            ("[{\"a\":[1,\n", "{\"a\":[1, \n"),
            // Lines already.
            (
                "[2026-11-16 19:13:55] x\n[{\n",
                "[2026-11-16 19:13:55] x\n[{\n",
            ),
            ("{\"a\":1}\n{\n", "{\"a\":1}\n{\n"),
            ("data: x\n", "data: x\n"),
            ("x\ty\tz {\n", "x\ty\tz {\n"),
            ("", ""),
        ] {
            assert_eq!(unframe(text.as_bytes()), lines, "{text:?}");
        }
    }

    #[test]
    fn what_journalctl_exports_becomes_objects() {
        let message = b"x\n\"y\"";
        let binary = [
            &b"MESSAGE\n"[..],
            &(message.len() as u64).to_le_bytes(),
            message,
            b"\n",
        ]
        .concat();
        let export = [
            b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=5\nMESSAGE=a=b\n\n\n__CURSOR=s=2\n",
            &binary[..],
            b"_PID=7\n",
        ]
        .concat();
        assert_eq!(
            unframe(&export),
            "{\"__CURSOR\":\"s=1\",\"__REALTIME_TIMESTAMP\":\"5\",\"MESSAGE\":\"a=b\"}\n\
             {\"__CURSOR\":\"s=2\",\"MESSAGE\":\"x\\n\\\"y\\\"\",\"_PID\":\"7\"}\n"
        );
        let verbose = "Mon 2026-11-16 19:13:55.123456 UTC [s=1;i=2]\n    _HOSTNAME=mail\n    MESSAGE=x\n\
                       Mon 2026-11-16 19:13:56.123456 UTC [s=1;i=3]\n    MESSAGE=y\n";
        assert_eq!(
            unframe(verbose.as_bytes()),
            "{\"time\":\"Mon 2026-11-16 19:13:55.123456 UTC\",\"_HOSTNAME\":\"mail\",\"MESSAGE\":\"x\"}\n\
             {\"time\":\"Mon 2026-11-16 19:13:56.123456 UTC\",\"MESSAGE\":\"y\"}\n"
        );
        // A length that is not true takes no more than there may be.
        let endless = [
            b"__CURSOR=1\nMESSAGE\n",
            &u64::MAX.to_le_bytes()[..],
            b"x\n",
        ]
        .concat();
        assert_eq!(unframe(&endless), "{\"__CURSOR\":\"1\"}\n");
    }

    #[test]
    fn no_record_is_kept_that_is_longer_than_it_may_be() {
        let long = "x".repeat(RECORD_MAX_BYTES);
        let text = format!("[{{\"a\":\"{long}\"}}\n,{{\"b\":2}}]\n");
        let lines = unframe(text.as_bytes());
        assert!(lines.starts_with("{\"a\":\"xxx") && lines.ends_with("\n{\"b\":2}\n"));
        assert_eq!(lines.matches('x').count(), RECORD_MAX_BYTES);
    }
}
