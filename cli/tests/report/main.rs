//! `maxconn report` as people run it: what it writes, and what it says of what it cannot use.

use std::fs;
use std::path::Path;

use serde_json::Value;
use test_support::command::{self, Folder, Ran, run, run_rows};
use test_support::data::{self, FLOOD};
use test_support::{contains, lacks, refusal};

const LOAD: &str = "testdata/load/csv-plain.csv";

/// Reports on files of the repository.
fn report(arguments: &str) -> Ran {
    let arguments = format!("report --timezone UTC {arguments}");
    run(&data::path(""), &arguments)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr))
}

/// Refusals of a minute, one each second.
fn a_minute(user: &str) -> String {
    let line = |second| refusal::line(&format!("Jan  5 03:12:{second:02}"), user, "192.0.2.7");
    (0..60).map(line).collect()
}

/// The JSON in a page.
fn data_in(page: &str) -> &str {
    let (_, data) = page.split_once("id=\"report\">").unwrap();
    data.split_once("</script>").unwrap().0
}

/// The page of a log, and the report that is in it.
fn written(folder: &Folder, log: &str) -> (String, Value) {
    let arguments = format!("report {log} --html page.html --json report.json");
    run(folder, &arguments).is(0, "");
    let page = String::from_utf8(folder.read("page.html")).unwrap();
    let json: Value = serde_json::from_slice(&folder.read("report.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data_in(&page)).unwrap(), json);
    (page, json)
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
    for (what, list) in [
        ("timeline", &found["timeline"]["counts"]),
        ("curve", &flood["curve"]["counts"]),
        ("hours", &flood["hours"]),
        ("weekdays", &flood["weekdays"]),
    ] {
        assert_eq!(sum(list), 7_500, "{what}");
    }
    assert_eq!(found["input"]["refusals"], 7_500);
    assert_eq!(flood["count"], 7_500);
    for list in ["users", "networks", "servers"] {
        assert_eq!(found["top"][list][0]["count"], 7_500, "{list}");
    }
    let bytes = found["input"]["refusal_bytes"].as_u64().unwrap();
    assert!(sum(&found["timeline"]["bytes"]).abs_diff(bytes) <= 10);
}

#[test]
fn without_a_file_to_write_it_is_text_with_a_chart() {
    let ran = report(&format!("--load {LOAD} --disk-free 1G {FLOOD}"));
    assert_eq!(ran.is(0, "").stderr, "");
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
        ran.prints(part);
    }
    lacks(&ran.stdout, &["\x1b"]);
}

#[test]
fn the_page_is_one_file_that_only_its_owner_reads() {
    let folder = Folder::new();
    let log = data::path(FLOOD).display().to_string();
    let (page, _) = written(&folder, &log);
    assert!(page.len() <= 1 << 20, "{}", page.len());
    assert_eq!(folder.mode("page.html"), 0o600);
    for fetched in ["http://", "https://"] {
        let places = page.match_indices(fetched);
        // Names of standards and of licences, which nothing fetches.
        for (at, _) in places {
            let before = page.get(at.saturating_sub(12)..at).unwrap_or_default();
            lacks(before, &["src=", "href=", "url(", "import"]);
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
        let log = folder.write("mail.log", a_minute(name));
        let (page, json) = written(&folder, "mail.log");
        assert_eq!(json["input"]["refusals"], 60, "{name:?}");
        let data = data_in(&page);
        assert!(!data.contains(['<', '>', '&', '\u{2028}']), "{name:?}");
        let text = run(&folder, "report mail.log").stdout;
        let steers = |it: char| (it.is_control() && it != '\n') || it == '\u{202e}';
        assert!(!text.contains(steers), "{name:?}: {text}");
        fs::remove_file(log).unwrap();
    }
}

#[test]
fn what_cannot_be_used_is_said_before_anything_is_read() {
    let folder = Folder::new();
    folder.write("mail.log", a_minute("bob"));
    let load = "time,load\n2027-01-01T00:00:00Z,0.4\nyesterday,0.5\n";
    folder.write("bad.csv", load);
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
            let high = match minute {
                60..120 => 7.0,
                _ => 0.4,
            };
            let time_s = 1_798_758_000 + minute * 60;
            format!("{time_s},{}\n", high + (minute * 7 % 10) as f64 / 20.0)
        })
        .collect();
    folder.write("load.csv", load);
    let arguments = "report mail.log --timezone UTC --year 2027 --load load.csv --json -";
    let ran = run(&folder, arguments);
    let found = json(ran.is(0, ""));
    let verdict = found["verdict"][0].as_str().unwrap();
    contains(verdict, &["180,000 times", "50.0 a second"]);
    contains(verdict, &["a retry storm", "2027-01-01 00:00:00"]);
    let load = &found["load"];
    assert!(load["correlation"].as_f64().unwrap() > 0.98, "{load}");
    assert_eq!(load["high_share"], 1.0);
    assert_eq!(load["lag_s"], 0);
}

#[test]
fn an_interrupted_report_is_of_what_was_read() {
    let mut process = command::Process::at(Path::new("/"), "report - --json -");
    process.write(&a_minute("bob").repeat(2_000));
    process.signal("INT");
    let ran = process.end();
    ran.is(130, "interrupted: the report is of the first");
    assert_eq!(json(&ran)["input"]["stopped"], true);
}

#[test]
fn what_is_read_is_not_written_over() {
    let folder = Folder::new();
    folder.write("mail.log", a_minute("bob"));
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
    let sentence =
        "No flood can be told in 40 records: 40 refused connections, 40 of them without a time";
    assert!(ran.is(0, "").stdout.starts_with(sentence));
    lacks(&ran.stdout, &["never"]);
}

#[test]
fn a_log_that_is_named_twice_is_told_of() {
    let ran = report(&format!("{FLOOD} ./{FLOOD}"));
    let note = format!("Note: ./{FLOOD} is named twice; it was read once.");
    ran.is(0, "").prints(&note);
}

#[test]
fn several_were_refused_and_one_was() {
    let folder = Folder::new();
    let line = |at| {
        let (time, user) = (
            format!("2026-01-01T12:00:{at:02}Z"),
            format!("u{}", at % 12),
        );
        refusal::line(&time, &user, "198.51.100.7")
    };
    folder.write("mail.log", (0..40).map(line).collect::<String>());
    let ran = run(&folder, "report mail.log");
    let sentence = "12 users from 198.51.100.7 on mail were refused 40 times by imap-login";
    ran.is(0, "").prints(sentence);
}
