//! `maxconn report` as people run it: what it writes, and what it says of what it cannot use.

use std::fs;
use std::path::Path;

use serde_json::Value;
use test_support::command::{self, Folder, Ran, run, run_rows};
use test_support::data::{self, FLOOD};
use test_support::refusal;

const LOAD: &str = "testdata/load/csv-plain.csv";

/// Reports on files of the repository.
fn report(arguments: &str) -> Ran {
    run(
        &data::path(""),
        &format!("report --timezone UTC {arguments}"),
    )
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr))
}

/// `UPDATE=1` writes it anew.
#[test]
fn a_real_flood_gives_the_report_that_is_kept() {
    let ran = report(&format!("--year 2026 --json - --disk-free 20GB {FLOOD}"));
    let mut found = json(ran.is(0, ""));
    // Each machine's own.
    let disk = found["input"]["disk_bytes"].take();
    assert!(disk.as_u64().is_some_and(|bytes| bytes > 0), "{disk}");
    data::is_golden("report.json", &format!("{found:#}\n"));
}

#[test]
fn that_nothing_is_of_the_time_that_was_asked_for_is_an_answer() {
    let ran = report(&format!("--year 2026 --until 2020-01-01 --json - {FLOOD}"));
    let found = json(ran.is(0, ""));
    let told = "Nothing was read: none of the 7,514 lines is of the time that is asked for.";
    assert_eq!(found["verdict"][0], told);
}

#[test]
fn totals_are_those_of_the_log_whichever_way_they_are_summed() {
    let found = json(report(&format!("--json - {FLOOD}")).is(0, ""));
    let sum = |list: &Value| -> u64 {
        let values = list.as_array().unwrap().iter();
        values.map(|it| it.as_u64().unwrap()).sum()
    };
    let flood = &found["floods"][0];
    for (what, total) in [
        ("input", found["input"]["refusals"].as_u64().unwrap()),
        ("timeline", sum(&found["timeline"]["counts"])),
        ("flood", flood["count"].as_u64().unwrap()),
        ("curve", sum(&flood["curve"]["counts"])),
        ("hours", sum(&flood["hours"])),
        ("weekdays", sum(&flood["weekdays"])),
        ("users", found["top"]["users"][0]["count"].as_u64().unwrap()),
        (
            "networks",
            found["top"]["networks"][0]["count"].as_u64().unwrap(),
        ),
        (
            "hosts",
            found["top"]["servers"][0]["count"].as_u64().unwrap(),
        ),
    ] {
        assert_eq!(total, 7_500, "{what}");
    }
    let bytes = found["input"]["refusal_bytes"].as_u64().unwrap();
    assert!(sum(&found["timeline"]["bytes"]).abs_diff(bytes) <= 10);
}

#[test]
fn without_a_file_to_write_it_is_text_with_a_chart() {
    let ran = report(&format!("--load {LOAD} --disk-free 1G {FLOOD}"));
    ran.is(0, "");
    for part in [
        "alice@example.org from 127.0.0.1",
        "was refused 7,500 times by imap-login",
        "Refusals a minute, up to",
        "█",
        "doveadm who -1 alice@example.org",
        "what to do:",
        "Load (load)",
        "has no point in the time of the logs",
        "At the flood's rate",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(
        !ran.stdout.contains('\x1b') && ran.stderr.is_empty(),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_page_is_one_file_that_only_its_owner_reads() {
    let folder = Folder::new();
    let log = data::path(FLOOD);
    let arguments = format!(
        "report {} --html page.html --json report.json",
        log.display()
    );
    run(&folder, &arguments).is(0, "");
    let page = String::from_utf8(folder.read("page.html")).unwrap();
    assert!(page.len() <= 1 << 20, "{}", page.len());
    let (_, data) = page.split_once("id=\"report\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let json: Value = serde_json::from_slice(&folder.read("report.json")).unwrap();
    assert_eq!(data, json);
    assert_eq!(folder.mode("page.html"), 0o600);
    for fetched in ["http://", "https://"] {
        let places = page.match_indices(fetched);
        // Names of standards and of licences, which nothing fetches.
        for (at, _) in places {
            let before = page.get(at.saturating_sub(12)..at).unwrap_or_default();
            let is_fetched = ["src=", "href=", "url(", "import"]
                .iter()
                .any(|it| before.contains(it));
            assert!(!is_fetched, "{}", page.get(at..at + 60).unwrap_or_default());
        }
    }
}

#[test]
fn a_hostile_name_is_a_name_everywhere() {
    let folder = Folder::new();
    for name in [
        "</script><img src=x onerror=alert(1)>",
        "a\u{2028}b",
        "\"'`$(reboot)",
        "-rf",
        "a\u{1b}[2Jb\u{202e}",
    ] {
        let lines: String = (0..60)
            .map(|second| refusal::line(&format!("Jan  5 03:12:{second:02}"), name, "192.0.2.7"))
            .collect();
        let log = folder.write("mail.log", lines);
        let shown = run(
            &folder,
            "report mail.log --html page.html --json report.json",
        );
        shown.is(0, "");
        let json: Value = serde_json::from_slice(&folder.read("report.json")).unwrap();
        assert_eq!(json["input"]["refusals"], 60, "{name:?}");
        let page = String::from_utf8(folder.read("page.html")).unwrap();
        let (_, data) = page.split_once("id=\"report\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        assert!(!data.contains(['<', '>', '&', '\u{2028}']), "{name:?}");
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), json);
        let text = run(&folder, "report mail.log").stdout;
        let steers = |it: char| (it.is_control() && it != '\n') || it == '\u{202e}';
        assert!(!text.contains(steers), "{name:?}: {text}");
        fs::remove_file(log).unwrap();
    }
}

#[test]
fn what_cannot_be_used_is_said_before_anything_is_read() {
    let folder = Folder::new();
    folder.write(
        "mail.log",
        refusal::line("Jan  5 03:12:45", "bob", "192.0.2.7"),
    );
    folder.write(
        "bad.csv",
        "time,load\n2027-01-01T00:00:00Z,0.4\nyesterday,0.5\n",
    );
    folder.write("bad.json", "{\"sysstat\": ");
    folder.write("empty.log", "");
    fs::create_dir(folder.join("folder")).unwrap();
    let table = r#"
        2 | report mail.log --load bad.csv | cannot use the load in bad.csv: line 3: "yesterday" is no time that can be read; write it as 2027-01-05T03:12:00Z
        2 | report mail.log --load bad.json | cannot use the load in bad.json: line 1, column 12: it begins as JSON and is none:
        1 | report mail.log --load none.csv | cannot read none.csv: No such file or directory; name a file that is there
        1 | report mail.log --load folder | cannot read folder: Is a directory
        1 | report mail.log --html none/page.html | cannot write none/page.html: 
        1 | report mail.log --html folder | cannot write folder: 
        2 | report mail.log --html - | --html - would write a page to standard output; name a file
        2 | report mail.log --html a --json a | --html and --json name the same file
        2 | report mail.log --disk-free much | write a size, such as 20GB
        1 | report none.log | cannot read none.log: No such file or directory
        1 | report empty.log | nothing was read; name a log that has lines
        0 | report mail.log |
    "#;
    run_rows(&folder, table, |ran| {
        assert!(!ran.stdout.contains("panicked"), "{}", ran.stderr);
    });
}

#[test]
fn the_story_is_told_with_the_load_that_followed_it() {
    let folder = Folder::new();
    let start = "2027-01-01T00:00:00Z";
    let story = format!("generate --cause story --lines 180000 --start {start}");
    let log = run(Path::new("/"), &story).stdout;
    folder.write("mail.log", log);
    // An hour before, the hour of the flood, an hour behind it.
    let load: String = (0..180)
        .map(|minute: i64| {
            let high = if (60..120).contains(&minute) {
                7.0
            } else {
                0.4
            };
            let time_s = 1_798_758_000 + minute * 60;
            format!("{time_s},{}\n", high + (minute * 7 % 10) as f64 / 20.0)
        })
        .collect();
    folder.write("load.csv", load);
    let ran = run(
        &folder,
        "report mail.log --timezone UTC --year 2027 --load load.csv --json -",
    );
    let found = json(ran.is(0, ""));
    let verdict = found["verdict"][0].as_str().unwrap();
    for part in [
        "180,000 times",
        "50.0 a second",
        "a retry storm",
        "2027-01-01 00:00:00",
    ] {
        assert!(verdict.contains(part), "{part}: {verdict}");
    }
    let load = &found["load"];
    assert!(load["correlation"].as_f64().unwrap() > 0.98, "{load}");
    assert_eq!(load["high_share"], 1.0);
    assert_eq!(load["lag_s"], 0);
}

#[test]
fn an_interrupted_report_is_of_what_was_read() {
    let mut process = command::Process::at(Path::new("/"), "report - --json -");
    let lines: String = (0..60)
        .map(|second| refusal::line(&format!("Jan  5 03:12:{second:02}"), "bob", "192.0.2.7"))
        .collect();
    process.write(&lines.repeat(2_000));
    process.signal("INT");
    let ran = process.end();
    ran.is(130, "interrupted: the report is of the first");
    assert_eq!(json(&ran)["input"]["stopped"], true);
}

#[test]
fn what_is_read_is_not_written_over() {
    let folder = Folder::new();
    folder.write(
        "mail.log",
        refusal::line("2026-01-01T12:00:00Z", "bob", "192.0.2.7"),
    );
    folder.write("load.csv", "time,value\n1767268800,1\n");
    for arguments in [
        "report mail.log --html mail.log",
        "report mail.log --json ./mail.log",
        "report mail.log --load load.csv --html load.csv",
    ] {
        let before = (folder.read("mail.log"), folder.read("load.csv"));
        run(&folder, arguments).is(2, "is read, and would be written over; name another file");
        assert_eq!((folder.read("mail.log"), folder.read("load.csv")), before);
    }
}

#[test]
fn no_all_clear_is_given_of_what_has_no_time() {
    let folder = Folder::new();
    let line = format!("dovecot: {}\n", refusal::message("bob", "192.0.2.7"));
    folder.write("mail.log", line.repeat(40));
    let ran = run(&folder, "report mail.log");
    assert!(ran.is(0, "").stdout.starts_with(
        "No flood can be told in 40 records: 40 refused connections, 40 of them without a time"
    ));
    assert!(!ran.stdout.contains("never"), "{}", ran.stdout);
}

#[test]
fn a_log_that_is_named_twice_is_told_of() {
    let ran = report(&format!("{FLOOD} ./{FLOOD}"));
    let note = format!("Note: ./{FLOOD} is named twice; it was read once.");
    assert!(ran.is(0, "").stdout.contains(&note), "{}", ran.stdout);
}

#[test]
fn several_were_refused_and_one_was() {
    let folder = Folder::new();
    let lines = (0..40).map(|at| {
        refusal::line(
            &format!("2026-01-01T12:00:{at:02}Z"),
            &format!("u{}", at % 12),
            "198.51.100.7",
        )
    });
    folder.write("mail.log", lines.collect::<String>());
    let ran = run(&folder, "report mail.log");
    let sentence = "12 users from 198.51.100.7 on mail were refused 40 times by imap-login";
    assert!(ran.is(0, "").stdout.contains(sentence), "{}", ran.stdout);
}
