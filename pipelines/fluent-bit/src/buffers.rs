//! The two buffers that the host writes a tag and a record into, and who has them.

use std::cell::Cell;
use std::ptr::NonNull;

/// One of the two buffers that the host writes into.
pub struct Buffer {
    pub bytes: Vec<u8>,
}

/// What of a buffer is asked for at every call of the host's; in cells, which nothing has to borrow.
pub struct Lease {
    /// Where it is; 0 before it is anywhere.
    pub address: Cell<usize>,
    pub size: Cell<usize>,
    /// Fewer bytes than these can be had: none while it is lent.
    pub room: Cell<usize>,
}

impl Lease {
    pub const fn new() -> Lease {
        Lease {
            address: Cell::new(0),
            size: Cell::new(0),
            room: Cell::new(1),
        }
    }

    /// The address if it is not lent and holds so many bytes.
    #[inline(always)]
    pub fn lend(&self, size: usize) -> Option<usize> {
        if size >= self.room.get() {
            return None;
        }
        self.room.set(0);
        Some(self.address.get())
    }

    #[inline(always)]
    pub fn take_back(&self) {
        self.room.set(self.size.get() + 1);
    }
}

impl Buffer {
    pub const fn new() -> Buffer {
        Buffer { bytes: Vec::new() }
    }

    /// Makes room for `size` bytes if the memory has any.
    pub fn grow(&mut self, size: usize) {
        // Freed first, so that the new one may take its place; in powers of two, so that it happens rarely.
        self.bytes = Vec::new();
        let roomy = size.checked_next_power_of_two().unwrap_or(size).max(1024);
        for capacity in [roomy, size] {
            if self.bytes.try_reserve_exact(capacity).is_ok() {
                self.bytes.resize(capacity, 0);
                return;
            }
        }
    }

    /// Whether it is what the host calls by that address and length, and holds this.
    pub fn holds(&self, (address, len): (usize, usize), text: &[u8]) -> bool {
        self.bytes.as_ptr() as usize == address && self.bytes.get(..len) == Some(text)
    }

    /// What the host calls by that address and length. There is a NUL behind it, as behind all that it writes.
    #[inline(always)]
    pub fn text(&self, (address, len): (usize, usize)) -> Option<&[u8]> {
        if self.bytes.as_ptr() as usize != address {
            return None;
        }
        match self.bytes.get(..=len)?.split_last()? {
            (0, text) => Some(text),
            _ => None,
        }
    }
}

/// Where a text lies.
pub fn place(text: &[u8]) -> Option<NonNull<u8>> {
    NonNull::new(text.as_ptr().cast_mut())
}

/// The tag's buffer and the record, if there is one. Buffers are lent in turn, so which is the record's may change.
#[inline(always)]
pub fn split(buffers: &[Buffer; 2], record: (usize, usize)) -> (&Buffer, Option<&[u8]>) {
    let [first, second] = buffers;
    match second.text(record) {
        Some(text) => (first, Some(text)),
        None => (second, first.text(record)),
    }
}
