//! Lines in parts, as a guest is given them.

/// A batch is pushed in pieces of this size (but for longer lines), in bytes: the guest's buffers stay small.
const PIECE_BYTES: usize = 128 * 1024;

/// Cuts lines into pieces of whole lines.
pub(super) fn pieces(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.get(..PIECE_BYTES) {
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
pub(super) fn halves(lines: &[u8]) -> Option<(&[u8], &[u8])> {
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
    fn pieces_are_whole_lines_and_all_of_them() {
        let mut lines = Vec::new();
        for length in [10, 300_000, 5, 130_000, 0, 128 * 1024 - 1, 1] {
            lines.extend(std::iter::repeat_n(b'x', length));
            lines.push(b'\n');
        }
        let all: Vec<&[u8]> = pieces(&lines).collect();
        assert_eq!(all.concat(), lines);
        assert!(all.len() >= 4);
        for piece in all {
            let lines = piece.split_inclusive(|byte| *byte == b'\n').count();
            assert!(
                piece.ends_with(b"\n")
                    && (piece.len() <= PIECE_BYTES
                        || lines == 1
                        || piece.starts_with(b"xxxxxxxxxx\n"))
            );
        }
    }
}
