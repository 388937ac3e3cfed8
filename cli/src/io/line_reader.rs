//! Cuts a stream into chunks of whole lines, with bounded memory whatever the length of a line, and tells which of them are
//! records.

use std::io::{self, Read};

use super::lines::{LINE_MAX_BYTES, line_piece};

/// Whole lines, each with a newline at its end.
#[derive(Debug, Default)]
pub struct Chunk {
    buffer: Vec<u8>,
    len: usize,
    /// Where the first line lies in the decompressed stream.
    pub offset: u64,
    /// The line was too long and begins here; its other pieces are in the chunks that follow.
    pub cut: bool,
    /// Its last line does not end in the stream: it is a piece of one that goes on, or the last of all.
    pub unended: bool,
    /// Some of the lines are blank.
    has_blank: bool,
}

impl Chunk {
    /// The lines.
    pub fn lines(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or(&[])
    }

    /// Of `lines`, a part of these, those that are records, in runs, each with its place there: blank ones are none.
    pub fn records<'a>(&self, lines: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8])> {
        let (has_blank, mut at) = (self.has_blank, 0);
        std::iter::from_fn(move || {
            let rest = &lines[at..];
            let (start, end) = match has_blank {
                true => record_run(rest),
                false => (0, rest.len()),
            };
            let start_at = at + start;
            at += end;
            (start < end).then(|| (start_at, &rest[start..end]))
        })
    }

    /// The first bytes of the buffer are its lines.
    fn holds(&mut self, len: usize) {
        self.len = len;
        self.has_blank = record_run(self.lines()) != (0, len);
    }
}

/// Reads chunks from a stream.
pub struct LineReader<R> {
    reader: R,
    /// What was read but is not part of a chunk yet: the beginning of a line.
    carry: Vec<u8>,
    /// Where `carry` lies in the stream.
    offset: u64,
    /// Nothing but NULs was read.
    at_start: bool,
    /// The line that `carry` goes on with was cut.
    within_cut: bool,
    ended: bool,
    /// Why it ended, if it was not the end.
    error: Option<io::Error>,
    /// Fill the chunk before handing it on; without this, hand on what one read gave.
    fill: bool,
    chunk_bytes: usize,
}

impl<R: Read> LineReader<R> {
    /// Chunks of about `chunk_bytes`, more only for a longer line. `fill` says that reading never waits
    /// (a regular file); a live stream is handed on as it comes.
    pub fn new(reader: R, chunk_bytes: usize, fill: bool) -> LineReader<R> {
        LineReader {
            reader,
            carry: Vec::new(),
            offset: 0,
            at_start: true,
            within_cut: false,
            ended: false,
            error: None,
            fill,
            chunk_bytes: chunk_bytes.min(LINE_MAX_BYTES),
        }
    }

    /// Reads the next lines into `chunk`, whose memory is used again; `false` at the end.
    ///
    /// # Errors
    /// As the stream says, after all that could be read before it was handed on.
    pub fn next(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        let buffer = &mut chunk.buffer;
        let mut len = self.carry.len();
        make_room(buffer, len.max(self.chunk_bytes));
        buffer[..len].copy_from_slice(&self.carry);
        self.carry.clear();
        let (mut searched, mut unended) = (0, false);
        let end = loop {
            // Only what is new since the last look can have one.
            if let Some(at) = memchr::memrchr(b'\n', &buffer[searched..len]) {
                break searched + at + 1;
            }
            searched = len;
            if len > LINE_MAX_BYTES {
                return Ok(self.cut(chunk, len));
            }
            if self.ended {
                if len == 0 {
                    return self.error.take().map_or(Ok(false), Err);
                }
                make_room(buffer, len + 1);
                buffer[len] = b'\n';
                len += 1;
                unended = true;
                break len;
            }
            let target = (len + self.chunk_bytes).min(LINE_MAX_BYTES + 1);
            make_room(buffer, target);
            len = self.read(&mut buffer[..target], len);
            if self.at_start {
                len = self.skip_nuls(&mut buffer[..len]);
            }
        };
        self.carry.extend_from_slice(&buffer[end..len]);
        chunk.offset = self.offset;
        chunk.holds(end);
        (chunk.cut, chunk.unended) = (false, unended);
        self.offset += end as u64;
        self.within_cut = false;
        Ok(true)
    }

    /// Reads once, or until the buffer is full; answers how full it is. An error is kept for later: what
    /// was read before it goes on first.
    fn read(&mut self, buffer: &mut [u8], mut len: usize) -> usize {
        while len < buffer.len() && !self.ended {
            match self.reader.read(&mut buffer[len..]) {
                Ok(0) => self.ended = true,
                Ok(count) => len += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.error = Some(error);
                    self.ended = true;
                }
            }
            if !self.fill {
                break;
            }
        }
        len
    }

    /// Skips NULs before the first line, and answers how much is left: a log that was cut to nothing while its writer went
    /// on behind them has a hole there. They count in offsets.
    fn skip_nuls(&mut self, begin: &mut [u8]) -> usize {
        let nuls = begin.iter().take_while(|byte| **byte == 0).count();
        self.offset += nuls as u64;
        self.at_start = nuls == begin.len();
        begin.copy_within(nuls.., 0);
        begin.len() - nuls
    }

    /// Makes a piece of a line that is too long. It ends between two characters, so that cutting makes
    /// no invalid ones.
    fn cut(&mut self, chunk: &mut Chunk, len: usize) -> bool {
        let buffer = &mut chunk.buffer;
        let end = line_piece(&buffer[..len], LINE_MAX_BYTES).0.len();
        self.carry.extend_from_slice(&buffer[end..len]);
        buffer[end] = b'\n';
        chunk.offset = self.offset;
        chunk.holds(end + 1);
        (chunk.cut, chunk.unended) = (!self.within_cut, true);
        self.offset += end as u64;
        self.within_cut = true;
        true
    }
}

/// Where the first run of lines that are not blank begins and ends.
fn record_run(lines: &[u8]) -> (usize, usize) {
    let start = blank_bytes(lines);
    let rest = &lines[start..];
    let mut ends = memchr::memchr_iter(b'\n', rest).map(|newline| newline + 1);
    let end = ends.find(|end| blank_bytes(&rest[*end..]) > 0);
    (start, start + end.unwrap_or(rest.len()))
}

/// How many bytes of blank lines there are at the start.
fn blank_bytes(lines: &[u8]) -> usize {
    let space = lines.iter().take_while(|byte| byte.is_ascii_whitespace());
    memchr::memrchr(b'\n', &lines[..space.count()]).map_or(0, |at| at + 1)
}

/// Grows the buffer to `len` bytes; it is never shrunk, so that memory is cleared once only.
fn make_room(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::slow::Slow;

    fn chunks(stream: impl Read, chunk_bytes: usize, fill: bool) -> Vec<(u64, Vec<u8>, bool)> {
        let mut reader = LineReader::new(stream, chunk_bytes, fill);
        let mut chunk = Chunk::default();
        let mut all = Vec::new();
        while reader.next(&mut chunk).unwrap() {
            all.push((chunk.offset, chunk.lines().to_vec(), chunk.cut));
        }
        all
    }

    #[test]
    fn lines_come_whole_and_the_last_gets_its_newline() {
        let sizes = [
            (1, 4, false),
            (3, 4, true),
            (100, 4, true),
            (100, 100, false),
        ];
        for (size, chunk_bytes, fill) in sizes {
            let all = chunks(Slow(&b"one\n\ntwo two\nthree"[..], size), chunk_bytes, fill);
            let joined: Vec<u8> = all.iter().flat_map(|(_, lines, _)| lines.clone()).collect();
            assert_eq!(joined, b"one\n\ntwo two\nthree\n");
            let mut offset = 0;
            for (start, lines, cut) in all {
                assert_eq!((start, cut), (offset, false));
                assert_eq!(lines.last(), Some(&b'\n'));
                offset += lines.len() as u64;
            }
        }
        assert!(chunks(&b""[..], 4, true).is_empty());
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_between_characters() {
        let mut stream = b"short\n".to_vec();
        stream.push(b'x');
        stream.extend("ä".repeat(LINE_MAX_BYTES).bytes());
        stream.extend_from_slice(b"\nend\n");
        let all = chunks(&stream[..], 4096, true);
        assert_eq!(all.iter().filter(|(_, _, cut)| *cut).count(), 1);
        let mut joined = Vec::new();
        for (offset, lines, _) in &all {
            assert!(lines.len() <= LINE_MAX_BYTES + 1, "at {offset}");
            assert!(std::str::from_utf8(lines).is_ok(), "at {offset}");
            let len = lines.len()
                - usize::from(stream.get(*offset as usize + lines.len() - 1) != Some(&b'\n'));
            assert_eq!(stream[*offset as usize..][..len], lines[..len]);
            joined.extend_from_slice(&lines[..len]);
        }
        assert_eq!(joined, stream);
    }

    #[test]
    fn nuls_before_the_first_line_are_skipped_and_count_in_offsets() {
        let stream = [&[0; 10_000][..], b"one\n\0two\n"].concat();
        for (size, fill) in [(1, false), (7, true), (1 << 20, true)] {
            let all = chunks(Slow(&stream[..], size), 4096, fill);
            let joined: Vec<u8> = all.iter().flat_map(|(_, lines, _)| lines.clone()).collect();
            assert_eq!((all[0].0, joined), (10_000, b"one\n\0two\n".to_vec()));
        }
        assert!(chunks(&[0; 10_000][..], 4096, true).is_empty());
    }

    #[test]
    fn blank_lines_are_no_records() {
        for (lines, expected) in [
            ("", &[][..]),
            ("\n \r\n\t\n", &[]),
            ("a\n b\n", &[(0, "a\n b\n")]),
            (
                "\n\r\n  a\r\n b\n \n\nc\n\n",
                &[(3, "  a\r\n b\n"), (14, "c\n")],
            ),
        ] {
            let mut chunk = Chunk::default();
            let mut reader = LineReader::new(lines.as_bytes(), 4096, true);
            assert_eq!(reader.next(&mut chunk).unwrap(), !lines.is_empty());
            let found: Vec<_> = chunk
                .records(chunk.lines())
                .map(|(at, run)| (at, std::str::from_utf8(run).unwrap()))
                .collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole() {
        let mut stream = vec![b'x'; LINE_MAX_BYTES];
        stream.push(b'\n');
        assert_eq!(chunks(&stream[..], 4096, true).len(), 1);
    }
}
