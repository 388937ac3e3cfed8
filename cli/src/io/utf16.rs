//! Converts streams from UTF-16, as PowerShell and some of Windows' editors write it, to UTF-8.

use std::io::{self, Read};

/// As much is read at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// Which byte of a unit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf16Order {
    /// The high one.
    BigEndian,
    /// The low one.
    LittleEndian,
}

impl Utf16Order {
    /// The order that a mark tells, if it is one.
    pub fn of_mark(mark: [u8; 2]) -> Option<Utf16Order> {
        match mark {
            [0xfe, 0xff] => Some(Utf16Order::BigEndian),
            [0xff, 0xfe] => Some(Utf16Order::LittleEndian),
            _ => None,
        }
    }
}

/// A stream in UTF-8. What is no character becomes U+FFFD.
pub struct Utf16<R> {
    stream: R,
    order: Utf16Order,
    /// What was read, and how much of it is not converted yet: half of a unit or of a pair.
    read: Vec<u8>,
    left: usize,
    /// What was converted, and how much of it was given out.
    text: String,
    given: usize,
}

impl<R: Read> Utf16<R> {
    /// Converts what follows the mark.
    pub fn new(stream: R, order: Utf16Order) -> Utf16<R> {
        Utf16 {
            stream,
            order,
            read: vec![0; READ_BYTES],
            left: 0,
            text: String::new(),
            given: 0,
        }
    }

    /// Reads once and converts; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let room = self.read.get_mut(self.left..).unwrap_or_default();
        let count = self.stream.read(room)?;
        let there = self.left + count;
        let (mut units, mut rest) = self.read.get(..there).unwrap_or_default().as_chunks::<2>();
        let unit = |bytes: &[u8; 2]| match self.order {
            Utf16Order::BigEndian => u16::from_be_bytes(*bytes),
            Utf16Order::LittleEndian => u16::from_le_bytes(*bytes),
        };
        if let Some((last, before)) = units.split_last()
            && count > 0
            && (0xd800..0xdc00).contains(&unit(last))
        {
            // The other half of the pair is to come.
            rest = self.read.get(before.len() * 2..there).unwrap_or_default();
            units = before;
        }
        let left = rest.len();
        (self.given, self.left) = (0, left);
        self.text.clear();
        let characters = char::decode_utf16(units.iter().map(unit));
        self.text
            .extend(characters.map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)));
        if count == 0 && !rest.is_empty() {
            self.text.push(char::REPLACEMENT_CHARACTER);
            self.left = 0;
        }
        self.read.copy_within(there - left..there, 0);
        Ok(count > 0 || !self.text.is_empty())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let text = self.text.as_bytes().get(self.given..).unwrap_or_default();
        let count = text.len().min(buffer.len());
        buffer[..count].copy_from_slice(&text[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::slow::Slow;

    fn converted(units: &[u16], order: Utf16Order, at_once: usize) -> String {
        let bytes: Vec<u8> = units
            .iter()
            .flat_map(|unit| match order {
                Utf16Order::BigEndian => unit.to_be_bytes(),
                Utf16Order::LittleEndian => unit.to_le_bytes(),
            })
            .collect();
        let mut text = String::new();
        Utf16::new(Slow(&bytes[..], at_once), order)
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn every_character_comes_out_however_it_is_cut() {
        let text = "Jan  5 naïve user=<żółć>, \u{1f4e7}\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        for order in [Utf16Order::BigEndian, Utf16Order::LittleEndian] {
            for at_once in [1, 2, 3, 5, 1000] {
                assert_eq!(converted(&units, order, at_once), text);
            }
        }
        let long: String = text.repeat(10_000);
        let units: Vec<u16> = long.encode_utf16().collect();
        assert_eq!(converted(&units, Utf16Order::LittleEndian, 7_001), long);
    }

    #[test]
    fn what_is_no_character_is_replaced() {
        let order = Utf16Order::LittleEndian;
        assert_eq!(converted(&[0x61, 0xdc00, 0x62], order, 1000), "a\u{fffd}b");
        assert_eq!(converted(&[0x61, 0xd800, 0x62], order, 1), "a\u{fffd}b");
        assert_eq!(converted(&[0x61, 0xd800], order, 1000), "a\u{fffd}");
        let mut text = String::new();
        Utf16::new(&b"a\0b"[..], order)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "a\u{fffd}");
    }
}
