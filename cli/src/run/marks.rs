//! Marks in the state, behind what was written of it, what has become of batches since: that the next hop has taken one, and that its
//! sender has heard so. So a process that is killed a moment later leaves word of it, and nothing has to wait for the disk.
//!
//! A mark is a byte that says which, and the name of the batch (16 bytes). Marks are handed to the system as they are made, and are on
//! the disk with the next state, which knows what they say and has none of them. What a power cut leaves of one is the name
//! of no batch, and so is harmless.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use crate::output::delivery::Digest;
use crate::system;

const DELIVERED: u8 = b'D';
const RELEASED: u8 = b'R';
const MARK_BYTES: usize = 17;
/// One state has so many marks at the most, and so many are kept for the one that is being written. As many come of 65,000 batches in
/// an interval; of the next ones nothing is marked until there is another state.
const MARKS_MAX: usize = 1 << 17;

/// What has become of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The next hop has taken its output.
    Delivered(Digest),
    /// Its sender has heard so: the same bytes are another batch.
    Released(Digest),
}

impl Mark {
    /// As it is written.
    pub fn bytes(self) -> [u8; MARK_BYTES] {
        let (kind, digest) = match self {
            Mark::Delivered(digest) => (DELIVERED, digest),
            Mark::Released(digest) => (RELEASED, digest),
        };
        let mut bytes = [kind; MARK_BYTES];
        bytes[1..].copy_from_slice(&digest);
        bytes
    }

    fn read(bytes: &[u8; MARK_BYTES]) -> Option<Mark> {
        let (kind, digest) = bytes.split_first_chunk::<1>()?;
        let digest = digest.try_into().ok()?;
        match kind[0] {
            DELIVERED => Some(Mark::Delivered(digest)),
            RELEASED => Some(Mark::Released(digest)),
            _ => None,
        }
    }

    /// All up to what is none, or is not there whole.
    pub fn read_all(bytes: &[u8]) -> Vec<Mark> {
        let marks = bytes.as_chunks::<MARK_BYTES>().0.iter();
        marks.map_while(Mark::read).collect()
    }
}

/// The marks of a process.
#[derive(Default)]
pub struct Marks {
    /// A state is kept.
    is_kept: bool,
    /// The state that is in its place, unless it takes no more marks.
    file: Option<Marked>,
    /// The one that is about to take its place.
    next: Option<Marked>,
    /// The last marks: those that the next state may not know of are among them.
    last: VecDeque<Mark>,
    /// How many there were before these.
    before: u64,
}

/// A file with marks.
struct Marked {
    file: File,
    marks: usize,
}

impl Marked {
    /// Writes marks behind all that is there; `None` if it takes no more.
    fn with(mut self, marks: &[u8]) -> Option<Marked> {
        self.marks += marks.len() / MARK_BYTES;
        let fits = self.marks <= MARKS_MAX;
        // What goes wrong the next state sees, and says.
        (fits && system::write_all(&mut self.file, marks).is_ok()).then_some(self)
    }
}

impl Marks {
    /// How many were ever made.
    pub fn count(&self) -> u64 {
        self.before + self.last.len() as u64
    }

    /// Adds some.
    pub fn add(&mut self, marks: &[Mark]) {
        if !self.is_kept || marks.is_empty() {
            return;
        }
        let bytes = written(marks);
        self.file = self.file.take().and_then(|it| it.with(&bytes));
        self.next = self.next.take().and_then(|it| it.with(&bytes));
        self.last.extend(marks);
        while self.last.len() > MARKS_MAX {
            self.last.pop_front();
            self.before += 1;
        }
    }

    /// A state that knows of the first `known` marks has been written to a file, which is about to take its place: from now on it has
    /// all the others.
    pub fn begin(&mut self, mut file: File, known: u64) -> io::Result<()> {
        self.is_kept = true;
        let skip = usize::try_from(known.saturating_sub(self.before)).unwrap_or(usize::MAX);
        let marks: Vec<Mark> = self.last.iter().skip(skip).copied().collect();
        system::write_all(&mut file, &written(&marks))?;
        let marks = marks.len();
        self.next = Some(Marked { file, marks });
        Ok(())
    }

    /// It has taken its place, or not.
    pub fn end(&mut self, known: u64, is_there: bool) {
        let next = self.next.take();
        if is_there {
            self.file = next;
            while self.before < known && self.last.pop_front().is_some() {
                self.before += 1;
            }
        }
    }
}

fn written(marks: &[Mark]) -> Vec<u8> {
    marks.iter().flat_map(|mark| mark.bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::command::Folder;

    struct States(Folder);

    impl States {
        fn make(&self, number: u8) -> File {
            File::create(self.0.join(number.to_string())).unwrap()
        }

        /// The first bytes of the names of its marks.
        fn marks(&self, number: u8) -> Vec<u8> {
            let bytes = self.0.read(&number.to_string());
            let marks = Mark::read_all(&bytes).into_iter();
            marks.map(|it| it.bytes()[1]).collect()
        }
    }

    fn mark(number: u8) -> [Mark; 1] {
        [Mark::Delivered([number; 16])]
    }

    #[test]
    fn each_state_has_what_came_after_it_was_taken() {
        let states = States(Folder::new());
        let mut marks = Marks::default();
        marks.add(&mark(0));
        assert_eq!(marks.count(), 0, "nothing is kept");
        marks.begin(states.make(1), 0).unwrap();
        marks.end(0, true);
        marks.add(&mark(1));
        // It is taken, then written, then takes its place; another one is taken meanwhile.
        let known = marks.count();
        marks.add(&mark(2));
        marks.begin(states.make(2), known).unwrap();
        let newer = marks.count();
        marks.add(&mark(3));
        assert_eq!(states.marks(1), [1, 2, 3]);
        assert_eq!(states.marks(2), [2, 3]);
        // It was not to be: it is tried again.
        marks.end(known, false);
        marks.add(&mark(4));
        assert_eq!(states.marks(1), [1, 2, 3, 4]);
        marks.begin(states.make(3), known).unwrap();
        marks.end(known, true);
        marks.add(&mark(5));
        marks.begin(states.make(4), newer).unwrap();
        marks.end(newer, true);
        marks.add(&mark(6));
        assert_eq!(states.marks(1), [1, 2, 3, 4]);
        assert_eq!(states.marks(2), [2, 3]);
        assert_eq!(states.marks(3), [2, 3, 4, 5]);
        assert_eq!(states.marks(4), [3, 4, 5, 6]);
    }

    #[test]
    fn a_state_and_the_memory_have_only_so_many() {
        let states = States(Folder::new());
        let mut marks = Marks::default();
        marks.begin(states.make(1), 0).unwrap();
        marks.end(0, true);
        for _ in 0..3 {
            marks.add(&mark(1).repeat(MARKS_MAX / 2));
        }
        marks.add(&mark(2));
        assert_eq!(states.marks(1).len(), MARKS_MAX);
        assert_eq!(marks.last.len(), MARKS_MAX);
        // The next state has the last of those that it does not know.
        marks.begin(states.make(2), 7).unwrap();
        marks.end(7, true);
        let there = states.marks(2);
        assert_eq!((there.len(), there.last()), (MARKS_MAX, Some(&2)));
    }
}
