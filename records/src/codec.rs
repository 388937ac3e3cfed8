//! Writes state as bytes and reads it back, for snapshots and keyed engines.
//!
//! One walk over a value both writes it and reads it back, so that the two cannot disagree: a [`Tape`] has
//! a direction, and [`Codec::pass`] hands every field to it. By hand rather than derived with serde: each
//! type that serde knows brings two functions of several KiB into every guest.
//!
//! Numbers take seven bits a byte, the lowest first (signed ones zigzag), hashes 16 bytes, texts and lists
//! their length first, options and variants a byte that says which.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes that are written or read.
pub struct Tape<'a> {
    written: Vec<u8>,
    rest: &'a [u8],
    is_reading: bool,
    is_good: bool,
    is_earlier: bool,
}

/// A value that can go onto a tape and come back.
pub trait Codec<'a> {
    /// Something to read over.
    fn blank() -> Self;

    /// Writes the value, or puts in its place what is read. What was read from a bad tape is a valid value,
    /// but any.
    fn pass(&mut self, tape: &mut Tape<'a>);
}

/// Lets the named fields of a struct pass, in their order.
#[macro_export]
macro_rules! codec {
    ($type:ty: $($field:ident),+) => {
        impl<'a> $crate::codec::Codec<'a> for $type {
            fn blank() -> Self {
                Self::default()
            }

            fn pass(&mut self, tape: &mut $crate::codec::Tape<'a>) {
                $($crate::codec::Codec::pass(&mut self.$field, tape);)+
            }
        }
    };
}

// The passages of plain values are called rather than inlined: there are a hundred fields, and no record
// waits for them.
impl<'a> Tape<'a> {
    /// A tape to be written, behind what is there.
    pub fn after(written: Vec<u8>) -> Tape<'a> {
        Tape {
            written,
            rest: &[],
            is_reading: false,
            is_good: true,
            is_earlier: false,
        }
    }

    /// A tape to be read.
    pub fn of(bytes: &'a [u8]) -> Tape<'a> {
        Tape {
            written: Vec::new(),
            rest: bytes,
            is_reading: true,
            is_good: true,
            is_earlier: false,
        }
    }

    /// A tape to be read that was written in the format before.
    pub fn of_earlier(bytes: &'a [u8]) -> Tape<'a> {
        Tape {
            is_earlier: true,
            ..Tape::of(bytes)
        }
    }

    /// Whether what is read was written in the format before. Types that have changed since read it as it was.
    pub fn is_earlier(&self) -> bool {
        self.is_earlier
    }

    /// What was written.
    pub fn into_written(self) -> Vec<u8> {
        self.written
    }

    /// Whether all that was read was there and makes sense.
    pub fn is_good(&self) -> bool {
        self.is_good
    }

    /// Whether that was all of it, too.
    pub fn is_read_well(&self) -> bool {
        self.is_good && self.rest.is_empty()
    }

    /// Says whether what was read makes sense to its reader.
    pub fn judge(&mut self, makes_sense: bool) {
        self.is_good &= makes_sense;
    }

    #[inline(never)]
    fn take(&mut self, len: u64) -> &'a [u8] {
        let split = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let Some((taken, rest)) = split else {
            self.is_good = false;
            self.rest = &[];
            return &[];
        };
        self.rest = rest;
        taken
    }

    /// As many bytes as there are places.
    #[inline(never)]
    fn raw(&mut self, bytes: &mut [u8]) {
        if self.is_reading {
            let taken = self.take(bytes.len() as u64);
            if taken.len() == bytes.len() {
                bytes.copy_from_slice(taken);
            }
        } else {
            self.written.extend_from_slice(bytes);
        }
    }

    /// A number up to `most`.
    #[inline(never)]
    fn number(&mut self, value: u64, most: u64) -> u64 {
        if !self.is_reading {
            let mut left = value;
            while left >= 0x80 {
                self.written.push(left as u8 | 0x80);
                left >>= 7;
            }
            self.written.push(left as u8);
            return value;
        }
        let mut value: u64 = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.take(1).first().copied().unwrap_or(0);
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        if value > most {
            self.is_good = false;
            return 0;
        }
        value
    }

    /// Which of several variants.
    fn variant(&mut self, number: u8, most: u8) -> u8 {
        self.number(u64::from(number), u64::from(most)) as u8
    }

    #[inline(never)]
    fn text(&mut self, text: &'a str) -> &'a str {
        let len = self.number(text.len() as u64, u64::MAX);
        if !self.is_reading {
            self.written.extend_from_slice(text.as_bytes());
            return text;
        }
        let taken = self.take(len);
        core::str::from_utf8(taken).unwrap_or_else(|_| {
            self.is_good = false;
            ""
        })
    }
}

macro_rules! codec_numbers {
    ($($type:ty),+) => {
        $(impl<'a> Codec<'a> for $type {
            fn blank() -> $type {
                0
            }

            fn pass(&mut self, tape: &mut Tape<'a>) {
                *self = tape.number(*self as u64, <$type>::MAX as u64) as $type;
            }
        })+
    };
}
codec_numbers!(u8, u16, u32, u64, usize);

impl<'a> Codec<'a> for i64 {
    fn blank() -> i64 {
        0
    }

    #[inline(never)]
    fn pass(&mut self, tape: &mut Tape<'a>) {
        let zigzag = tape.number(((*self << 1) ^ (*self >> 63)) as u64, u64::MAX);
        *self = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    }
}

impl<'a> Codec<'a> for u128 {
    fn blank() -> u128 {
        0
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        let mut bytes = self.to_le_bytes();
        tape.raw(&mut bytes);
        *self = u128::from_le_bytes(bytes);
    }
}

impl<'a> Codec<'a> for bool {
    fn blank() -> bool {
        false
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        *self = tape.variant(u8::from(*self), 1) == 1;
    }
}

impl<'a> Codec<'a> for &'a str {
    fn blank() -> &'a str {
        ""
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        *self = tape.text(self);
    }
}

impl<'a> Codec<'a> for String {
    fn blank() -> String {
        String::new()
    }

    #[inline(never)]
    fn pass(&mut self, tape: &mut Tape<'a>) {
        if tape.is_reading {
            *self = String::from(tape.text(""));
        } else {
            tape.number(self.len() as u64, u64::MAX);
            tape.written.extend_from_slice(self.as_bytes());
        }
    }
}

impl<'a> Codec<'a> for IpAddr {
    fn blank() -> IpAddr {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    }

    #[inline(never)]
    fn pass(&mut self, tape: &mut Tape<'a>) {
        let mut octets = match *self {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        if tape.variant(u8::from(self.is_ipv6()), 1) == 1 {
            tape.raw(&mut octets);
            *self = IpAddr::V6(Ipv6Addr::from(octets));
        } else if let Some(last) = octets.last_chunk_mut::<4>() {
            tape.raw(last);
            *self = IpAddr::V4(Ipv4Addr::from(*last));
        }
    }
}

impl<'a, T: Codec<'a>> Codec<'a> for Box<T> {
    fn blank() -> Box<T> {
        Box::new(T::blank())
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        T::pass(self, tape);
    }
}

impl<'a, T: Codec<'a>> Codec<'a> for Option<T> {
    fn blank() -> Option<T> {
        None
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        if tape.variant(u8::from(self.is_some()), 1) == 1 {
            self.get_or_insert_with(T::blank).pass(tape);
        }
    }
}

impl<'a, T: Codec<'a>> Codec<'a> for Vec<T> {
    fn blank() -> Vec<T> {
        Vec::new()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        let mut left = tape.number(self.len() as u64, u64::MAX);
        if !tape.is_reading {
            self.iter_mut().for_each(|value| value.pass(tape));
            return;
        }
        // The length is only believed as far as there are bytes for it.
        while left > 0 && tape.is_good {
            let mut value = T::blank();
            value.pass(tape);
            self.push(value);
            left -= 1;
        }
    }
}

impl<'a, T: Codec<'a>, const N: usize> Codec<'a> for [T; N] {
    fn blank() -> [T; N] {
        core::array::from_fn(|_| T::blank())
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.iter_mut().for_each(|value| value.pass(tape));
    }
}

impl<'a, A: Codec<'a>, B: Codec<'a>> Codec<'a> for (A, B) {
    fn blank() -> (A, B) {
        (A::blank(), B::blank())
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.0.pass(tape);
        self.1.pass(tape);
    }
}

/// The variant of an enum, by its number; for the enums' own files.
pub fn variant(tape: &mut Tape<'_>, number: u8, most: u8) -> u8 {
    tape.variant(number, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written<'a>(mut value: impl Codec<'a>) -> Vec<u8> {
        let mut tape = Tape::after(Vec::new());
        value.pass(&mut tape);
        tape.into_written()
    }

    fn read<'a, T: Codec<'a>>(bytes: &'a [u8]) -> Option<T> {
        let mut tape = Tape::of(bytes);
        let mut value = T::blank();
        value.pass(&mut tape);
        tape.is_read_well().then_some(value)
    }

    type Everything = ((u64, i64), ((u128, Option<String>), Vec<(bool, IpAddr)>));

    proptest! {
        #[test]
        fn what_is_written_comes_back(value in any::<Everything>()) {
            let bytes = written(value.clone());
            prop_assert_eq!(read::<Everything>(&bytes), Some(value));
            for end in 0..bytes.len() {
                prop_assert_eq!(read::<Everything>(&bytes[..end]), None, "cut at {}", end);
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read::<Everything>(&bytes);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(read::<bool>(&[2]), None);
        assert_eq!(read::<u16>(&[0xff, 0xff, 0x03]), Some(u16::MAX));
        assert_eq!(read::<u16>(&[0x80, 0x80, 0x04]), None);
        assert_eq!(read::<String>(&[1, 0xff]), None);
        // A length without the bytes for it must cost no memory.
        assert_eq!(read::<Vec<u64>>(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]), None);
    }
}
