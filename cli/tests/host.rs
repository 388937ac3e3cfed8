//! The host against guests: the built-in one, and ones that lack, hang, trap, grow or lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use maxconn::host::{HostError, Instance, Kind, Limits, Plugin, Source, Verdict, Want};

/// 2026-01-05: what the years of the lines below are nearest to.
const REFERENCE_MS: i64 = 1_767_571_200_000;

/// Short enough for a test, long enough for everything that is sound.
const LIMITS: Limits = Limits {
    call: Duration::from_millis(500),
    memory_bytes: 8 << 20,
};

const REFUSAL: &str = "imap-login: Info: Maximum number of connections from user+IP exceeded \
    (mail_max_userip_connections=10): user=<alice>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1";

fn builtin() -> Instance {
    let plugin = Plugin::builtin(Limits::default()).unwrap();
    let mut instance = plugin.instantiate().unwrap();
    instance.source(0, &source()).unwrap();
    instance
}

fn source() -> Source {
    Source {
        reference_time_ms: Some(REFERENCE_MS),
        ..Source::default()
    }
}

fn line(second: u32) -> String {
    format!(
        "Jan  5 00:{:02}:{:02} {REFUSAL}\n",
        second / 60,
        second % 60
    )
}

fn lines(seconds: std::ops::Range<u32>) -> String {
    seconds.map(line).collect()
}

fn gathered(all: &mut Vec<(Kind, String)>) -> impl FnMut(Kind, &[u8]) + '_ {
    |kind, bytes| all.push((kind, String::from_utf8(bytes.to_vec()).unwrap()))
}

#[test]
fn batches_and_single_records_give_the_same() {
    let (mut batch, mut single) = (Vec::new(), Vec::new());
    let mut instance = builtin();
    instance
        .push(lines(0..50).as_bytes(), None, gathered(&mut batch))
        .unwrap();
    instance.finish(None, gathered(&mut batch)).unwrap();

    let mut instance = builtin();
    let mut suppressed = 0;
    for second in 0..50 {
        let record = line(second);
        let verdict = instance
            .push_record(
                record.trim_end().as_bytes(),
                None,
                b"",
                gathered(&mut single),
            )
            .unwrap();
        suppressed += u32::from(verdict == Verdict::Suppressed);
    }
    instance.finish(None, gathered(&mut single)).unwrap();
    assert_eq!(batch, single);
    assert_eq!(suppressed, 21);
    assert_eq!(
        batch
            .iter()
            .filter(|(kind, _)| *kind == Kind::Enriched)
            .count(),
        29
    );
}

#[test]
fn a_snapshot_goes_on_as_if_nothing_had_happened() {
    let (mut whole, mut halves) = (Vec::new(), Vec::new());
    let mut instance = builtin();
    instance
        .push(lines(0..90).as_bytes(), None, gathered(&mut whole))
        .unwrap();
    instance.finish(None, gathered(&mut whole)).unwrap();

    let mut first = builtin();
    first
        .push(lines(0..45).as_bytes(), None, gathered(&mut halves))
        .unwrap();
    let snapshot = first.snapshot().unwrap();
    let mut second = builtin();
    second.restore(&snapshot, gathered(&mut halves)).unwrap();
    second
        .push(lines(45..90).as_bytes(), None, gathered(&mut halves))
        .unwrap();
    second.finish(None, gathered(&mut halves)).unwrap();
    assert_eq!(whole, halves);

    let mut damaged = snapshot;
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(
        second.restore(&damaged, |_, _| {}),
        Err(HostError::Refused { .. })
    ));
    assert!(matches!(
        second.restore(b"", |_, _| {}),
        Err(HostError::Refused { .. })
    ));
}

#[test]
fn what_is_not_wanted_is_not_written_and_yet_counted() {
    let mut instance = builtin();
    instance
        .want(Want {
            records: false,
            enriched: false,
            alerts: false,
            views: true,
            held_back: false,
        })
        .unwrap();
    let mut all = Vec::new();
    instance
        .push(lines(0..50).as_bytes(), None, gathered(&mut all))
        .unwrap();
    assert_eq!(
        all.iter().filter(|(kind, _)| *kind == Kind::View).count(),
        50
    );
    assert_eq!(all.len(), 50);
    instance.statistics(gathered(&mut all)).unwrap();
    assert!(
        all.last().unwrap().1.contains(r#""suppressed":21"#),
        "{}",
        all.last().unwrap().1
    );
}

#[test]
fn events_that_a_flood_holds_back_are_written_on_request_and_counted_as_before() {
    let mut instance = builtin();
    instance
        .want(Want {
            held_back: true,
            ..Want::default()
        })
        .unwrap();
    let mut all = Vec::new();
    instance
        .push(lines(0..50).as_bytes(), None, gathered(&mut all))
        .unwrap();
    let enriched = all.iter().filter(|(kind, _)| *kind == Kind::Enriched);
    assert_eq!(enriched.count(), 50);
    instance.statistics(gathered(&mut all)).unwrap();
    assert!(
        all.last().unwrap().1.contains(r#""suppressed":21"#),
        "{}",
        all.last().unwrap().1
    );
}

#[test]
fn a_wrong_configuration_is_refused_and_changes_nothing() {
    let mut instance = builtin();
    let error = instance
        .configure(br#"{"rule":[{"name":"userip","quiet":"1s"}]}"#, |_, _| {})
        .unwrap_err();
    let HostError::Refused { path, mend, .. } = error else {
        panic!("{error}")
    };
    assert!(
        path.starts_with("rule[0]") && !mend.is_empty(),
        "{path} {mend}"
    );
    // Nested as deep as it goes: the guest's stack must hold.
    for depth in [100, 128, 100_000] {
        let nested = "[".repeat(depth);
        assert!(matches!(
            instance.configure(nested.as_bytes(), |_, _| {}),
            Err(HostError::Refused { .. })
        ));
    }
    instance
        .push(lines(0..50).as_bytes(), None, |_, _| {})
        .unwrap();
}

#[test]
fn times_of_lines_are_told_without_taking_them() {
    let mut instance = builtin();
    instance.source(3, &source()).unwrap();
    let mut times = Vec::new();
    instance
        .line_times(
            b"no time\nJan  5 00:00:01 h d: x\n2026-01-05T00:00:02Z h d: y\n",
            &mut times,
        )
        .unwrap();
    assert_eq!(
        times,
        [None, Some(1_767_571_201_000), Some(1_767_571_202_000)]
    );
    instance.select_source(0).unwrap();
    assert!(
        instance.select_source(4).is_err(),
        "a source that nobody described"
    );
}

#[test]
fn input_that_is_too_large_is_refused() {
    let error = builtin()
        .push(&vec![b'x'; 9 << 20], None, |_, _| {})
        .unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
}

/// A guest whose calls do nothing, but for the functions in `replaced`: name, head and body.
fn guest(replaced: &[(&str, &str)], more: &str) -> String {
    let functions = [
        ("abi_version", "(result i32) i32.const 1"),
        ("input", "(param i32) (result i32) i32.const 1024"),
        ("output", "(result i32) i32.const 16"),
        ("configure", "(param i32) (result i32) i32.const 0"),
        ("source", "(param i32 i32) (result i32) i32.const 0"),
        ("want", "(param i32) (result i32) i32.const 0"),
        ("push", "(param i32 i32 i64) (result i32) local.get 1"),
        (
            "push_record",
            "(param i32 i64 i32) (result i32) i32.const 0",
        ),
        ("line_times", "(param i32) (result i32) i32.const 0"),
        ("tick", "(param i64) (result i32) i32.const 0"),
        ("finish", "(param i64) (result i32) i32.const 0"),
        ("shutdown", "(result i32) i32.const 0"),
        ("statistics", "(result i32) i32.const 0"),
        ("snapshot", "(result i32) i32.const 0"),
        ("restore", "(param i32) (result i32) i32.const 0"),
    ];
    let mut text = format!("(module {more} (memory (export \"memory\") 16)\n");
    for (name, usual) in functions {
        let body = replaced
            .iter()
            .find(|(replaced, _)| *replaced == name)
            .map_or(usual, |(_, body)| body);
        if !body.is_empty() {
            text += &format!("(func (export \"maxconn_{name}\") {body})\n");
        }
    }
    text + ")"
}

fn load(test: &str, text: &str) -> Result<Instance, HostError> {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{test}.wasm"));
    fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    Plugin::load(&file, LIMITS)?.instantiate()
}

#[test]
fn a_module_with_another_surface_is_refused_by_name() {
    for (test, text, sentence) in [
        ("empty", "(module)".to_string(), "lacks the export memory"),
        (
            "lacking",
            guest(&[("tick", "")], ""),
            "lacks the export maxconn_tick",
        ),
        (
            "typed",
            guest(&[("tick", "(param i32) (result i32) i32.const 0")], ""),
            "maxconn_tick has the type",
        ),
        (
            "importing",
            guest(&[], r#"(import "env" "clock" (func))"#),
            "imports env.clock",
        ),
        (
            "version",
            guest(&[("abi_version", "(result i32) i32.const 7")], ""),
            "speaks version 7",
        ),
        (
            "starting",
            guest(&[], "(func $start unreachable) (start $start)"),
            "failed in its start",
        ),
    ] {
        let error = load(test, &text).err().unwrap().to_string();
        assert!(
            error.contains(sentence) && error.contains(&format!("{test}.wasm")),
            "{error}"
        );
    }
}

#[test]
fn a_module_that_hangs_traps_grows_or_lies_is_stopped() {
    let push = |body: &'static str| [("push", body)];
    for (test, replaced, sentence) in [
        (
            "hanging",
            push("(param i32 i32 i64) (result i32) (loop br 0) i32.const 0"),
            "did not return within 0.5 s",
        ),
        (
            "trapping",
            push("(param i32 i32 i64) (result i32) unreachable"),
            "failed in maxconn_push",
        ),
        (
            "lazy",
            push("(param i32 i32 i64) (result i32) i32.const 0"),
            "answers 0 for 2 bytes",
        ),
        (
            "greedy",
            push("(param i32 i32 i64) (result i32) i32.const 3"),
            "answers 3 for 2 bytes",
        ),
        (
            "astray",
            [("output", "(result i32) i32.const -4")],
            "outside of its memory",
        ),
        (
            "beyond",
            [("input", "(param i32) (result i32) i32.const 1048570")],
            "no room",
        ),
        // 1,024 pages more are 64 MiB, of 8 allowed: the memory stays as it is, and the guest would trap.
        (
            "growing",
            push(
                "(param i32 i32 i64) (result i32) (memory.grow (i32.const 1024)) i32.const 0 i32.lt_s",
            ),
            "answers 1 for 2 bytes",
        ),
    ] {
        let mut instance = load(test, &guest(&replaced, "")).unwrap();
        let result = instance.push(b"x\n", None, |_, _| {});
        if test == "growing" {
            // It takes a byte at a time, as its memory could not grow.
            result.unwrap();
            assert_eq!(instance.memory_bytes(), 1 << 20);
            continue;
        }
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains(sentence) && error.contains(&format!("{test}.wasm")),
            "{error}"
        );
    }
}
