//! For tests: a stream that gives a few bytes at a time.

use std::io::{self, Read};

/// Gives no more than so many bytes.
pub struct Slow<R>(pub R, pub usize);

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}
