//! The journal's export format (`journalctl -o export`: <https://systemd.io/JOURNAL_EXPORT_FORMATS/>) and what is made for
//! people of it (`-o verbose`): fields of an entry below each other.

use std::borrow::Cow;

use serde_json::Value;

use super::{Framing, RECORD_MAX_BYTES};

/// Whether a journal's entries begin with that line.
pub fn begins(line: &[u8]) -> bool {
    line.starts_with(b"__CURSOR=") || verbose(line).is_some()
}

/// The time of the line that an entry begins with in `-o verbose`: `Mon 2026-11-16 19:13:55.123456 UTC [s=…;i=…]`.
fn verbose(line: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(line, b" [s=")?;
    let (time, cursor) = line.split_at(at);
    let is_time = time.len() < 64 && time.iter().filter(|byte| **byte == b':').count() == 2;
    (is_time && line[0].is_ascii_alphabetic() && cursor.trim_ascii_end().ends_with(b"]"))
        .then_some(time)
}

/// Makes an object of the fields of each entry.
#[derive(Default)]
pub struct Journal {
    /// The object as far as it is written, without its last brace.
    entry: Vec<u8>,
    /// A line that is not whole yet, or a field's bytes.
    line: Vec<u8>,
    binary: Option<Binary>,
}

/// A field whose length is written before its bytes.
struct Binary {
    name: String,
    /// How many bytes of the length are missing, and the length of the field as far as it is known.
    length: [u8; 8],
    known: usize,
    left: u64,
}

impl Framing for Journal {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            match &mut self.binary {
                Some(field) if field.known < field.length.len() => {
                    field.length[field.known] = *byte;
                    field.known += 1;
                    // The newline after it, too.
                    field.left = u64::from_le_bytes(field.length).saturating_add(1);
                }
                Some(field) => {
                    field.left -= 1;
                    if field.left > 0 {
                        if self.line.len() < RECORD_MAX_BYTES {
                            self.line.push(*byte);
                        }
                    } else if let Some(field) = self.binary.take() {
                        let value = std::mem::take(&mut self.line);
                        self.field(&field.name, &value);
                    }
                }
                None if *byte == b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    self.line(&line, out);
                }
                None => {
                    self.line.push(*byte);
                    if self.line.len() > RECORD_MAX_BYTES {
                        let line = std::mem::take(&mut self.line);
                        self.line(&line, out);
                    }
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.binary.is_none() {
            let line = std::mem::take(&mut self.line);
            self.line(&line, out);
        }
        self.write(out);
    }
}

impl Journal {
    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(time) = verbose(line) {
            self.write(out);
            return self.field("time", time);
        }
        let field = line.trim_ascii_start();
        match field.iter().position(|byte| *byte == b'=') {
            _ if field.is_empty() => self.write(out),
            Some(at) if is_name(&field[..at]) => {
                self.field(&text(&field[..at]), &field[at + 1..]);
            }
            None if is_name(field) => {
                self.binary = Some(Binary {
                    name: text(field).into_owned(),
                    length: [0; 8],
                    known: 0,
                    left: 1,
                });
            }
            // Whatever it is, it is no field, and goes on.
            _ => {
                self.write(out);
                out.extend_from_slice(line);
                out.push(b'\n');
            }
        }
    }

    fn field(&mut self, name: &str, value: &[u8]) {
        if self.entry.len() + value.len() > RECORD_MAX_BYTES {
            return;
        }
        self.entry
            .push(if self.entry.is_empty() { b'{' } else { b',' });
        let (name, value) = (Value::from(name), Value::from(text(value)));
        self.entry.extend(format!("{name}:{value}").bytes());
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        if !self.entry.is_empty() {
            out.append(&mut self.entry);
            out.extend_from_slice(b"}\n");
        }
    }
}

/// As the journal allows them: capitals, digits and underscores.
fn is_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    !name.is_empty() && name.len() <= 64 && name.iter().all(is_part)
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
