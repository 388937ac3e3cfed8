//! Which lines lie in the time that is asked for.

use std::ops::Range;

/// From when until when, in ms since the Unix epoch; the end is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first time in it.
    pub since_ms: Option<i64>,
    /// The first time behind it.
    pub until_ms: Option<i64>,
}

impl Span {
    /// Whether every time is in it.
    pub fn is_all(&self) -> bool {
        *self == Span::default()
    }

    fn has(&self, time_ms: i64) -> bool {
        self.since_ms.is_none_or(|since_ms| time_ms >= since_ms)
            && self.until_ms.is_none_or(|until_ms| time_ms < until_ms)
    }

    /// The parts of `lines` that are in it. A line without a time goes with the line before; `last_ms` is the time of that one, and
    /// becomes that of the last. `outside` counts the lines that are not in it.
    pub fn parts(
        &self,
        lines: &[u8],
        times: &[Option<i64>],
        last_ms: &mut Option<i64>,
        outside: &mut u64,
    ) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        let mut time_ms = last_ms.or(times.iter().find_map(|time| *time));
        let mut start = 0;
        let mut times = times.iter();
        while start < lines.len() {
            let rest = lines.get(start..).unwrap_or_default();
            let end = start + memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            time_ms = times.next().copied().flatten().or(time_ms);
            if time_ms.is_some_and(|time_ms| self.has(time_ms)) {
                match parts.last_mut() {
                    Some(part) if part.end == start => part.end = end,
                    _ => parts.push(start..end),
                }
            } else {
                *outside += 1;
            }
            start = end;
        }
        *last_ms = time_ms;
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_with_their_times_and_those_without_with_the_line_before() {
        let span = Span {
            since_ms: Some(10),
            until_ms: Some(20),
        };
        let lines = b"a\nb\nc\nd\ne\nf";
        let times = [Some(9), Some(10), None, Some(20), None, Some(19)];
        let (mut last_ms, mut outside) = (None, 0);
        let parts = span.parts(lines, &times, &mut last_ms, &mut outside);
        assert_eq!((parts, last_ms, outside), (vec![2..6, 10..11], Some(19), 3));
        for (times, mut last_ms, parts) in [
            ([None, Some(5)], Some(19), Some(0..2)),
            // Before the first time it is as that one.
            ([None, Some(12)], None, Some(0..4)),
            ([None, None], None, None),
        ] {
            let found = span.parts(b"g\nh\n", &times, &mut last_ms, &mut 0);
            assert_eq!(found.first().cloned(), parts);
        }
    }
}
