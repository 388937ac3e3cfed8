//! Hashes the identity of keys and the ids of documents: 128-bit SipHash-1-3.
//!
//! The hash key is fixed, because ids must come out the same on every machine. Nothing that can be made
//! slow by collisions relies on it alone: the table mixes in a seed of its own (see `table`).

use alloc::vec::Vec;
use core::hash::Hasher;

use crate::bytes::equal;
use siphasher::sip128::{Hasher128, SipHasher13};

/// "maxconn" and a version; another version of the hash would need another one.
const KEY: (u64, u64) = (0x6d61_7863_6f6e_6e31, 0x7369_7031_3238_2121);

/// Hashes parts one after the other, each with its length, so that `("ab", "c")` and `("a", "bc")` differ.
pub struct Hash(SipHasher13);

impl Hash {
    /// A hash of its own for every purpose, so that equal inputs of two purposes give different hashes.
    pub fn new(purpose: u8) -> Hash {
        let mut hash = Hash(SipHasher13::new_with_keys(KEY.0, KEY.1));
        hash.0.write_u8(purpose);
        hash
    }

    /// Adds one part.
    pub fn part(mut self, bytes: &[u8]) -> Hash {
        self.0.write_u64(bytes.len() as u64);
        self.0.write(bytes);
        self
    }

    /// Adds a number.
    pub fn number(mut self, number: u64) -> Hash {
        self.0.write_u64(number);
        self
    }

    /// The hash of all that was added.
    pub fn finish(self) -> u128 {
        self.0.finish128().as_u128()
    }
}

/// What a hash was made from last, so that it need not be made again: logs repeat themselves, floods most of all.
#[derive(Debug, Default)]
pub struct Remembered {
    bytes: Vec<u8>,
}

/// Longer values are hashed anew each time.
const MAX_REMEMBERED_BYTES: usize = 256;

impl Remembered {
    /// Puts the 128-bit hash of one value into `hash`, or `None` where there is no value; whether that is
    /// another one than before.
    #[inline]
    pub fn hash128(&mut self, purpose: u8, bytes: Option<&[u8]>, hash: &mut Option<u128>) -> bool {
        let Some(bytes) = bytes else {
            return hash.take().is_some();
        };
        if hash.is_some() && !bytes.is_empty() && equal(&self.bytes, bytes) {
            return false;
        }
        *hash = Some(hash128(purpose, bytes));
        self.bytes.clear();
        if bytes.len() <= MAX_REMEMBERED_BYTES {
            self.bytes.extend_from_slice(bytes);
        }
        true
    }
}

/// A quick 64-bit hash for estimates only: whoever chooses the input can make it collide.
pub fn quick64(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = bytes.len() as u64;
    for word in words {
        hash = (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(ODD);
    }
    for &byte in rest {
        hash = (hash.rotate_left(9) ^ u64::from(byte)).wrapping_mul(ODD);
    }
    // The finish of splitmix64 spreads every bit over all others.
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A hash as 32 hexadecimal digits.
pub fn hex32(hash: u128) -> [u8; 32] {
    core::array::from_fn(|at| b"0123456789abcdef"[(hash >> (124 - 4 * at)) as usize & 15])
}

/// The 128-bit hash of one value.
pub fn hash128(purpose: u8, bytes: &[u8]) -> u128 {
    Hash::new(purpose).part(bytes).finish()
}
