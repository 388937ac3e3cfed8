//! Declares the exports and the imports of the guest.
//!
//! Unsafe are the names without mangling, and the calls that search a record and that write a sentence before the end.
//! Addresses go out as plain numbers, and those that come back are only compared with what they lie in: none is ever
//! followed, so no host can make the guest read or write anywhere else.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use crate::Filter;
use crate::buffers::Lease;

/// What is answered where there is no answer: the host drops the record then.
static NOTHING: [u8; 1] = [0];

thread_local! {
    static LEASES: [Lease; 2] = const { [Lease::new(), Lease::new()] };
    // Made at build time and never dropped, so that no call pays for a check of either.
    static FILTER: RefCell<ManuallyDrop<Filter>> = const { RefCell::new(ManuallyDrop::new(Filter::new())) };
}

/// Calls cannot nest, as no import calls back; if a host managed it all the same, nothing happens.
fn with<T>(otherwise: T, call: impl FnOnce(&mut Filter) -> T) -> T {
    FILTER.with(|guest| {
        guest
            .try_borrow_mut()
            .map_or(otherwise, |mut guest| call(&mut guest))
    })
}

/// A piece of what `fd_write` writes, as WASI has it.
#[cfg(target_arch = "wasm32")]
#[repr(C)]
struct Piece {
    address: *const u8,
    len: usize,
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_write(fd: i32, pieces: *const Piece, count: usize, written: *mut usize) -> i32;
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    /// C's own: in every release from 3.0 on Fluent Bit's runtime gives modules parts of libc (`WAMR_BUILD_LIBC_BUILTIN`).
    fn memchr(text: *const u8, byte: i32, len: usize) -> *const u8;
}

/// Where the first quote is. The host's search is machine code, and ours would be interpreted.
#[inline(always)]
pub fn find_quote(text: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "wasm32")]
    {
        // SAFETY: the host reads the text alone, and answers with an address in it, or none.
        let quote = unsafe { memchr(text.as_ptr(), i32::from(b'"'), text.len()) };
        (!quote.is_null()).then(|| (quote as usize).wrapping_sub(text.as_ptr() as usize))
    }
    #[cfg(not(target_arch = "wasm32"))]
    maxconn_fluent_bit_json::first_quote(text)
}

/// Reads the configuration. The host calls this once at its start, because the module imports WASI; if it
/// traps, the host does not start, which is the right answer to a wrong configuration.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    if let Err(sentence) = with(Ok(()), Filter::start) {
        refuse(&sentence);
    }
}

/// Says why on standard error and ends the call.
fn refuse(sentence: &str) -> ! {
    #[cfg(target_arch = "wasm32")]
    {
        let (address, len) = (sentence.as_ptr(), sentence.len());
        let mut written = 0;
        // SAFETY: the piece and the number outlive the call, and the host only reads the sentence.
        unsafe { fd_write(2, &Piece { address, len }, 1, &mut written) };
        core::arch::wasm32::unreachable()
    }
    #[cfg(not(target_arch = "wasm32"))]
    panic!("{sentence}")
}

/// A buffer of `size` bytes for the host, 0 if there is none: the host asks for the tag's, then for the
/// record's.
// SAFETY: no other symbol of the module has this name, for Rust's own allocator goes by other names.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: u32) -> usize {
    let size = size as usize;
    LEASES.with(|leases| {
        let [first, second] = leases;
        if let Some(address) = first.lend(size) {
            return address;
        }
        if let Some(address) = second.lend(size) {
            return address;
        }
        with(0, |guest| guest.lend(leases, size))
    })
}

/// Takes a buffer back.
// SAFETY: as for `malloc`.
#[unsafe(no_mangle)]
pub extern "C" fn free(address: usize) {
    LEASES.with(|leases| {
        let [first, second] = leases;
        if first.address.get() == address {
            first.take_back();
        } else if second.address.get() == address {
            second.take_back();
        }
    });
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
    with(NOTHING.as_ptr(), |guest| {
        let (tag, record) = ((tag, tag_len as usize), (record, record_len as usize));
        guest
            .filter(tag, record, (sec, nsec))
            .map_or(NOTHING.as_ptr(), |answer| answer.as_ptr())
    })
}
