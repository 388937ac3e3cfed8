//! JSON that is not an object a line: arrays, objects over several lines, `json-seq` (RFC 7464), server-sent events,
//! Fluentd's files (a time, a tag and an object), and envelopes.

use serde_json::Value;

use super::envelope;
use super::{Framing, OPENED_MAX_BYTES, RECORD_MAX_BYTES};

/// What a text sequence has before each object (RFC 7464).
const RECORD_SEPARATOR: u8 = 0x1e;

/// Whether what begins so is framed.
pub fn begins(begin: &[u8]) -> bool {
    let line = begin.split(|byte| *byte == b'\n').next().unwrap_or(begin);
    let after = |prefix: &[u8]| begin.strip_prefix(prefix).map(<[u8]>::trim_ascii_start);
    let is_object = |rest: Option<&[u8]>| rest.is_some_and(|rest| rest.starts_with(b"{"));
    is_object(after(&[RECORD_SEPARATOR]))
        || is_object(after(b"data:"))
        || is_object(after(b"["))
        || (line.trim_ascii() == b"{" && line.len() < begin.len())
        || (line.starts_with(b"{") && envelope::may_be(line))
        || fluentd(line).is_some_and(|(_, _, rest)| rest.starts_with(b"{"))
}

/// Time, tag and the rest of a line of Fluentd's files.
fn fluentd(line: &[u8]) -> Option<(&str, &str, &[u8])> {
    let mut parts = line.splitn(3, |byte| *byte == b'\t');
    let mut word = || {
        let word = std::str::from_utf8(parts.next()?).ok()?;
        (!word.is_empty() && !word.contains(' ')).then_some(word)
    };
    Some((word()?, word()?, parts.next()?))
}

/// Takes objects out of what is around them.
#[derive(Default)]
pub struct Json {
    /// What stands before an object, or a line that has none.
    around: Vec<u8>,
    /// The line is text: braces in it are no objects.
    is_text: bool,
    object: Vec<u8>,
    /// How many braces and brackets are open.
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Framing for Json {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            match self.depth {
                0 => self.outside(*byte, out),
                _ => self.inside(*byte, out),
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.depth > 0 {
            self.give_up(out);
        }
        if !self.around.is_empty() {
            self.outside(b'\n', out);
        }
    }
}

impl Json {
    fn outside(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'{' if !self.is_text => {
                let around = self.around.as_slice();
                if !is_framing(around) && fluentd(around).is_none_or(|it| !it.2.is_empty()) {
                    self.is_text = true;
                    self.around.push(byte);
                    return;
                }
                self.object.push(byte);
                self.depth = 1;
            }
            b'\n' => {
                if self.is_text || !is_framing(&self.around) {
                    out.append(&mut self.around);
                    out.push(b'\n');
                }
                self.around.clear();
                self.is_text = false;
            }
            _ => {
                self.around.push(byte);
                if self.around.len() > RECORD_MAX_BYTES {
                    // The rest of the line comes after it.
                    out.append(&mut self.around);
                    self.is_text = true;
                }
            }
        }
    }

    fn inside(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.in_string {
            // No string holds a newline: the line was torn, and the next one is another.
            if byte == b'\n' {
                self.give_up(out);
                return;
            }
            (self.in_string, self.escaped) = match (self.escaped, byte) {
                (false, b'"') => (false, false),
                (false, b'\\') => (true, true),
                _ => (true, false),
            };
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
        }
        let is_newline = !self.in_string && matches!(byte, b'\n' | b'\r');
        self.object.push(if is_newline { b' ' } else { byte });
        if self.depth == 0 {
            self.write(out);
        } else if self.object.len() > RECORD_MAX_BYTES {
            out.append(&mut self.object);
            (self.depth, self.in_string, self.escaped) = (0, false, false);
            self.around.clear();
            self.is_text = true;
        }
    }

    /// Writes what never became an object as the line that it is.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        if !is_framing(&self.around) {
            out.append(&mut self.around);
        }
        self.around.clear();
        out.append(&mut self.object);
        out.push(b'\n');
        (self.depth, self.in_string, self.escaped) = (0, false, false);
    }

    /// Writes an object that is whole.
    fn write(&mut self, out: &mut Vec<u8>) {
        match fluentd(&self.around) {
            Some((time, tag, _)) => {
                let has = |name| memchr::memmem::find(&self.object, name).is_some();
                out.push(b'{');
                for (name, is_there, value) in [
                    ("time", has(b"\"time\""), time),
                    ("tag", has(b"\"tag\""), tag),
                ] {
                    if !is_there {
                        out.extend(format!("\"{name}\":{},", Value::from(value)).bytes());
                    }
                }
                let rest = self.object[1..].trim_ascii_start();
                if rest.starts_with(b"}") && out.ends_with(b",") {
                    out.pop();
                }
                out.extend_from_slice(rest);
                out.push(b'\n');
            }
            None if envelope::may_be(&self.object)
                && envelope::open(&self.object, &mut { OPENED_MAX_BYTES }, out) => {}
            None => {
                out.extend_from_slice(&self.object);
                out.push(b'\n');
            }
        }
        self.object.clear();
        self.around.clear();
    }
}

/// Whether there is nothing but what stands between objects.
fn is_framing(around: &[u8]) -> bool {
    let is_between = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(*byte, b'[' | b']' | b',' | RECORD_SEPARATOR)
    };
    let around = around.strip_prefix(b"data:").unwrap_or(around);
    around.iter().all(is_between)
}
