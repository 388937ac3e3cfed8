//! Guests from files: what they may be, take and say.

use std::time::Duration;

use maxconn_host::{HostError, Instance, Kind, Limits, Plugin};
use test_support::command::Folder;
use test_support::data::rows;

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
    let folder = Folder::new();
    let file = folder.write(&format!("{test}.wasm"), wat::parse_str(text).unwrap());
    Plugin::load(&file, LIMITS)?.instantiate()
}

/// Holds that a module is refused in words of which these are some, with its name.
#[track_caller]
fn refused(test: &str, text: &str, sentence: &str) {
    let error = load(test, text).err().unwrap().to_string();
    let name = format!("{test}.wasm");
    assert!(
        error.contains(sentence) && error.contains(&name),
        "{test}: {error}"
    );
}

#[test]
fn what_is_no_module_is_refused_in_words() {
    let folder = Folder::new();
    for bytes in [&b"\x1f\x8b\x08\0\0\0\0\0"[..], b"text", b""] {
        let path = folder.write("module.gz", bytes);
        let error = Plugin::load(&path, Limits::default()).err().unwrap();
        let said = error.to_string();
        assert!(said.contains("does not begin as one does"), "{said}");
        assert!(!said.contains("0x") && !said.contains('['), "{said}");
    }
}

#[test]
fn a_module_with_another_surface_is_refused_by_name() {
    refused("empty", "(module)", "lacks the export memory");
    for [test, replaced, body, more, sentence] in rows(
        "
        lacking   | tick        |                         |                             | lacks the export maxconn_tick
        typed     | tick        | (param i32) (result i32) i32.const 0 |                | maxconn_tick has the type
        importing | -           |                         | (import \"env\" \"clock\" (func)) | imports env.clock
        version   | abi_version | (result i32) i32.const 7 |                            | speaks version 7
        starting  | -           |          | (func $start unreachable) (start $start)   | failed in its start",
    ) {
        refused(test, &guest(&[(replaced, body)], more), sentence);
    }
}

#[test]
fn a_module_that_hangs_traps_grows_or_lies_is_stopped() {
    let pushed = |test: &str, name: &str, body: &str| {
        let mut instance = load(test, &guest(&[(name, body)], "")).unwrap();
        (instance.push(b"x\n", None, |_, _| {}), instance)
    };
    for [test, name, body, sentence] in rows(
        "
        hanging  | push   | (param i32 i32 i64) (result i32) (loop br 0) i32.const 0 | did not return within 0.5 s
        trapping | push   | (param i32 i32 i64) (result i32) unreachable             | failed in maxconn_push
        lazy     | push   | (param i32 i32 i64) (result i32) i32.const 0             | answers 0 for 2 bytes
        greedy   | push   | (param i32 i32 i64) (result i32) i32.const 3             | answers 3 for 2 bytes
        astray   | output | (result i32) i32.const -4                                | outside of its memory
        beyond   | input  | (param i32) (result i32) i32.const 1048570               | no room",
    ) {
        let error = pushed(test, name, body).0.unwrap_err().to_string();
        let file = format!("{test}.wasm");
        assert!(error.contains(sentence) && error.contains(&file), "{error}");
    }
    // 1,024 pages more are 64 MiB, of 8 allowed: the memory stays as it is, and it takes a byte at a time.
    let grows =
        "(param i32 i32 i64) (result i32) (memory.grow (i32.const 1024)) i32.const 0 i32.lt_s";
    let (result, instance) = pushed("growing", "push", grows);
    result.unwrap();
    assert_eq!(instance.memory_bytes(), 1 << 20);
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
    let grows = "i32.const 0 i32.lt_s if unreachable end) (start $start)";
    let memory = format!("(func $start (memory.grow (i32.const 1024)) {grows}");
    let table = format!(
        "(table $t 1 funcref) (func $start (table.grow $t (ref.null func) (i32.const 50000000)) {grows}"
    );
    let tables = "(table 60000 funcref) ".repeat(2);
    let too_much = "failed in its start: it wants more memory than it may have; lower max_keys";
    refused("start-grows", &guest(&[], &memory), too_much);
    let entries = "it wants more table entries";
    refused("table", &guest(&[], &tables), entries);
    refused("table-grows", &guest(&[], &table), entries);
    for [test, more, sentence] in rows(
        "
        start-hangs | (func $start (loop br 0)) (start $start) | its start did not return within 0.5 s
        large       | (memory (export \"memory\") 1024)        | failed in its start: it wants more memory
        memories    | (memory 1)                               | failed in its start: resource limit exceeded: memory count",
    ) {
        refused(test, &guest(&[], more), sentence);
    }
}

#[test]
fn a_guest_that_says_too_much_is_stopped() {
    let alert = [3, 0, 3];
    let one = output([64, 1, 512, 3], &[alert], "{}\\0a");
    let twenty = output([64, 20, 512, 3], &[alert; 20], "{}\\0a");
    let input = output([64, 2, 512, 0], &[[0, 0, 2]; 2], "");
    let [silent, none] = [1, 0].map(|count| output([64, count, 512, 3 * count], &[[0, 0, 0]], ""));
    let text = output([64, 1, 512, 3], &[alert], "x}\\0a");
    let lines = output([64, 1, 512, 4], &[[3, 0, 4]], "{\\0a}\\0a");
    let escapes = "{\\22a\\22:\\22\\1b\\22}\\0a ";
    let escapes = output([64, 1, 512, 11], &[[3, 0, 11]], escapes);
    // One byte is taken each time, and something said.
    let never_takes = ("push", "(param i32 i32 i64) (result i32) i32.const 0");
    let endless = ("shutdown", "(result i32) i32.const 2");
    let no_object = "no JSON object on a line of its own";
    let overlap = "gives segments that overlap";
    let pushes = "maxconn_push says more than 64 bytes";
    let ends = "maxconn_shutdown says more than 64 bytes";
    let nothing = "has more to say but says nothing";
    for (test, replaced, more, sentence) in [
        ("amplifies", None, &twenty, overlap),
        ("amplifies-input", None, &input, overlap),
        ("never-takes", Some(never_takes), &one, pushes),
        ("says-nothing-for-ever", Some(never_takes), &silent, pushes),
        ("never-ends", Some(endless), &one, ends),
        ("says-nothing", Some(endless), &none, nothing),
        ("no-json", None, &text, no_object),
        ("two-lines", None, &lines, no_object),
        ("escapes", None, &escapes, no_object),
    ] {
        let mut instance = load(test, &guest(replaced.as_slice(), more)).unwrap();
        let mut said = 0;
        let pushed = instance.push(b"x\n", None, |_, bytes| said += bytes.len() as u64);
        let result = pushed.and_then(|()| instance.shutdown(|_, bytes| said += bytes.len() as u64));
        let error = result.expect_err(test).to_string();
        assert!(error.contains(sentence), "{test}: {error}");
        assert!(said <= LIMITS.output_bytes + 2 * 64, "{test}: {said}");
    }
}

#[test]
fn what_a_guest_is_given_pays_for_what_it_says() {
    // 64 KiB said for each push, which 1 KiB pays for; the rest is what it may say at once.
    let begins = "{\\22a\\22:\\22\\22}";
    let mut text = output([64, 1, 512, 65_536], &[[3, 0, 65_536]], begins);
    text += "(func $start (memory.fill (i32.const 518) (i32.const 97) (i32.const 65_527)) (i32.store (i32.const \
             66_044) (i32.const 0x0a7d2261))) (start $start)";
    let input = ("input", "(param i32) (result i32) i32.const 131072");
    let mut instance = load("paid", &guest(&[input], &text)).unwrap();
    for _ in 0..100 {
        let (mut said, line) = (0, "x".repeat(1023) + "\n");
        let pushed = instance.push(line.as_bytes(), None, |kind, bytes| {
            assert_eq!(kind, Kind::Alert);
            said += bytes.len();
        });
        pushed.unwrap();
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
    let configure = ("configure", "(param i32) (result i32) i32.const 1");
    let mut instance = load("steers", &guest(&[configure], &text)).unwrap();
    match instance.configure(b"{}", |_, _| {}).unwrap_err() {
        HostError::Refused {
            path,
            problem,
            mend,
        } => {
            assert_eq!((path, mend), (r"\u{1b}[2J".into(), r"a\u{9b}b\u{a}".into()));
            assert_eq!(problem.len(), 500);
        }
        error => panic!("{error}"),
    }
    let import = "(import \"a\\1b[2J\" \"b\\0a\" (func))";
    refused("imports", &guest(&[], import), r"imports a\u{1b}[2J.b\u{a}");
}

#[test]
fn what_would_take_long_to_compile_is_refused_before() {
    let locals = |count: usize| format!("(local{})", " i32".repeat(count));
    let nested = |block: &str, depth: usize| block.repeat(depth) + &"end ".repeat(depth);
    let function = |body: String| format!("(func {body})");
    let blocks = |count: usize| "block end ".repeat(count);
    let merges = format!(
        "(type $t (func (result{}))) (func {})",
        " i32".repeat(32),
        format!("block (type $t) unreachable end {}", "drop ".repeat(32)).repeat(1000)
    );
    let merge = |count, times| function(locals(count) + &blocks(times));
    for [test, sentence] in rows(
        "
        loops           | 50 loops in one another are allowed; build it for size
        blocks          | 1000 blocks in one another are allowed
        merges          | 30000 variables times blocks in one function are allowed
        merges-of-types | 30000 variables times blocks in one function are allowed
        merges-in-all   | 300000 variables times blocks in all functions together are allowed
        function        | 65536 bytes of code in one function are allowed
        code            | 1048576 bytes of code are allowed
        functions       | 10000 entries of one kind are allowed
        type            | 32 parameters or results of a type are allowed",
    ) {
        let more = match test {
            "loops" => function(nested("loop ", 51)),
            "blocks" => function(nested("block ", 1000)),
            "merges" => merge(301, 99),
            "merges-of-types" => merges.clone(),
            "merges-in-all" => merge(300, 98).repeat(11),
            "function" => function("nop ".repeat(70_000)),
            "code" => function("nop ".repeat(60_000)).repeat(18),
            "functions" => "(func)".repeat(10_000),
            "type" => format!("(type (func (param{})))", " i32".repeat(33)),
            _ => panic!("{test}: no such module"),
        };
        refused(test, &guest(&[], &more), sentence);
    }
}
