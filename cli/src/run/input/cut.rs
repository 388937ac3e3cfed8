//! Cuts whatever comes in into small batches, so that nothing behind them has to be large: not the output that is made of one,
//! not its documents, not their ids.

use crate::io::lines::{LINE_MAX_BYTES, line_piece};

const _: () = assert!(BATCH_MAX_BYTES <= BATCH_MOST_BYTES);

/// A batch is no larger, in bytes, but for a longer line.
pub const BATCH_MAX_BYTES: usize = 256 * 1024;
/// No batch is larger than this, in bytes.
pub const BATCH_MOST_BYTES: usize = LINE_MAX_BYTES + 1;
/// A batch has no more records: of tiny ones what they become is far larger than they are.
pub const BATCH_MAX_RECORDS: usize = 4096;

/// The batches that records become, each of whole lines with their newlines. Blank ones are no records and are
/// left out; one that is too long is cut into pieces, which end between two characters. The same records give the
/// same batches.
pub struct Batches<R, B> {
    records: R,
    /// What did not fit any more, and how much of it is in batches already.
    pending: Option<(B, usize)>,
    /// How many records were cut so far.
    pub cut: u64,
}

impl<R: Iterator<Item = B>, B: AsRef<[u8]>> Batches<R, B> {
    /// The batches of records without newlines; one in the place of a record's first byte stands for a brace.
    pub fn new(records: R) -> Batches<R, B> {
        Batches {
            records,
            pending: None,
            cut: 0,
        }
    }

    /// Whether there is no further batch.
    pub fn is_at_end(&mut self) -> bool {
        self.pending = self.record();
        self.pending.is_none()
    }

    /// The next record, and where in it what is left of it begins.
    fn record(&mut self) -> Option<(B, usize)> {
        loop {
            let next = self.pending.take();
            let (record, at) = next.or_else(|| Some((self.records.next()?, 0)))?;
            let rest = record.as_ref().get(at..).unwrap_or(&[]);
            if !rest.trim_ascii().is_empty() {
                return Some((record, at));
            }
        }
    }
}

impl<R: Iterator<Item = B>, B: AsRef<[u8]>> Iterator for Batches<R, B> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let (mut batch, mut records) = (Vec::new(), 0);
        loop {
            let Some((record, at)) = self.record() else {
                break;
            };
            let rest = record.as_ref().get(at..).unwrap_or(&[]);
            let (piece, behind) = if rest.len() > LINE_MAX_BYTES {
                line_piece(rest, LINE_MAX_BYTES)
            } else {
                (rest, &[][..])
            };
            let is_full = records == BATCH_MAX_RECORDS
                || (records > 0 && batch.len() + piece.len() >= BATCH_MAX_BYTES);
            if is_full {
                self.pending = Some((record, at));
                break;
            }
            let start = batch.len();
            batch.extend_from_slice(piece);
            if let Some(first @ b'\n') = batch.get_mut(start) {
                *first = b'{';
            }
            batch.push(b'\n');
            records += 1;
            if !behind.is_empty() {
                self.cut += u64::from(at == 0);
                let at = at + piece.len();
                self.pending = Some((record, at));
            }
        }
        (records > 0).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::lines::lines;

    fn batches(text: &str) -> (Vec<String>, u64) {
        let mut batches = Batches::new(lines(text.as_bytes()));
        let all = batches.by_ref().map(|it| String::from_utf8(it).unwrap());
        (all.collect(), batches.cut)
    }

    #[test]
    fn blank_lines_are_no_records() {
        assert_eq!(batches(""), (vec![], 0));
        assert_eq!(batches(&"\n \r\n\t\n".repeat(100_000)), (vec![], 0));
        let (all, _) = batches("\n\na\r\n  \n b\n\n\nc");
        assert_eq!(all, ["a\r\n b\nc\n"]);
    }

    #[test]
    fn batches_have_few_records_and_few_bytes() {
        let (all, _) = batches(&"{}\n".repeat(10_000));
        let records: Vec<usize> = all.iter().map(|it| it.lines().count()).collect();
        assert_eq!(records, [BATCH_MAX_RECORDS, BATCH_MAX_RECORDS, 1808]);
        let text = format!("{}\n", "x".repeat(1000)).repeat(1000);
        let (all, _) = batches(&text);
        assert!(all.iter().all(|it| it.len() <= BATCH_MAX_BYTES) && all.len() == 4);
        assert_eq!(all.concat(), text);
    }

    #[test]
    fn lines_that_are_too_long_are_cut_between_characters() {
        let whole = "x".repeat(LINE_MAX_BYTES);
        assert_eq!(batches(&whole), (vec![whole.clone() + "\n"], 0));
        for before in ["", "short\n"] {
            let long = format!("{before}x{}\n\nend\n", "ä".repeat(LINE_MAX_BYTES));
            let (all, cut) = batches(&long);
            assert_eq!(cut, 1);
            let text = all.concat();
            assert!(text.lines().all(|line| line.len() <= LINE_MAX_BYTES));
            assert_eq!(text.lines().count(), 4 + before.lines().count());
            assert_eq!(text.replace('\n', ""), long.replace('\n', ""));
        }
    }
}
