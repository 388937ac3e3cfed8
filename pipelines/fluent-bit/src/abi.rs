//! The exports of the guest, and nothing else.
//!
//! The only unsafe here are the names without mangling. Addresses go out as plain numbers, and those
//! that come back are only compared with the addresses of the two buffers: none is ever followed, so no
//! host can make the guest read or write anywhere else.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use crate::Guest;

/// What is answered where there is no answer: the host drops the record then.
static NOTHING: [u8; 1] = [0];

thread_local! {
    // Made at build time and never dropped, so that no call pays for a check of either.
    static GUEST: RefCell<ManuallyDrop<Guest>> = const { RefCell::new(ManuallyDrop::new(Guest::new())) };
}

/// Calls cannot nest, as the module imports nothing; if a host managed it all the same, nothing happens.
fn with<T>(otherwise: T, call: impl FnOnce(&mut Guest) -> T) -> T {
    GUEST.with(|guest| {
        guest
            .try_borrow_mut()
            .map_or(otherwise, |mut guest| call(&mut guest))
    })
}

/// A buffer of `size` bytes for the host, 0 if there is none: the host asks for the tag's, then for the
/// record's.
// SAFETY: no other symbol of the module has this name, for Rust's own allocator goes by other names.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: u32) -> usize {
    with(0, |guest| guest.lend(size as usize))
}

/// Takes a buffer back.
// SAFETY: as for `malloc`.
#[unsafe(no_mangle)]
pub extern "C" fn free(address: usize) {
    with((), |guest| guest.take_back(address));
}

/// The filter: one record in, one record, alert or nothing out, each ended by a NUL.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn maxconn_filter(
    tag: usize,
    tag_len: u32,
    sec: u32,
    nsec: u32,
    record: usize,
    record_len: u32,
) -> *const u8 {
    let time_ms = i64::from(sec) * 1_000 + i64::from(nsec / 1_000_000);
    with(NOTHING.as_ptr(), |guest| {
        guest
            .filter(
                (tag, tag_len as usize),
                (record, record_len as usize),
                time_ms,
            )
            .unwrap_or(NOTHING.as_ptr())
    })
}
