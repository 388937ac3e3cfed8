//! Exports the calls: each borrows the one instance and calls what it is named after.
//!
//! The only unsafe here are the names without mangling. Addresses go out as plain numbers and come back as nothing but
//! lengths, which are checked against the buffer.

use std::cell::RefCell;

use crate::{BAD_CALL, Instance};

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::default();
}

/// Calls cannot nest, as the module imports nothing.
fn with<T>(otherwise: T, call: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with(|instance| {
        instance
            .try_borrow_mut()
            .map_or(otherwise, |mut instance| call(&mut instance))
    })
}

macro_rules! exports {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty = $otherwise:expr, $body:expr;)*) => {
        $(
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
    report_input(capacity: i32) -> *const u8 = std::ptr::null(), Instance::input;
    report_output() -> *const u32 = std::ptr::null(), Instance::output;
    report_configure(len: i32) -> i32 = BAD_CALL, Instance::configure;
    report_load(len: i32) -> i32 = BAD_CALL, Instance::load;
    report_push(kind: i32, len: i32) -> i32 = BAD_CALL, Instance::push;
    report_floods() -> i32 = 0, |instance| instance.floods();
    report_finish(len: i32) -> i32 = BAD_CALL, Instance::finish;
    report_page(len: i32) -> i32 = BAD_CALL, Instance::page;
}
