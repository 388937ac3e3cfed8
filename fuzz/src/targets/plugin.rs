//! Modules that somebody gives to the host.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use arbitrary::Unstructured;
use maxconn_host::{HostError, Instance, Kind, Limits, Plugin, Source, Want};
use test_support::command::Folder;

const MEMORY_BYTES: usize = 4 << 20;
const LIMITS: Limits = Limits {
    call: Duration::from_millis(50),
    memory_bytes: MEMORY_BYTES,
    output_bytes: 1 << 20,
};

/// The exports of the ABI but the first, with their parameters.
const EXPORTS: [(&str, &str); 14] = [
    ("maxconn_input", "i32"),
    ("maxconn_output", ""),
    ("maxconn_configure", "i32"),
    ("maxconn_source", "i32 i32"),
    ("maxconn_want", "i32"),
    ("maxconn_push", "i32 i32 i64"),
    ("maxconn_push_record", "i32 i64 i32"),
    ("maxconn_line_times", "i32"),
    ("maxconn_tick", "i64"),
    ("maxconn_finish", "i64"),
    ("maxconn_shutdown", ""),
    ("maxconn_statistics", ""),
    ("maxconn_snapshot", ""),
    ("maxconn_restore", "i32"),
];

/// The first byte says whether the rest is a module or what one is made of.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let module = match choice & 1 {
        0 => rest.to_vec(),
        _ => made_of(rest),
    };
    // A file: that is how the command gets them.
    let folder = Folder::new();
    let loaded = Plugin::load(&folder.write("plugin.wasm", &module), LIMITS);
    match loaded.and_then(|plugin| plugin.instantiate()) {
        Ok(instance) => drive(instance),
        Err(error) => told(&error),
    }
}

/// Every call once; a plugin that failed is of no more use.
fn drive(mut instance: Instance) {
    let said = RefCell::new(0_u64);
    let mut take = |_: Kind, piece: &[u8]| *said.borrow_mut() += piece.len() as u64;
    let call = |result: Result<(), HostError>, instance: &Instance| {
        assert!(
            instance.memory_bytes() <= MEMORY_BYTES,
            "{} bytes",
            instance.memory_bytes()
        );
        match result {
            Ok(()) | Err(HostError::Refused { .. }) => {
                if let Err(error) = &result {
                    told(error);
                }
                true
            }
            Err(error) => {
                told(&error);
                false
            }
        }
    };
    let mut times = Vec::new();
    macro_rules! go {
        ($result:expr) => {
            let result = $result;
            if !call(result, &instance) {
                return;
            }
        };
    }
    go!(instance.configure(b"{}", &mut take));
    go!(instance.source(0, &Source::default()));
    go!(instance.want(Want::default()));
    go!(instance.push(b"a line\nanother\n", Some(7), &mut take));
    go!(instance
        .push_record(b"a line", None, b"at", &mut take)
        .map(drop));
    go!(instance.line_times(b"a line\n", &mut times));
    go!(instance.tick(1_700_000_000_000, &mut take));
    go!(instance.statistics(&mut take));
    go!(instance.snapshot().map(drop));
    go!(instance.restore(b"MXCN", &mut take));
    go!(instance.finish(None, &mut take));
    go!(instance.shutdown(&mut take));
}

/// A refusal is one line of text, whatever the module put into it.
fn told(error: &dyn fmt::Display) {
    let sentence = error.to_string();
    let is_control = |char: char| char.is_control() && char != '\n';
    assert!(
        !sentence.is_empty() && !sentence.contains(is_control),
        "{sentence:?}"
    );
}

/// A module of the ABI whose answers, memory and misbehaviour are chosen.
fn made_of(choice: &[u8]) -> Vec<u8> {
    let u = &mut Unstructured::new(choice);
    let mut byte = || u.arbitrary::<u8>().unwrap_or_default();
    let number = |byte: u8| match byte % 16 {
        0..=2 => i64::from(byte % 3),
        3 => -1,
        4 => i64::from(i32::MIN),
        5 => i64::from(i32::MAX),
        6 => 65_536,
        7 => 65_535,
        8 => 1_048_576,
        _ => i64::from(byte),
    };
    let mut text = String::from("(module (memory (export \"memory\") 1 ");
    if byte() % 2 == 0 {
        text += "16";
    }
    text += ")(func (export \"maxconn_abi_version\") (result i32) (i32.const 1))";
    for (name, parameters) in EXPORTS {
        let body = match byte() % 16 {
            0 => "(loop $l (br $l)) (i32.const 0)".to_string(),
            1 => "(unreachable)".to_string(),
            2 => format!(
                "(memory.grow (i32.const {})) (drop) (i32.const 0)",
                number(byte())
            ),
            3..=9 => match name {
                "maxconn_input" => "(i32.const 1024)".to_string(),
                "maxconn_output" => "(i32.const 16)".to_string(),
                "maxconn_push" => "(local.get 1)".to_string(),
                _ => "(i32.const 0)".to_string(),
            },
            _ => format!("(i32.const {})", number(byte())),
        };
        text += &format!("(func (export \"{name}\") (param {parameters}) (result i32) {body})");
    }
    // The descriptor at 16, the segments at 64, the bytes at 256.
    let [segments, count, bytes, len] = [
        if byte() % 4 > 0 { 64 } else { number(byte()) },
        if byte() % 2 > 0 { 1 } else { number(byte()) },
        if byte() % 4 > 0 { 256 } else { number(byte()) },
        number(byte()),
    ];
    let segment = [number(byte()), number(byte()), number(byte())];
    for (at, numbers) in [(16, &[segments, count, bytes, len][..]), (64, &segment)] {
        let bytes: String = numbers
            .iter()
            .flat_map(|number| (*number as u32).to_le_bytes())
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        text += &format!("(data (i32.const {at}) \"{bytes}\")");
    }
    let reason = [
        "{\\22problem\\22:\\22\\1b[31m\\22}      ",
        "{\\22problem\\22:\\22\\5cu001b]0;x\\5cu0007\\22,\\22mend\\22:1}  ",
        "\\ff\\00",
    ];
    text += &format!(
        "(data (i32.const 256) \"{}\")",
        reason[usize::from(byte()) % reason.len()]
    );
    if byte() % 8 == 1 {
        text += "(func $s (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))) (start $s)";
    }
    if byte() % 8 == 1 {
        text += "(table $t 1 funcref) (func $g (drop (table.grow $t (ref.null func) (i32.const 0x7fffffff)))) (start $g)";
    }
    text += ")";
    // Two starts are no module, which is one more thing to be told.
    wat::parse_str(&text).unwrap_or_default()
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..64_u8)
        .map(|seed| {
            let body = (0..64_u8).map(|at| match seed % 4 {
                0 => 3,
                1 if at == seed => seed,
                1 => 4,
                _ => at.wrapping_mul(seed).wrapping_add(seed / 3),
            });
            std::iter::once(1).chain(body).collect()
        })
        .collect();
    // A refusal of the configuration, with a reason of either length.
    all.extend([25, 41].map(|len| {
        [
            &[1, 3, 3, 3, 10, 1][..],
            &[3; 14],
            &[len, 3, 3, 3, len - 25],
        ]
        .concat()
    }));
    let good = made_of(&[3; 64]);
    all.push([&[0], &good[..]].concat());
    all.extend(super::seeds::files("fuzz/plugin"));
    all
}
