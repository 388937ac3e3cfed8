//! What readers of messages ask of texts: called, not inlined, for guests have a copy of each that is.

use crate::bytes::{split_at, split_at_last};

pub(super) trait Words<'a>: Sized {
    /// What follows these words at the start.
    fn after(self, begin: &str) -> Option<&'a str>;
    /// What comes before these words at the end.
    fn before(self, end: &str) -> Option<&'a str>;
    /// What comes before and behind these words, where they are first.
    fn cut(self, at: &str) -> Option<(&'a str, &'a str)>;
    /// The same where they are last.
    fn cut_last(self, at: &str) -> Option<(&'a str, &'a str)>;
    /// Whether these words are in it.
    fn holds(self, words: &str) -> bool;
    /// Whether there is nothing but digits and these marks in it.
    fn is_digits(&self, marks: &str) -> bool;
    /// Whether there is nothing but ASCII letters, digits and these marks in it.
    fn is_letters(&self, marks: &str) -> bool;
    /// It without such marks at its end.
    fn without(self, marks: &str) -> &'a str;
}

impl<'a> Words<'a> for &'a str {
    #[inline(never)]
    fn after(self, begin: &str) -> Option<&'a str> {
        self.strip_prefix(begin)
    }

    #[inline(never)]
    fn before(self, end: &str) -> Option<&'a str> {
        self.strip_suffix(end)
    }

    #[inline(always)]
    fn cut(self, at: &str) -> Option<(&'a str, &'a str)> {
        split_at(self, at)
    }

    #[inline(always)]
    fn cut_last(self, at: &str) -> Option<(&'a str, &'a str)> {
        split_at_last(self, at)
    }

    #[inline(never)]
    fn holds(self, words: &str) -> bool {
        split_at(self, words).is_some()
    }

    #[inline(never)]
    fn is_digits(&self, marks: &str) -> bool {
        let is = |byte: u8| byte.is_ascii_digit() || marks.as_bytes().contains(&byte);
        self.bytes().all(is)
    }

    #[inline(never)]
    fn is_letters(&self, marks: &str) -> bool {
        let is = |byte: u8| byte.is_ascii_alphanumeric() || marks.as_bytes().contains(&byte);
        self.bytes().all(is)
    }

    #[inline(never)]
    fn without(self, marks: &str) -> &'a str {
        let is_other = |byte: u8| !marks.as_bytes().contains(&byte);
        let len = self.bytes().rposition(is_other).map_or(0, |at| at + 1);
        self.get(..len).unwrap_or(self)
    }
}
