//! Guests from files: what they may be, take and say.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use maxconn_host::{HostError, Instance, Kind, Limits, Plugin};

/// Short enough for a test, long enough for everything that is sound.
const LIMITS: Limits = Limits {
    call: Duration::from_millis(500),
    memory_bytes: 8 << 20,
    output_bytes: 1 << 20,
};

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
    let mut text = format!("(module {more}\n");
    if !more.contains("\"memory\"") {
        text += "(memory (export \"memory\") 16)\n";
    }
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
fn what_is_no_module_is_refused_in_words() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("module.gz");
    for bytes in [&b"\x1f\x8b\x08\0\0\0\0\0"[..], b"text", b""] {
        std::fs::write(&path, bytes).unwrap();
        let error = Plugin::load(&path, Limits::default()).err().unwrap();
        let said = error.to_string();
        assert!(said.contains("does not begin as one does"), "{said}");
        assert!(!said.contains("0x") && !said.contains('['), "{said}");
    }
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

/// Puts numbers into a guest's memory: at 16, where its output is looked for, the descriptor, and at 64 the segments.
fn output(descriptor: [u32; 4], segments: &[[u32; 3]], bytes: &str) -> String {
    let escaped = |numbers: &[u32]| -> String {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        bytes.map(|byte| format!("\\{byte:02x}")).collect()
    };
    format!(
        r#"(data (i32.const 16) "{}") (data (i32.const 64) "{}") (data (i32.const 512) "{bytes}")"#,
        escaped(&descriptor),
        escaped(&segments.concat())
    )
}

#[test]
fn a_guest_that_takes_too_much_is_told_what() {
    for (test, more, sentence) in [
        (
            "start-hangs",
            "(func $start (loop br 0)) (start $start)",
            "its start did not return within 0.5 s",
        ),
        (
            "start-grows",
            "(func $start (memory.grow (i32.const 1024)) i32.const 0 i32.lt_s if unreachable end) (start $start)",
            "failed in its start: it wants more memory than it may have; lower max_keys",
        ),
        (
            "large",
            "(memory (export \"memory\") 1024)",
            "failed in its start: it wants more memory",
        ),
        (
            "memories",
            "(memory 1)",
            "failed in its start: resource limit exceeded: memory count",
        ),
        (
            "table",
            "(table 60000 funcref) (table 60000 funcref)",
            "it wants more table entries",
        ),
        (
            "table-grows",
            "(table $t 1 funcref) (func $start (table.grow $t (ref.null func) (i32.const 50000000)) i32.const 0 \
             i32.lt_s if unreachable end) (start $start)",
            "it wants more table entries",
        ),
    ] {
        let error = load(test, &guest(&[], more)).err().unwrap().to_string();
        assert!(
            error.contains(sentence) && error.contains(&format!("{test}.wasm")),
            "{test}: {error}"
        );
    }
}

#[test]
fn a_guest_that_says_too_much_is_stopped() {
    let alert = [3, 0, 3];
    let one = output([64, 1, 512, 3], &[alert], "{}\\0a");
    let endless = "(result i32) i32.const 2";
    for (test, replaced, more, sentence) in [
        (
            "amplifies",
            vec![],
            output([64, 20, 512, 3], &[alert; 20], "{}\\0a"),
            "gives segments that overlap",
        ),
        (
            "amplifies-input",
            vec![],
            output([64, 2, 512, 0], &[[0, 0, 2]; 2], ""),
            "gives segments that overlap",
        ),
        // One byte is taken each time, and something said.
        (
            "never-takes",
            vec![("push", "(param i32 i32 i64) (result i32) i32.const 0")],
            one.clone(),
            "maxconn_push says more than 64 bytes",
        ),
        (
            "says-nothing-for-ever",
            vec![("push", "(param i32 i32 i64) (result i32) i32.const 0")],
            output([64, 1, 512, 3], &[[0, 0, 0]], ""),
            "maxconn_push says more than 64 bytes",
        ),
        (
            "never-ends",
            vec![("shutdown", endless)],
            one.clone(),
            "maxconn_shutdown says more than 64 bytes",
        ),
        (
            "says-nothing",
            vec![("shutdown", endless)],
            output([64, 0, 512, 0], &[], ""),
            "has more to say but says nothing",
        ),
        (
            "no-json",
            vec![],
            output([64, 1, 512, 3], &[alert], "x}\\0a"),
            "no JSON object on a line of its own",
        ),
        (
            "two-lines",
            vec![],
            output([64, 1, 512, 4], &[[3, 0, 4]], "{\\0a}\\0a"),
            "no JSON object on a line of its own",
        ),
        (
            "escapes",
            vec![],
            output(
                [64, 1, 512, 11],
                &[[3, 0, 11]],
                "{\\22a\\22:\\22\\1b\\22}\\0a ",
            ),
            "no JSON object on a line of its own",
        ),
    ] {
        let mut instance = load(test, &guest(&replaced, &more)).unwrap();
        let mut said = 0;
        let pushed = instance.push(b"x\n", None, |_, bytes| said += bytes.len());
        let result = pushed.and_then(|()| instance.shutdown(|_, bytes| said += bytes.len()));
        let error = result.expect_err(test).to_string();
        assert!(error.contains(sentence), "{test}: {error}");
        assert!(
            said as u64 <= LIMITS.output_bytes + 2 * 64,
            "{test}: {said}"
        );
    }
}

#[test]
fn what_a_guest_is_given_pays_for_what_it_says() {
    // 64 KiB said for each push, which 1 KiB pays for; the rest is what it may say at once.
    let mut text = output(
        [64, 1, 512, 65_536],
        &[[3, 0, 65_536]],
        "{\\22a\\22:\\22\\22}",
    );
    text += "(func $start (memory.fill (i32.const 518) (i32.const 97) (i32.const 65_527)) (i32.store (i32.const \
             66_044) (i32.const 0x0a7d2261))) (start $start)";
    let mut instance = load(
        "paid",
        &guest(
            &[("input", "(param i32) (result i32) i32.const 131072")],
            &text,
        ),
    )
    .unwrap();
    for _ in 0..100 {
        let mut said = 0;
        let lines = "x".repeat(1023) + "\n";
        instance
            .push(lines.as_bytes(), None, |kind, bytes| {
                assert_eq!(kind, Kind::Alert);
                said += bytes.len();
            })
            .unwrap();
        assert_eq!(said, 65_536);
    }
}

#[test]
fn a_refusal_cannot_steer_the_terminal_and_is_short() {
    let long = "x".repeat(10_000);
    let reason = format!(
        r#"{{\22path\22:\22\5cu001b[2J\22,\22problem\22:\22{long}\22,\22mend\22:\22a\c2\9bb\5cn\22}}"#
    );
    let length = 10_000 + r#"{"path":"\u001b[2J","problem":"","mend":"a..b\n"}"#.len() as u32;
    let text = output([64, 0, 512, length], &[], &reason);
    let mut instance = load(
        "steers",
        &guest(
            &[("configure", "(param i32) (result i32) i32.const 1")],
            &text,
        ),
    )
    .unwrap();
    let error = instance.configure(b"{}", |_, _| {}).unwrap_err();
    let HostError::Refused {
        path,
        problem,
        mend,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (path.as_str(), mend.as_str()),
        ("\\u{1b}[2J", "a\\u{9b}b\\u{a}")
    );
    assert_eq!(problem.len(), 500);

    let import = "(import \"a\\1b[2J\" \"b\\0a\" (func))";
    let error = load("imports", &guest(&[], import))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains(r"imports a\u{1b}[2J.b\u{a}"), "{error}");
}

#[test]
fn what_would_take_long_to_compile_is_refused_before() {
    let locals = |count: usize| format!("(local{})", " i32".repeat(count));
    let nested = |block: &str, depth: usize| block.repeat(depth) + &"end ".repeat(depth);
    let function = |body: String| format!("(func {body})");
    for (test, more, sentence) in [
        (
            "loops",
            function(nested("loop ", 51)),
            "50 loops in one another are allowed; build it for size",
        ),
        (
            "blocks",
            function(nested("block ", 1000)),
            "1000 blocks in one another are allowed",
        ),
        (
            "merges",
            function(locals(301) + &"block end ".repeat(99)),
            "30000 variables times blocks in one function are allowed",
        ),
        (
            "merges-of-types",
            format!(
                "(type $t (func (result{}))) (func {})",
                " i32".repeat(32),
                format!("block (type $t) unreachable end {}", "drop ".repeat(32)).repeat(1000)
            ),
            "30000 variables times blocks in one function are allowed",
        ),
        (
            "merges-in-all",
            function(locals(300) + &"block end ".repeat(98)).repeat(11),
            "300000 variables times blocks in all functions together are allowed",
        ),
        (
            "function",
            function("nop ".repeat(70_000)),
            "65536 bytes of code in one function are allowed",
        ),
        (
            "code",
            function("nop ".repeat(60_000)).repeat(18),
            "1048576 bytes of code are allowed",
        ),
        (
            "functions",
            "(func)".repeat(10_000),
            "10000 entries of one kind are allowed",
        ),
        (
            "type",
            format!("(type (func (param{})))", " i32".repeat(33)),
            "32 parameters or results of a type are allowed",
        ),
    ] {
        let error = load(test, &guest(&[], &more)).err().unwrap().to_string();
        assert!(
            error.contains(sentence) && error.contains(&format!("{test}.wasm")),
            "{test}: {error}"
        );
    }
}
