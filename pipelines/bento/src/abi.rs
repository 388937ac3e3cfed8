//! Declares the imports and the exports of the guest.
//!
//! Unsafe are the calls of the host, each with addresses of what outlives it, and the names without mangling. What
//! comes in lies in a buffer of our own, which the host fills: an address that it gives is compared, and no more.

use std::cell::RefCell;

use crate::Processor;

/// A message larger than this is not taken, in bytes: an instance keeps the memory that it once had.
const MESSAGE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// An address at which no memory is: the host writes nothing there, and flags the message as failed.
const NOWHERE: *mut u8 = usize::MAX as *mut u8;

#[link(wasm_import_module = "bento_wasm")]
unsafe extern "C" {
    fn v0_msg_as_bytes() -> u64;
    fn v0_msg_get_meta(key: *const u8, key_len: usize) -> u64;
    fn v0_msg_set_bytes(bytes: *const u8, len: usize);
    fn v0_msg_set_meta(key: *const u8, key_len: usize, value: *const u8, value_len: usize);
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn proc_exit(code: i32) -> !;
}

thread_local! {
    static GUEST: RefCell<Option<Processor>> = const { RefCell::new(None) };
    static INBOUND: RefCell<Inbound> = const { RefCell::new(Inbound { bytes: Vec::new(), asked: 0 }) };
}

/// What the host writes into.
struct Inbound {
    bytes: Vec<u8>,
    /// How much it asked for last.
    asked: usize,
}

/// Runs once, when the host makes an instance; one whose configuration is wrong ends here, and the host does not start.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn _start() {
    match Processor::boot() {
        Ok(guest) => GUEST.set(Some(guest)),
        // SAFETY: the call takes a number and does not come back.
        Err(_) => unsafe { proc_exit(1) },
    }
}

/// Makes room for what the host is about to write.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(len: usize) -> *mut u8 {
    INBOUND.with_borrow_mut(|inbound| {
        inbound.asked = len;
        // Freed first, so that the new one may take its place.
        if len > inbound.bytes.capacity() {
            inbound.bytes = Vec::new();
        }
        if len > MESSAGE_MAX_BYTES || inbound.bytes.try_reserve_exact(len).is_err() {
            return NOWHERE;
        }
        inbound.bytes.resize(len, 0);
        inbound.bytes.as_mut_ptr()
    })
}

/// Works on the message that the host has next.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn process() {
    // Calls cannot nest: no call of the host's has it call this one.
    GUEST.with_borrow_mut(|guest| match guest {
        Some(guest) => guest.process(),
        // SAFETY: as above.
        None => unsafe { proc_exit(1) },
    });
}

/// The message's bytes, or how many there are, where there is no room for them.
pub(crate) fn message() -> Result<Vec<u8>, usize> {
    // SAFETY: the call has no arguments.
    inbound(|| unsafe { v0_msg_as_bytes() })
}

/// A value of the message's metadata; empty if it has none.
pub(crate) fn metadata(key: &str) -> Vec<u8> {
    // SAFETY: the key outlives the call, and the host only reads it.
    inbound(|| unsafe { v0_msg_get_meta(key.as_ptr(), key.len()) }).unwrap_or_default()
}

/// Gives a buffer back, for the next message.
pub(crate) fn give_back(bytes: Vec<u8>) {
    INBOUND.with_borrow_mut(|inbound| inbound.bytes = bytes);
}

/// What the host writes during a call: it answers where, above how many bytes.
fn inbound(call: impl FnOnce() -> u64) -> Result<Vec<u8>, usize> {
    INBOUND.with_borrow_mut(|inbound| inbound.asked = 0);
    let written = call();
    INBOUND.with_borrow_mut(|inbound| {
        let bytes = core::mem::take(&mut inbound.bytes);
        let expected = (bytes.as_ptr() as u64) << 32 | inbound.asked as u64;
        match written == expected && bytes.len() == inbound.asked {
            true => Ok(bytes),
            false => Err(inbound.asked),
        }
    })
}

/// Gives the message other bytes.
pub(crate) fn set_message(bytes: &[u8]) {
    // SAFETY: they outlive the call, and the host only reads them.
    unsafe { v0_msg_set_bytes(bytes.as_ptr(), bytes.len()) };
}

/// Sets a value of the message's metadata.
pub(crate) fn set_metadata(key: &str, value: &str) {
    // SAFETY: both outlive the call, and the host only reads them.
    unsafe { v0_msg_set_meta(key.as_ptr(), key.len(), value.as_ptr(), value.len()) };
}
