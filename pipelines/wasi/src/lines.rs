//! Cuts standard input into whole lines, in one buffer that does not grow.

/// A line longer than this is cut into pieces of this size, in bytes: it is never held as a whole.
pub const LINE_MAX_BYTES: usize = 1 << 20;
/// The most that is read at once.
const READ_BYTES: usize = 64 * 1024;

/// What was read and is not done with.
pub struct Lines {
    buffer: Vec<u8>,
    /// How many bytes of the buffer are filled.
    len: usize,
    /// How many of them are whole lines that were handed out.
    whole: usize,
    /// Up to here there is no newline that was not handed out.
    searched: usize,
    /// Where the buffer lies in the stream.
    offset: u64,
    has_ended: bool,
    /// The line at the start of the buffer is the rest of one that was cut.
    is_rest: bool,
    /// How many lines were cut.
    pub cut: u64,
    /// Whether the newline at the end of what was handed out is ours.
    is_added: bool,
}

impl Lines {
    pub fn new() -> Lines {
        Lines {
            // One more for the newline that the last line may lack, or that a piece gets.
            buffer: vec![0; LINE_MAX_BYTES + 2],
            len: 0,
            whole: 0,
            searched: 0,
            offset: 0,
            has_ended: false,
            is_rest: false,
            cut: 0,
            is_added: false,
        }
    }

    /// Where the next bytes go.
    pub fn room(&mut self) -> &mut [u8] {
        // One byte more than a line may have, so that where it is cut does not depend on how it is read.
        let end = (self.len + READ_BYTES).min(LINE_MAX_BYTES + 1);
        self.buffer.get_mut(self.len..end).unwrap_or_default()
    }

    /// Says how many bytes were read into the room, 0 at the end; answers whether it is the end.
    pub fn read(&mut self, count: usize) -> bool {
        self.len = (self.len + count).min(self.buffer.len() - 1);
        self.has_ended = count == 0;
        self.has_ended
    }

    /// Whole lines and where they lie in the stream. After them, [`Lines::done`].
    pub fn next(&mut self) -> Option<(u64, &[u8])> {
        let fresh = self.buffer.get(self.searched..self.len).unwrap_or_default();
        let newline = fresh.iter().rposition(|&byte| byte == b'\n');
        let is_cut = newline.is_none() && self.len > LINE_MAX_BYTES;
        self.cut += u64::from(is_cut && !self.is_rest);
        self.whole = match newline {
            Some(at) => self.searched + at + 1,
            None if is_cut => self.end_here(self.piece()),
            None if self.has_ended && self.len > 0 => self.end_here(self.len),
            None => {
                self.searched = self.len;
                return None;
            }
        };
        self.is_rest = is_cut;
        Some((self.offset, self.buffer.get(..self.whole)?))
    }

    /// Forgets the lines that were handed out.
    pub fn done(&mut self) {
        self.buffer.copy_within(self.whole..self.len, 0);
        self.len -= self.whole;
        self.offset += (self.whole - usize::from(self.is_added)) as u64;
        (self.whole, self.searched, self.is_added) = (0, 0, false);
    }

    /// Puts a newline at `end` and answers where the line ends with it.
    fn end_here(&mut self, end: usize) -> usize {
        self.buffer.copy_within(end..self.len, end + 1);
        if let Some(byte) = self.buffer.get_mut(end) {
            *byte = b'\n';
        }
        self.len += 1;
        self.is_added = true;
        end + 1
    }

    /// Where a line that is too long is cut: between two characters.
    fn piece(&self) -> usize {
        let starts = |end: &usize| self.buffer.get(*end).is_none_or(|byte| byte & 0xc0 != 0x80);
        (LINE_MAX_BYTES - 3..=LINE_MAX_BYTES)
            .rev()
            .find(starts)
            .unwrap_or(LINE_MAX_BYTES)
    }
}
