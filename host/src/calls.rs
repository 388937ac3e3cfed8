//! Names the functions that a guest exports, with their types.

use wasmtime::{Store, TypedFunc};

use super::limits::Limiter;

/// One handle a call, looked up once.
pub(super) struct Calls {
    pub(super) abi_version: TypedFunc<(), i32>,
    pub(super) input: TypedFunc<i32, i32>,
    pub(super) output: TypedFunc<(), i32>,
    pub(super) configure: TypedFunc<i32, i32>,
    pub(super) source: TypedFunc<(i32, i32), i32>,
    pub(super) want: TypedFunc<i32, i32>,
    pub(super) push: TypedFunc<(i32, i32, i64), i32>,
    pub(super) push_record: TypedFunc<(i32, i64, i32), i32>,
    pub(super) line_times: TypedFunc<i32, i32>,
    pub(super) tick: TypedFunc<i64, i32>,
    pub(super) finish: TypedFunc<i64, i32>,
    pub(super) shutdown: TypedFunc<(), i32>,
    pub(super) statistics: TypedFunc<(), i32>,
    pub(super) snapshot: TypedFunc<(), i32>,
    pub(super) restore: TypedFunc<i32, i32>,
}

impl Calls {
    /// Looks them up; the error names the first that is not as it should be.
    pub(super) fn of(
        instance: &wasmtime::Instance,
        store: &mut Store<Limiter>,
    ) -> Result<Calls, (&'static str, wasmtime::Error)> {
        macro_rules! calls {
            ($($field:ident: $name:literal,)*) => {
                Calls {
                    $($field: instance
                        .get_typed_func(&mut *store, $name)
                        .map_err(|error| ($name, error))?,)*
                }
            };
        }
        Ok(calls! {
            abi_version: "maxconn_abi_version",
            input: "maxconn_input",
            output: "maxconn_output",
            configure: "maxconn_configure",
            source: "maxconn_source",
            want: "maxconn_want",
            push: "maxconn_push",
            push_record: "maxconn_push_record",
            line_times: "maxconn_line_times",
            tick: "maxconn_tick",
            finish: "maxconn_finish",
            shutdown: "maxconn_shutdown",
            statistics: "maxconn_statistics",
            snapshot: "maxconn_snapshot",
            restore: "maxconn_restore",
        })
    }
}
