//! Exports the calls of the ABI: each borrows the one instance and calls what it is named after.
//!
//! The only unsafe here are the names without mangling. Addresses go out as plain numbers and come
//! back as nothing but lengths, which are checked against the buffer.

use std::cell::RefCell;

use crate::{ABI_VERSION, BAD_CALL, Instance, known};

thread_local! {
    static INSTANCE: RefCell<Instance> = const { RefCell::new(Instance::new()) };
}

/// Calls cannot nest, as the module imports nothing; if a host managed it all the same, it is told.
fn with<T>(otherwise: T, call: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with(|instance| {
        instance
            .try_borrow_mut()
            .map_or(otherwise, |mut instance| call(&mut instance))
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
                let call: fn(&mut Instance, $($type),*) -> $answer = $body;
                with($otherwise, |instance| call(instance, $($argument),*))
            }
        )*
    };
}

exports! {
    maxconn_abi_version() -> i32 = ABI_VERSION, |_| ABI_VERSION;
    maxconn_input(capacity: i32) -> *const u8 = std::ptr::null(), Instance::input;
    maxconn_output() -> *const u32 = std::ptr::null(), Instance::output;
    maxconn_configure(len: i32) -> i32 = BAD_CALL, Instance::configure;
    maxconn_source(number: i32, len: i32) -> i32 = BAD_CALL, Instance::source;
    maxconn_want(flags: i32) -> i32 = BAD_CALL, Instance::want;
    maxconn_push(start: i32, len: i32, offset: i64) -> i32 = BAD_CALL, Instance::push;
    maxconn_push_record(len: i32, time_ms: i64, position_len: i32) -> i32 = BAD_CALL, Instance::push_record;
    maxconn_line_times(len: i32) -> i32 = BAD_CALL, Instance::line_times;
    maxconn_tick(now_ms: i64) -> i32 = BAD_CALL, |instance, now_ms| instance.drive(|engine, out| engine.tick(now_ms, out));
    maxconn_finish(time_ms: i64) -> i32 = BAD_CALL, |instance, time_ms| instance.drive(|engine, out| engine.finish(known(time_ms), out));
    maxconn_shutdown() -> i32 = BAD_CALL, |instance| instance.drive(|engine, out| engine.shutdown(out));
    maxconn_statistics() -> i32 = BAD_CALL, |instance| instance.drive(|engine, out| { engine.statistics(out); true });
    maxconn_snapshot() -> i32 = BAD_CALL, |instance| instance.drive(|engine, out| { out.bytes = engine.snapshot_in(core::mem::take(&mut out.bytes)); true });
    maxconn_restore(len: i32) -> i32 = BAD_CALL, Instance::restore;
    maxconn_classify(len: i32, time_ms: i64) -> i32 = BAD_CALL, Instance::classify;
    maxconn_rules() -> i32 = BAD_CALL, Instance::rules;
    maxconn_observe(len: i32, time_ms: i64, offset: i64, position_len: i32) -> i32 = BAD_CALL, Instance::observe;
    maxconn_enrich(len: i32, time_ms: i64, offset: i64, position_len: i32, flood_len: i32) -> i32 = BAD_CALL, Instance::enrich;
    maxconn_drive(what: i32, rule: i32, state_len: i32, input_len: i32, time_ms: i64) -> i32 = BAD_CALL, Instance::drive_key;
    maxconn_step(rule: i32, state_len: i32, event_len: i32, now_ms: i64) -> i32 = BAD_CALL, Instance::step;
}
