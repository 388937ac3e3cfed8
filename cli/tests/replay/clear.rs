//! No false all-clear: what was not read, not understood or never a flood is told of.

use std::process::Command;

use flate2::Compression;
use test_support::command::{Folder, Process, program, run};
use test_support::data::{self, FLOOD, rows};
use test_support::http::gzip;
use test_support::lacks;
use test_support::refusal::{line, message};

use crate::replay_stdin;

/// What is said where everything was looked through and nothing found.
const ALL_CLEAR: &str = "none of them says";
const HOUR_S: u32 = 3_600;

/// A line of syslog at a second of January 5.
fn at_second(second: u32, user: &str, ip: &str) -> String {
    let (hour, minute) = (second / HOUR_S, second / 60 % 60);
    let time = format!("Jan  5 {hour:02}:{minute:02}:{:02}", second % 60);
    line(&time, user, ip)
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn what_is_no_log_is_said_to_be_none() {
    let text = at_second(0, "a", "192.0.2.7").repeat(50);
    let tar = [&[b'a'; 257][..], b"ustar\0", &[0; 500]].concat();
    let folder = Folder::new();
    let binary = [1, 2, 3, 0, 0, 0, 0, 0, 9, 200].repeat(99);
    let zip = b"PK\x03\x04\x14\0\0\0";
    let little = utf16(&text, u16::to_le_bytes);
    let big = utf16(&text, u16::to_be_bytes);
    let journal = "journalctl --file FILE -o json | maxconn replay -";
    let empty = "Nothing was read: mail.log is empty.";
    for (content, sentence) in [
        (&zip[..], "mail.log: it is a zip archive; unpack it"),
        (&tar, "mail.log: it is a tar archive; unpack it"),
        (b"LPKSHHRH\0\0\0\0", journal),
        (&little, "iconv -f UTF-16LE"),
        (&big, "UTF-16 without a byte order mark"),
        (&binary, "mail.log: it is binary data"),
        (b"-- No entries --\n", "journalctl found no entries"),
        (b"", empty),
        (b"\n \r\n\n", empty),
        (&[0; 100_000], empty),
    ] {
        folder.write("mail.log", content);
        let ran = run(&folder, "replay mail.log");
        ran.is(1, sentence).is(1, "Nothing was read");
        assert!(!ran.stderr.contains(ALL_CLEAR), "{ran:?}");
        assert_eq!(ran.stdout, "");
        // Beside one that is read it takes nothing away, and is told of.
        folder.write("good.log", "nothing\n");
        let code = i32::from(!sentence.starts_with("Nothing"));
        let ran = run(&folder, "replay --quiet good.log mail.log");
        ran.is(code, "No flood found in 1 record: ")
            .is(code, "Note: mail.log ");
    }
    replay_stdin("--quiet", "").is(1, "Nothing was read: standard input is empty.");
}

#[test]
fn utf_16_with_a_mark_is_read_like_any_text() {
    let plain = format!("\u{feff}{}", data::text(FLOOD));
    let folder = Folder::new();
    folder.write("mail.log", utf16(&plain, u16::to_le_bytes));
    let big = utf16(&plain, u16::to_be_bytes);
    folder.write("packed", gzip(&big, Compression::fast()));
    for file in ["mail.log", "packed"] {
        run(&folder, &format!("replay --quiet {file}"))
            .is(0, "1 flood in 7,514 records: 7,500 refused");
    }
    let message = message("a", "192.0.2.7");
    let record = format!("\u{feff}{{\"message\":{message:?}}}\r\n");
    folder.write("records", utf16(&record, u16::to_le_bytes));
    let found = run(&folder, "replay --summary none records").documents();
    assert_eq!(found[0]["user"]["name"], "a");
}

#[test]
fn a_hole_before_the_first_line_hides_nothing() {
    let folder = Folder::new();
    let hole = [&[0; 70_000][..], at_second(0, "a", "192.0.2.7").as_bytes()].concat();
    folder.write("mail.log", hole);
    let found = run(&folder, "replay --summary none --year 2026 mail.log").documents();
    assert_eq!(found[0]["user"]["name"], "a");
    assert_eq!(found[0]["log"]["offset"], 70_000);
}

#[test]
fn steady_pressure_is_told_with_who_it_is() {
    let lines: String = (0..28_800)
        .map(|number| at_second(number * 3, "bob", "198.51.100.7"))
        .collect();
    let folder = Folder::new();
    folder.write("mail.log", &lines);
    let quiet = "replay --quiet --year 2026";
    let ran = run(&folder, &format!("{quiet} --timezone UTC mail.log"));
    for part in [
        "No flood found in 28,800 records: 28,800 refused connections, never enough at a time for a flood",
        "\nbob from 198.51.100.7\n",
        "   28,800 refusals by imap-login (mail_max_userip_connections)\n",
        "   from 2026-01-05 00:00:00 until 2026-01-05 23:59:57 UTC (23 h 59 min), one every 3.0 s\n",
        "likely cause: retry-storm: 1 user, 1 address, again every 3.0 s (±0 %), in 24 of the day's 24 hours",
        "what to do: The password is right",
    ] {
        ran.is(0, part);
    }
    let summary = run(&folder, &format!("{quiet} --summary json mail.log")).summary();
    let steady = &summary["steady"][0];
    assert_eq!(steady["count"], 28_800);
    assert_eq!(steady["user"], "bob");
    assert_eq!(steady["hint"], "retry-storm");
    assert_eq!(summary["top"]["users"][0]["count"], 28_800);
}

#[test]
fn steady_pressure_beside_floods_is_told_and_what_a_flood_began_with_is_not() {
    let folder = Folder::new();
    let flood: String = (0..60)
        .map(|second| at_second(second, "eve", "198.51.100.9"))
        .collect();
    folder.write("flood.log", &flood);
    let alone = run(&folder, "replay --quiet --year 2026 flood.log");
    lacks(&alone.is(0, "1 flood in 60 records").stderr, &["Outside"]);
    let user = |number: u32| ["bob", "kim"][number as usize % 2];
    let mut steady: String = (0..400)
        .map(|number| at_second(number * 30, user(number), "203.0.113.7"))
        .collect();
    // A flood of nobody's takes nothing from anybody.
    for second in 0..3 {
        steady += &format!(
            "Jan  5 04:00:0{second} mail dovecot: master: Warning: service(imap-login): process_limit (100) reached, \
             client connections are being dropped\n"
        );
    }
    folder.write("steady.log", steady);
    let both = run(&folder, "replay --quiet --year 2026 flood.log steady.log");
    for part in [
        "2 floods in 463 records",
        "Outside of floods, never enough at a time for one:\n",
        "   users      bob 200, kim 200, eve 60\n",
        "   addresses  203.0.113.7 400, 198.51.100.9 60\n",
        "\nbob from 203.0.113.7\n",
    ] {
        both.is(0, part);
    }
}

#[test]
fn the_cause_of_steady_pressure_is_told_as_that_of_floods() {
    let table = "
        web       | 192.0.2.2   | webmail-or-proxy: 1 user behind 192.0.2.2, the server's own address | a webmail
        web       | 10.1.2.3    | webmail-or-proxy: 1 user behind 10.1.2.3, a private address         | a webmail
        a b c d e | 203.0.113.7 | shared-address: 5 users behind the public address 203.0.113.7       | Many users
        a | 203.0.113.7 198.51.100.1 8.8.8.8 1.1.1.1 9.9.9.9 | many-addresses: 1 user from 5 addresses | ask the user";
    for [users, ips, hint, advice] in rows(table) {
        let clients = users.split(' ').cycle().zip(ips.split(' ').cycle());
        let lines: String = (0..1_000)
            .zip(clients)
            .map(|(number, (user, ip))| at_second(number * 20, user, ip))
            .collect();
        replay_stdin("--quiet --year 2026", lines)
            .is(0, hint)
            .is(0, advice);
    }
}

#[test]
fn floods_that_go_on_come_first_and_programs_get_all_of_them() {
    // Twelve floods, each larger than the one before, and a small one that is still there at the end.
    let mut lines = String::new();
    for flood in 0..12 {
        let user = format!("u{flood}");
        lines += &(0..40 + flood)
            .map(|second| at_second(flood * 1_000 + second, &user, "198.51.100.9"))
            .collect::<String>();
    }
    lines += &(0..35)
        .map(|second| at_second(14_000 + second, "open", "198.51.100.9"))
        .collect::<String>();
    let ran = replay_stdin("--quiet --year 2026", &lines);
    ran.is(0, "\n1. open from 198.51.100.9 on mail\n")
        .is(0, "\n2. u11 from");
    ran.is(
        0,
        "And 3 smaller floods with 123 refusals in all; --all and --summary json tell of each.",
    );
    let summary = replay_stdin("--quiet --year 2026 --summary json", &lines).summary();
    let floods = summary["floods"].as_array().unwrap();
    assert_eq!((floods.len(), &summary["floods_more"]), (13, &0.into()));
    assert_eq!(floods[0]["users"]["names"][0], "open");
}

#[test]
fn what_says_a_refusal_and_cannot_be_read_is_shown_with_what_helps() {
    let message = message("a", "192.0.2.7");
    let limit =
        "service(imap-login): client_limit (10) reached, client connections are being dropped";
    let says = "1 record says what a refusal says";
    let helps = "journalctl -o json -u dovecot | maxconn replay -";
    let shown = "The first is: ~~ service(imap-login)";
    let place = "Its message is in odd.place";
    let odd = format!("{{\"odd\":{{\"place\":{message:?}}}}}");
    for (record, parts) in [
        (format!("~~ {message} ~~"), [says, helps]),
        (format!("~~ {limit}"), [says, shown]),
        (odd, [place, "message_keys"]),
    ] {
        let ran = replay_stdin("--quiet", format!("{record}\n"));
        ran.is(
            0,
            "none could be read as a refused connection, but see below.",
        );
        for part in parts {
            ran.is(0, part);
        }
        assert!(!ran.stderr.contains(ALL_CLEAR), "{ran:?}");
    }
    // A needle alone is no message.
    let needle = "Jan  5 00:00:00 mail x: Maximum number of connections is 10\n";
    replay_stdin("--quiet", needle).is(0, ALL_CLEAR);
}

#[test]
fn refusals_whose_time_cannot_be_read_make_no_flood_and_are_told() {
    let lines = format!("??? {}\n", message("a", "198.51.100.7")).replace("??? ", "");
    let folder = Folder::new();
    folder.write("mail.log", lines.repeat(40));
    let ran = run(&folder, "replay --only changed mail.log");
    for part in [
        "No flood found in 40 records: 40 refused connections, and of none the time could be read",
        "Note: 40 refusals have no time that could be read",
        "\na from 198.51.100.7\n",
    ] {
        ran.is(0, part);
    }
    let events = ran.documents();
    assert_eq!(events.len(), 40);
    let has_time = |event: &serde_json::Value| event.get("@timestamp").is_some();
    assert!(!events.iter().any(has_time), "{}", events[0]);
    let summary = run(&folder, "replay --quiet --summary json mail.log").summary();
    assert_eq!(summary["statistics"]["untimed"], 40);
}

#[test]
fn times_are_read_and_shown_in_the_zone_that_is_asked_for() {
    let folder = Folder::new();
    let lines: String = (0..60)
        .map(|second| at_second(second, "a", "198.51.100.7"))
        .collect();
    folder.write("mail.log", lines);
    folder.write("maxconn.toml", "timezone = \"Asia/Tokyo\"\n");
    let table = "
        Europe/Berlin          | | 2026-01-04T23:00:00.000Z | from 2026-01-05 00:00:00 until 2026-01-05 00:00:59 CET
        :Europe/Berlin         | | 2026-01-04T23:00:00.000Z | 00:00:59 CET
        EST5EDT,M3.2.0,M11.1.0 | | 2026-01-05T05:00:00.000Z | 00:00:59 EST
                               | | 2026-01-05T00:00:00.000Z | 00:00:59 UTC
        Europe/Berlin | --config maxconn.toml                | 2026-01-04T15:00:00.000Z | 00:00:59 JST
        Europe/Berlin | --config maxconn.toml --timezone UTC | 2026-01-05T00:00:00.000Z | 00:00:59 UTC";
    for [zone, arguments, start, shown] in rows(table) {
        let mut command = Command::new(program());
        let command = command.args(["replay", "--only", "alerts", "--year", "2026"]);
        let command = command.args(arguments.split_whitespace()).arg("mail.log");
        let ran = Process::of(command.current_dir(&*folder).env("TZ", zone)).end();
        ran.is(0, shown).prints(&format!("\"start\":\"{start}\""));
    }
    run(&folder, "replay --timezone Europe/Berln mail.log")
        .is(2, "did you mean \"Europe/Berlin\"?");
}
