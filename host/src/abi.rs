//! Names the functions that a guest exports, with their types: each answers one `i32`.

use wasmtime::{ExternType, Module, Store, TypedFunc, ValType};

use super::limits::Limiter;
use super::plugin::told;

/// A function of a guest.
pub(super) struct Export<P> {
    pub(super) name: &'static str,
    pub(super) function: TypedFunc<P, i32>,
}

macro_rules! exports {
    ($($name:ident($($parameter:ident),*),)*) => {
        /// Every function, looked up once.
        pub(super) struct Exports {
            $(pub(super) $name: Export<($($parameter,)*)>,)*
        }

        impl Exports {
            /// Looks them up; the error names the first that is not as it should be.
            pub(super) fn of(
                instance: &wasmtime::Instance,
                store: &mut Store<Limiter>,
            ) -> Result<Exports, (&'static str, wasmtime::Error)> {
                Ok(Exports {
                    $($name: {
                        let name = concat!("maxconn_", stringify!($name));
                        let function = instance.get_typed_func(&mut *store, name);
                        Export { name, function: function.map_err(|error| (name, error))? }
                    },)*
                })
            }
        }

        /// The functions with their parameters.
        const FUNCTIONS: &[(&str, &[ValType])] = &[
            $((concat!("maxconn_", stringify!($name)), &[$(exports!(@ $parameter)),*]),)*
        ];
    };
    (@ i32) => { ValType::I32 };
    (@ i64) => { ValType::I64 };
}

exports! {
    abi_version(),
    input(i32),
    output(),
    configure(i32),
    source(i32, i32),
    want(i32),
    push(i32, i32, i64),
    push_record(i32, i64, i32),
    line_times(i32),
    tick(i64),
    finish(i64),
    shutdown(),
    statistics(),
    snapshot(),
    restore(i32),
}

/// What of the ABI a module lacks, has of the wrong type, or asks for in vain.
pub(super) fn lack(module: &Module) -> Option<String> {
    if let Some(import) = module.imports().next() {
        let (module, name) = (told(import.module()), told(import.name()));
        return Some(format!(
            "it imports {module}.{name}, and nothing is offered"
        ));
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {}
        Some(_) => return Some("its export memory is not a plain 32-bit memory".to_string()),
        None => return Some("it lacks the export memory".to_string()),
    }
    FUNCTIONS.iter().find_map(|(name, parameters)| {
        let found = match module.get_export(name) {
            Some(ExternType::Func(found)) => found,
            Some(_) => return Some(format!("its export {name} is not a function")),
            None => return Some(format!("it lacks the export {name}")),
        };
        let is = |found: &[ValType], wanted: &[ValType]| {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| ValType::eq(a, b))
        };
        let (takes, answers): (Vec<_>, Vec<_>) =
            (found.params().collect(), found.results().collect());
        (!is(&takes, parameters) || !is(&answers, &[ValType::I32]))
            .then(|| format!("its export {name} has the type {found}"))
    })
}
