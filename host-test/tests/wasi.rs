//! What the WASI guest owes to its users beyond what every case shows.

use fastrand::Rng;
use host_test::wasi::{self, Wasi};
use host_test::wasm::Runtime;
use host_test::{Error, changed, guest};
use maxconn_host::bake::bake;
use test_support::data::rows;
use test_support::refusal;

fn module() -> Result<Vec<u8>, Error> {
    guest("wasi")
}

fn event_at(time: &str) -> String {
    refusal::line(time, "test", "192.0.2.1")
}

fn event() -> String {
    event_at("2026-01-11T12:00:00Z")
}

fn given(arguments: &[&str], stdin: &str) -> Wasi {
    let mut wasi = Wasi::new(arguments, vec![(stdin.as_bytes().to_vec(), 0)]);
    wasi.files = [
        ("maxconn.toml", "max_keys = 1\n"),
        ("wrong.json", r#"{"max_keyz":1}"#),
        ("five.json", r#"{"rule":[{"name":"userip","threshold":5}]}"#),
    ]
    .map(|(name, text)| (name.to_string(), text.as_bytes().to_vec()))
    .into();
    wasi
}

/// Exit code, standard output and standard error.
fn run(wasm: &[u8], wasi: Wasi) -> Result<(i64, String, String), Error> {
    let (ran, _) = wasi::run(wasm, Runtime::Wasmtime, wasi)?;
    let (stdout, stderr) = (
        String::from_utf8(ran.stdout)?,
        String::from_utf8(ran.stderr)?,
    );
    Ok((ran.exit_code, stdout, stderr))
}

#[test]
fn what_is_wrong_is_said_and_ends_with_2() -> Result<(), Error> {
    let wasm = module()?;
    for [arguments, sentence] in rows(
        "
        --onyl alerts         | --onyl: there is no such option; see --help
        --only alert          | --only alert: write alerts, events or changed
        --only                | --only needs a value
        --year=26             | --year 26: write a year from 1970 to 9998
        --config no.json      | cannot read the configuration no.json: WASI error 44
        --config /etc/no.json | the runtime gave this module no folder
        --config=wrong.json   | wrong.json: max_keyz: there is no such key; did you mean `max_keys`?
        --config=maxconn.toml | maxconn config bake --config maxconn.toml --guest wasi",
    ) {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (code, stdout, stderr) = run(&wasm, given(&arguments, &event()))?;
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        let is_said = stderr.starts_with("maxconn: ") && stderr.contains(sentence);
        assert!(is_said, "{stderr}");
    }
    let mut wrong = wasm.clone();
    bake(&mut wrong, br#"{"max_keyz":1}"#)?;
    let (code, _, stderr) = run(&wrong, given(&[], &event()))?;
    assert_eq!(code, 2);
    let sentence = "the configuration in this module is wrong: max_keyz";
    assert!(stderr.contains(sentence), "{stderr}");
    Ok(())
}

#[test]
fn a_configuration_holds_from_a_file_and_from_the_module() -> Result<(), Error> {
    let wasm = module()?;
    let mut baked = wasm.clone();
    bake(&mut baked, br#"{"rule":[{"name":"userip","threshold":5}]}"#)?;
    let flood = event().repeat(6);
    for (wasm, arguments, alerts) in [
        (&wasm, &["--only", "alerts"][..], 0),
        (&wasm, &["--only=alerts", "--config", "./five.json"], 2),
        (&baked, &["--only=alerts"], 2),
    ] {
        let (code, stdout, stderr) = run(wasm, given(arguments, &flood))?;
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(stdout.lines().count(), alerts, "{arguments:?}: {stdout}");
    }
    Ok(())
}

#[test]
fn a_live_pipe_keeps_its_years_right_however_long_it_runs() -> Result<(), Error> {
    const JANUARY_MS: i64 = 1_767_571_200_000;
    const SEPTEMBER_MS: i64 = 1_788_566_400_000;
    let years = |arguments: &[&str]| -> Result<Vec<bool>, Error> {
        let stdin = vec![
            (event_at("Jan  5 00:00:00").into_bytes(), JANUARY_MS),
            (event_at("Sep  5 00:00:00").into_bytes(), SEPTEMBER_MS),
        ];
        let (_, stdout, _) = run(&module()?, Wasi::new(arguments, stdin))?;
        let expected = ["2026-01-05T00:00:00.000Z", "2026-09-05T00:00:00.000Z"];
        let lines = stdout.lines().zip(expected);
        Ok(lines.map(|(line, time)| line.contains(time)).collect())
    };
    assert_eq!(years(&["--only=events"])?, [true, true]);
    let said = years(&["--only=events", "--year=2025"])?;
    assert_eq!(said, [false, false], "a year that is said holds for all");
    Ok(())
}

#[test]
fn a_configuration_is_found_however_its_folder_is_written() -> Result<(), Error> {
    let wasm = module()?;
    for (folder, path, is_found) in [
        (".", "five.json", true),
        (".", "./five.json", true),
        ("./conf", "conf/five.json", true),
        ("conf", "./conf/five.json", true),
        ("conf/", "conf/five.json", true),
        ("/", "/five.json", true),
        ("/etc", "/etc/five.json", true),
        ("conf", "configuration/five.json", false),
        ("/etc", "etc/five.json", false),
        (".", "/five.json", false),
    ] {
        let mut wasi = given(&["--only=alerts", "--config", path], &event().repeat(6));
        wasi.folder = folder.to_string();
        let (code, stdout, stderr) = run(&wasm, wasi)?;
        let found = (code, stdout.lines().count()) == (0, 2);
        assert_eq!(found, is_found, "{path} in {folder}: {stderr}");
    }
    Ok(())
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() -> Result<(), Error> {
    let mut wasi = given(&[], &"a line\n".repeat(100_000));
    wasi.stdout_max_bytes = Some(1_000);
    let (code, stdout, stderr) = run(&module()?, wasi)?;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with(r#"{"message":"a line"}"#));
    Ok(())
}

#[test]
fn help_and_version_are_said() -> Result<(), Error> {
    let wasm = module()?;
    let (code, stdout, _) = run(&wasm, given(&["--help"], ""))?;
    assert!(code == 0 && stdout.contains("--only PART"), "{stdout}");
    let (code, stdout, _) = run(&wasm, given(&["--version"], ""))?;
    assert_eq!((code, stdout.as_str()), (0, "maxconn 0.1.0\n"));
    Ok(())
}

#[test]
fn lines_of_any_length_pass_in_pieces_and_none_of_their_bytes_is_lost() -> Result<(), Error> {
    let wasm = module()?;
    for (text, pieces) in [
        ("é".repeat(1_500_000), 3),
        ("x".repeat((1 << 20) + 1), 2),
        ("x".repeat(1 << 20), 1),
        (String::new(), 0),
    ] {
        for end in ["", "\n"] {
            let stdin = format!("{text}{end}");
            let (code, stdout, stderr) = run(&wasm, given(&[], &stdin))?;
            let said = match pieces {
                0 | 1 => "",
                _ => "maxconn: lines longer than 1 MiB, cut into pieces: 1\n",
            };
            assert_eq!((code, stderr.as_str()), (0, said));
            let mut joined = String::new();
            for line in stdout.lines() {
                let record: serde_json::Value = serde_json::from_str(line)?;
                let message = record["message"].as_str();
                joined += message.ok_or("a record without a message")?;
            }
            let is_empty_line = text.is_empty() && end == "\n";
            assert_eq!(stdout.lines().count(), pieces + usize::from(is_empty_line));
            assert!(joined == text, "bytes differ");
        }
    }
    Ok(())
}

#[test]
fn no_bytes_trap() -> Result<(), Error> {
    let (wasm, mut random) = (module()?, Rng::with_seed(2));
    for _ in 0..50 {
        let bytes = changed(event().repeat(40).as_bytes(), 200, &mut random);
        let mut wasi = given(&[], "");
        wasi.stdin = vec![(bytes, 0)];
        let (ran, _) = wasi::run(&wasm, Runtime::Wasmtime, wasi)?;
        assert_eq!(ran.exit_code, 0);
    }
    Ok(())
}
