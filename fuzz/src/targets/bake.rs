//! Writing a configuration into a module.

use maxconn_core::config::baked::ROOM_BYTES;
use maxconn_host::bake::{bake, baked, defaults_of, room_of};
use wasmparser::{Validator, WasmFeatures};

pub fn run(data: &[u8]) {
    // The module, and what is written into it behind a length.
    let Some((&[low, high], rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let len = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
    let (json, fresh) = rest.split_at(len);
    let _ = (room_of(fresh), defaults_of(fresh), baked(fresh));
    let was_valid = is_valid(fresh);
    let mut module = fresh.to_vec();
    match bake(&mut module, json) {
        Err(error) => {
            assert!(module == fresh, "it is refused and changed: {error}");
            assert!(
                error.to_string().contains([';', ','].as_slice()),
                "no mend: {error}"
            );
        }
        Ok(()) => {
            assert!(json.len() <= ROOM_BYTES);
            let found = baked(&module);
            let expected = (!json.is_empty()).then_some(json);
            assert_eq!(found, Ok(expected), "it does not come back");
            assert!(!was_valid || is_valid(&module), "it was valid and is not");
            let (mut other, mut none) = (module.clone(), module.clone());
            assert_eq!(
                (bake(&mut other, json), other == module),
                (Ok(()), true),
                "again it is another"
            );
            assert_eq!(
                (bake(&mut none, b""), baked(&none)),
                (Ok(()), Ok(None)),
                "it does not go"
            );
        }
    }
}

fn is_valid(module: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(module)
        .is_ok()
}

pub fn seeds() -> Vec<Vec<u8>> {
    let modules = [
        r#"(module (memory 1) (data (i32.const 1024) "maxconn:baked:v3\00\10\00\00\d0\07\00\00\00\01\00\00"))"#,
        r#"(module (memory 1) (data "passive") (data (i32.const 16) "maxconn:baked:v3\c0\ff\00\00\d0\07\00\00\00\01\00\00")
            (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 7))))"#,
        r#"(module (import "redpanda_transform" "f" (func)) (memory 40)
            (data (i32.const 1048576) "maxconn:baked:v3\00\00\14\00\d0\07\00\00\00\01\00\00") (data (i32.const 1310720) "\02\00\00\00{}"))"#,
        r#"(module (memory 1) (data (i32.const 1024) "nothing"))"#,
        "(module)",
    ];
    let mut all = Vec::new();
    for text in modules {
        let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
        for json in ["", "{}", r#"{"max_keys":12345}"#] {
            all.push([&[json.len() as u8, 0], json.as_bytes(), &module].concat());
        }
    }
    all.extend(super::seeds::files("fuzz/bake"));
    all
}
