//! The exports, and nothing else: each borrows the one guest and calls what it is named after.
//!
//! The only unsafe here are the names without mangling. Addresses go out as plain numbers and come
//! back as nothing but lengths, which are checked against the buffer.

use std::cell::RefCell;

use crate::{ABI_VERSION, BAD_CALL, Guest, known};

thread_local! {
    static GUEST: RefCell<Guest> = const { RefCell::new(Guest::new()) };
}

/// Calls cannot nest, as the module imports nothing; if a host managed it all the same, it is told.
fn with<T>(otherwise: T, call: impl FnOnce(&mut Guest) -> T) -> T {
    GUEST.with(|guest| {
        guest
            .try_borrow_mut()
            .map_or(otherwise, |mut guest| call(&mut guest))
    })
}

/// Defines exports. Their names are this crate's own: with this prefix no other crate has any.
macro_rules! exports {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $answer:ty = $otherwise:expr, $body:expr;)*) => {
        $(
            $(#[$doc])*
            // SAFETY: no other symbol of the module has this name.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($($argument: $type),*) -> $answer {
                let call: fn(&mut Guest, $($type),*) -> $answer = $body;
                with($otherwise, |guest| call(guest, $($argument),*))
            }
        )*
    };
}

exports! {
    maxconn_abi_version() -> i32 = ABI_VERSION, |_| ABI_VERSION;
    maxconn_input(capacity: i32) -> *const u8 = std::ptr::null(), Guest::input;
    maxconn_output() -> *const u32 = std::ptr::null(), Guest::output;
    maxconn_configure(len: i32) -> i32 = BAD_CALL, Guest::configure;
    maxconn_source(number: i32, len: i32) -> i32 = BAD_CALL, Guest::source;
    maxconn_want(flags: i32) -> i32 = BAD_CALL, Guest::want;
    maxconn_push(start: i32, len: i32, offset: i64) -> i32 = BAD_CALL, Guest::push;
    maxconn_push_record(len: i32, time_ms: i64, position_len: i32) -> i32 = BAD_CALL, Guest::push_record;
    maxconn_line_times(len: i32) -> i32 = BAD_CALL, Guest::line_times;
    maxconn_tick(now_ms: i64) -> i32 = BAD_CALL, |guest, now_ms| guest.drive(|engine, out| engine.tick(now_ms, out));
    maxconn_finish(time_ms: i64) -> i32 = BAD_CALL, |guest, time_ms| guest.drive(|engine, out| engine.finish(known(time_ms), out));
    maxconn_shutdown() -> i32 = BAD_CALL, |guest| guest.drive(|engine, out| engine.shutdown(out));
    maxconn_statistics() -> i32 = BAD_CALL, |guest| guest.drive(|engine, out| { engine.statistics(out); true });
    maxconn_snapshot() -> i32 = BAD_CALL, |guest| guest.drive(|engine, out| { out.bytes = engine.snapshot_in(core::mem::take(&mut out.bytes)); true });
    maxconn_restore(len: i32) -> i32 = BAD_CALL, Guest::restore;
    maxconn_classify(len: i32, time_ms: i64) -> i32 = BAD_CALL, Guest::classify;
    maxconn_step(rule: i32, state_len: i32, event_len: i32, now_ms: i64) -> i32 = BAD_CALL, Guest::step;
}
