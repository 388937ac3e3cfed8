//! Remembers which records of a batch a flood held back. A batch that comes again after a restart must get the verdicts of its
//! first time: by then the floods that it opened itself are open, and would hold back what went before their opening and was
//! never delivered.

/// The numbers of the records that were held back, as ranges.
///
/// A range goes on over records of which nothing was written anyway. So there are no more ranges than lines
/// of output, and what bounds the output that waits bounds these as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppressed {
    /// In order; each from a number up to but not including another.
    ranges: Vec<(u32, u32)>,
}

impl Suppressed {
    /// All: there is nothing to deliver any more.
    pub fn all() -> Suppressed {
        Suppressed {
            ranges: vec![(0, u32::MAX)],
        }
    }

    /// What it takes of the memory, in bytes.
    pub fn weight(&self) -> usize {
        self.ranges.capacity() * size_of::<(u32, u32)>()
    }

    /// Whether it is all of them.
    pub fn is_all(&self) -> bool {
        self.ranges == [(0, u32::MAX)]
    }

    /// Adds a record behind all others; with `joins` nothing was written since the last one.
    pub fn add(&mut self, number: u32, joins: bool) {
        let end = number.saturating_add(1);
        match self.ranges.last_mut() {
            Some(last) if joins || last.1 == number => last.1 = end,
            _ => self.ranges.push((number, end)),
        }
    }

    /// Whether a record is among them.
    pub fn has(&self, number: u32) -> bool {
        let behind = self.ranges.partition_point(|(_, end)| *end <= number);
        self.ranges
            .get(behind)
            .is_some_and(|(start, _)| *start <= number)
    }

    /// Forgets everything from a record on.
    pub fn cut(&mut self, number: u32) {
        self.ranges.retain(|(start, _)| *start < number);
        if let Some(last) = self.ranges.last_mut() {
            last.1 = last.1.min(number);
        }
    }

    /// Appends them: how many ranges there are, and where each begins and ends, as u32, little endian.
    pub fn write(&self, out: &mut Vec<u8>) {
        let count = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        for number in self.ranges.iter().flat_map(|(start, end)| [start, end]) {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads what [`Suppressed::write`] wrote, and gives what follows it.
    pub fn read(bytes: &[u8]) -> Option<(Suppressed, &[u8])> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*count))
            .ok()?
            .checked_mul(8)?;
        let (ranges, rest) = rest.split_at_checked(len)?;
        let numbers = |range: &[u8; 8]| {
            let [a, b, c, d, e, f, g, h] = *range;
            (
                u32::from_le_bytes([a, b, c, d]),
                u32::from_le_bytes([e, f, g, h]),
            )
        };
        let ranges = ranges.as_chunks::<8>().0.iter().map(numbers).collect();
        Some((Suppressed { ranges }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(suppressed: &Suppressed) -> Vec<u32> {
        (0..20).filter(|number| suppressed.has(*number)).collect()
    }

    #[test]
    fn neighbours_and_what_joins_are_one_range() {
        let mut suppressed = Suppressed::default();
        for (number, joins) in [(2, false), (3, false), (5, true), (9, false)] {
            suppressed.add(number, joins);
        }
        assert_eq!(suppressed.ranges, [(2, 6), (9, 10)]);
        assert_eq!(numbers(&suppressed), [2, 3, 4, 5, 9]);
        suppressed.cut(4);
        assert_eq!(numbers(&suppressed), [2, 3]);
        suppressed.cut(0);
        assert_eq!(suppressed, Suppressed::default());
        assert!(Suppressed::all().has(0) && Suppressed::all().is_all());
    }

    #[test]
    fn what_is_written_is_read_and_nothing_beyond_it() {
        let mut suppressed = Suppressed::default();
        suppressed.add(7, false);
        suppressed.add(70_000, false);
        for suppressed in [suppressed, Suppressed::default(), Suppressed::all()] {
            let mut bytes = Vec::new();
            suppressed.write(&mut bytes);
            let len = bytes.len();
            bytes.extend_from_slice(b"rest");
            assert_eq!(Suppressed::read(&bytes), Some((suppressed, &b"rest"[..])));
            assert_eq!(Suppressed::read(&bytes[..len - 1]), None);
        }
        assert_eq!(Suppressed::read(&[0xff; 8]), None);
    }
}
