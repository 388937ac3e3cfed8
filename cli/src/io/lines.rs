//! Cuts texts between lines, and lines between characters.

/// A longer line is cut into pieces, in bytes: it is never held as a whole.
pub const LINE_MAX_BYTES: usize = 1 << 20;

/// The lines of a text, without their newlines.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    ends.map(move |end| {
        let line = text.get(start..end).unwrap_or(&[]);
        start = end + 1;
        line
    })
}

/// A piece of a line that is longer than `max_bytes`, which ends between two characters, and the rest.
pub fn line_piece(line: &[u8], max_bytes: usize) -> (&[u8], &[u8]) {
    let within_character = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut ends = (max_bytes.saturating_sub(3)..=max_bytes).rev();
    let end = ends.find(|at| !within_character(at)).unwrap_or(max_bytes);
    line.split_at(end.min(line.len()))
}

/// Parts of whole lines, of at most `max_bytes` but for longer lines.
pub fn parts(lines: &[u8], max_bytes: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.get(..max_bytes) {
            None => rest.len(),
            Some(begin) => memchr::memrchr(b'\n', begin)
                .or_else(|| memchr::memchr(b'\n', rest))
                .map_or(rest.len(), |at| at + 1),
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// Two parts of whole lines, `None` for a single one.
pub fn halves(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, behind) = lines.split_at(lines.len() / 2);
    let end = match memchr::memchr(b'\n', behind) {
        Some(at) if before.len() + at + 1 < lines.len() => before.len() + at + 1,
        _ => memchr::memrchr(b'\n', before)? + 1,
    };
    Some(lines.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_end_in_single_lines() {
        for text in [
            "a\n",
            "a\nb\nc\n",
            "aaaaaaaa\nb\n",
            "a\nbbbbbbbbbb\n",
            "a\nb",
        ] {
            let (mut todo, mut all) = (vec![text.as_bytes()], Vec::new());
            while let Some(lines) = todo.pop() {
                match halves(lines) {
                    Some((first, second)) => todo.extend([second, first]),
                    None => all.push(lines),
                }
            }
            let lines: Vec<&[u8]> = text.as_bytes().split_inclusive(|it| *it == b'\n').collect();
            assert_eq!(all, lines, "{text}");
        }
    }

    #[test]
    fn parts_are_whole_lines_and_all_of_them() {
        const PART_BYTES: usize = 128 * 1024;
        let mut lines = Vec::new();
        for length in [10, 300_000, 5, 130_000, 0, PART_BYTES - 1, 1] {
            lines.extend(std::iter::repeat_n(b'x', length));
            lines.push(b'\n');
        }
        let all: Vec<&[u8]> = parts(&lines, PART_BYTES).collect();
        assert_eq!(all.concat(), lines);
        assert!(all.len() >= 4);
        for part in all {
            let lines = part.split_inclusive(|byte| *byte == b'\n').count();
            assert!(
                part.ends_with(b"\n")
                    && (part.len() <= PART_BYTES
                        || lines == 1
                        || part.starts_with(b"xxxxxxxxxx\n"))
            );
        }
    }
}
