//! Reads a guest's output in place, without believing any of its numbers.

use super::{Breach, Kind};

/// The output of the last call.
pub(super) struct Segments<'a> {
    /// Kind, start and length of each.
    table: &'a [[u8; 12]],
    /// What all segments but passed ones lie in; of calls that have none, the answer itself.
    pub(super) bytes: &'a [u8],
}

impl<'a> Segments<'a> {
    /// Reads the descriptor at `address`.
    pub(super) fn read(memory: &'a [u8], address: u32) -> Result<Segments<'a>, Breach> {
        let part = |address, len, what| slice(memory, address, len).ok_or(Breach::Outside(what));
        let [table, count, bytes, len] = numbers(part(address, 16, "an address")?);
        let size = count.checked_mul(12).ok_or(Breach::Outside("segments"))?;
        Ok(Segments {
            table: part(table, size, "segments")?.as_chunks().0,
            bytes: part(bytes, len, "bytes")?,
        })
    }

    /// Every segment in order; `input` is what was pushed. Together they are no more than what they lie in: nothing is
    /// said twice.
    pub(super) fn iter(
        &self,
        input: &'a [u8],
    ) -> impl Iterator<Item = Result<(Kind, &'a [u8]), Breach>> + use<'a> {
        let bytes = self.bytes;
        let (mut input_left, mut bytes_left) = (input.len(), bytes.len());
        self.table.iter().map(move |segment| {
            let [kind, start, len] = numbers(segment);
            let kind = kind_of(kind).ok_or(Breach::UnknownKind(kind))?;
            let (whole, left) = match kind {
                Kind::Passed => (input, &mut input_left),
                _ => (bytes, &mut bytes_left),
            };
            let piece =
                slice(whole, start, len).ok_or(Breach::LongSegment(len, start, whole.len()))?;
            *left = left.checked_sub(piece.len()).ok_or(Breach::Overlap)?;
            Ok((kind, piece))
        })
    }
}

/// `len` bytes at `address`, if the memory has them.
pub(super) fn slice(memory: &[u8], address: u32, len: u32) -> Option<&[u8]> {
    let start = address as usize;
    memory.get(start..start.checked_add(len as usize)?)
}

fn numbers<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *number = u32::from_le_bytes(*bytes);
    }
    numbers
}

fn kind_of(number: u32) -> Option<Kind> {
    [
        Kind::Passed,
        Kind::Wrapped,
        Kind::Enriched,
        Kind::Alert,
        Kind::Statistics,
        Kind::View,
        Kind::Identified,
    ]
    .into_iter()
    .find(|kind| *kind as u32 == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(numbers: &[u32]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    #[test]
    fn segments_are_read_where_they_lie() {
        // The descriptor at 0, one segment of each place at 16, five bytes at 40.
        let mut memory = memory(&[16, 2, 40, 5, 0, 1, 3, 3, 0, 5]);
        memory.extend_from_slice(b"alert");
        let output = Segments::read(&memory, 0).unwrap();
        let segments: Vec<_> = output.iter(b"input").map(Result::unwrap).collect();
        assert_eq!(
            segments,
            [(Kind::Passed, &b"npu"[..]), (Kind::Alert, &b"alert"[..])]
        );
    }

    #[test]
    fn numbers_beyond_the_memory_are_refused() {
        for descriptor in [
            [u32::MAX, 1, 0, 0],
            [0, u32::MAX, 0, 0],
            [0, 0, 8, 9],
            [0, 0, u32::MAX, u32::MAX],
        ] {
            assert!(
                Segments::read(&memory(&descriptor), 0).is_err(),
                "{descriptor:?}"
            );
        }
        assert!(Segments::read(&[0; 15], 0).is_err());
        let memory = memory(&[16, 2, 0, 4, 9, 0, 0, 1, 4, 1]);
        let output = Segments::read(&memory, 0).unwrap();
        let problems: Vec<_> = output.iter(b"").map(Result::unwrap_err).collect();
        assert_eq!(
            problems,
            [Breach::UnknownKind(9), Breach::LongSegment(1, 4, 4)]
        );
    }

    #[test]
    fn nothing_is_said_twice() {
        for (kind, input) in [(0, &b"input"[..]), (3, b"")] {
            let mut memory = memory(&[16, 2, 40, 5, kind, 0, 3, kind, 2, 3]);
            memory.extend_from_slice(b"alert");
            let output = Segments::read(&memory, 0).unwrap();
            let segments: Vec<_> = output.iter(input).collect();
            assert!(segments[0].is_ok());
            assert_eq!(segments[1], Err(Breach::Overlap));
        }
    }
}
