//! The summary as people see it: on terminals of several widths, with colours and without, and as programs get it.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;
use test_support::command::{Folder, Process, run, run_rows};
use test_support::data::is_golden;
use test_support::lacks;
use test_support::refusal::{line, message};
use test_support::terminal::run_on_terminal;

const HOSTILE: [&str; 8] = [
    "bob",
    "$(touch pwned)",
    "`touch pwned`",
    "';touch pwned;'",
    "\";touch pwned;\"",
    "-x",
    "a\u{1b}[2Jb",
    "*",
];

/// Lines of a flood that begins at that second of January 5, one a second.
fn flood(from: u32, count: u32, user: &str, ip: &str) -> String {
    let at = |second: u32| {
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        format!("Jan  5 {hour:02}:{minute:02}:{:02}", second % 60)
    };
    let seconds = from..from + count;
    seconds.map(|second| line(&at(second), user, ip)).collect()
}

/// A night: bob's phone six times, a service that is full, a few others, and somebody at the end.
fn night() -> String {
    let mut log = String::new();
    for hour in 2..8 {
        log += &flood(hour * 3_600, 120 + hour, "bob", "192.0.2.7");
    }
    for (number, user) in ["kim", "eve", "joe"].iter().enumerate() {
        let from = 8 * 3_600 + 600 * u32::try_from(number).unwrap();
        log += &flood(from, 9, user, "198.51.100.9");
    }
    for second in 0..4 {
        let _ = writeln!(
            log,
            "Jan  5 09:00:0{second} mail dovecot: master: Warning: service(imap-login): process_limit (100) reached, \
             client connections are being dropped"
        );
    }
    log + &flood(36_000, 45, "alice@example.org", "2001:db8::7")
}

fn in_folder(log: &str) -> Folder {
    let folder = Folder::new();
    folder.write("mail.log", log);
    folder
}

#[test]
fn a_night_reads_well_at_every_width() {
    let folder = in_folder(&night());
    for columns in [60, 120] {
        for colour in ["always", "never"] {
            let arguments = format!("replay mail.log --year 2026 --color {colour}");
            let (text, code) = run_on_terminal(&folder, &arguments, columns, &[]);
            assert_eq!(code, Some(0), "{text}");
            // How large the disk is depends on the machine.
            let text = text.replace(", less than 0.1 % of the disk", "");
            // The bar, which is taken away.
            let text = text.trim_start_matches("\r\x1b[2K");
            is_golden(&format!("summary-{columns}-{colour}.txt"), text);
            for line in text.lines().filter(|it| !it.starts_with("     ")) {
                let shown = console::measure_text_width(line);
                assert!(shown <= columns.into(), "{shown} columns: {line}");
            }
        }
    }
}

#[test]
fn a_terminal_gets_the_summary_alone_and_a_pipe_the_records() {
    let folder = in_folder(&night());
    let (alone, _) = run_on_terminal(&folder, "replay mail.log --year 2026", 100, &[]);
    assert!(!alone.contains("{\""), "{alone}");
    assert!(alone.contains("\x1b[1"), "no colours: {alone}");
    let arguments = "replay mail.log --year 2026 --only alerts";
    let (asked, _) = run_on_terminal(&folder, arguments, 100, &[]);
    assert!(asked.contains("{\"@timestamp\""), "{asked}");
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let arguments = "replay mail.log --year 2026";
        let (plain, _) = run_on_terminal(&folder, arguments, 100, &variables);
        assert!(!plain.contains("\x1b[1"), "{variables:?}: {plain}");
    }
    let ran = run(&folder, "replay mail.log --year 2026");
    let is_there = ran.stdout.starts_with("{\"message\"");
    assert!(is_there, "{}", ran.stdout.len());
    assert!(!ran.stderr.contains('\x1b'), "{}", ran.stderr);
}

#[test]
fn repeats_are_one_entry_and_all_lists_them() {
    let folder = in_folder(&night());
    let ran = run(&folder, "replay --quiet --year 2026 mail.log");
    for part in [
        "8 floods in 823 records",
        "\n1. alice@example.org from 2001:db8::7 on mail\n",
        "   it still went on at the end of the log\n",
        "\n2. bob from 192.0.2.7 on mail ×6, hourly, 02:00 to 07:00\n",
        "   747 refusals by imap-login (mail_max_userip_connections=10)\n",
        "   the largest from 2026-01-05 07:00:00 until 2026-01-05 07:02:06 UTC (2 min 6 s)\n",
        "     doveadm who -1 bob\n",
        "     doveadm kick bob 192.0.2.7\n",
        "     # Ask bob: which devices",
        "     # The setting: service imap-login { process_limit = 200 } in /etc/dovecot/conf.d/10-master.conf",
        "users      bob 747, alice@example.org 45, ",
    ] {
        ran.is(0, part);
    }
    assert!(!ran.stderr.contains("each time"), "{ran:?}");
    let time = "     from 2026-01-05 03:00:00 until 2026-01-05 03:02:02 UTC: 123 refusals\n";
    run(&folder, "replay --quiet --year 2026 --all mail.log").is(0, time);
    let one = run(&folder, "replay --quiet --year 2026 --top 1 mail.log");
    let more =
        "And 7 smaller floods with 751 refusals in all; --all and --summary json tell of each.";
    one.is(0, more);
    assert!(!one.stderr.contains("\n2. "), "{one:?}");
}

#[test]
fn a_part_of_the_time_is_read_where_that_is_asked_for() {
    let folder = in_folder(&night());
    let table = "
        0 | replay -q --year 2026 mail.log --since 2026-01-05T05:00:00Z | 5 floods in 454 records
        0 | replay -q --year 2026 mail.log --since 2026-01-05T05:00:00 --until 2026-01-05T07:00 | 2 floods in 251 records
        0 | replay -q --year 2026 mail.log --until 2026-01-05T01:00 | Nothing was read: none of the 823 lines is of the time that is asked for.
        0 | replay -q --year 2026 mail.log --until 2026-01-05T02:30 | Note: 701 lines are not of the time that is asked for.
        2 | replay --since soon mail.log | --since \"soon\" is no time; write it like 2h (ago)
        2 | replay --since 1h --until 2h mail.log | --since is not before --until";
    run_rows(&folder, table, |_| ());
}

#[test]
fn one_line_is_a_log_that_ends_with_it() {
    let folder = in_folder(&flood(7, 1, "bob", "192.0.2.7"));
    let ran = run(&folder, "replay --quiet --year 2026 mail.log");
    for row in [
        "period     from 2026-01-05 00:00:07 until 2026-01-05 00:00:07 UTC (0 s)\n",
        "last one   2026-01-05 00:00:07 UTC, in the log's last second\n",
    ] {
        ran.is(0, row);
    }
}

#[test]
fn the_document_for_programs_is_alone_and_has_all_of_it() {
    let folder = in_folder(&night());
    let arguments = "replay mail.log missing.log mail.log --year 2026 --summary json";
    let quiet = run(&folder, &format!("{arguments} -q"));
    let document: Value = serde_json::from_str(&quiet.stdout).unwrap();
    quiet.is(1, "cannot read missing.log: No such file or directory");
    let piped = run(&folder, arguments);
    assert_eq!(piped.code, Some(1));
    let same: Value = serde_json::from_str(&piped.stderr).unwrap();
    assert_eq!(same, document);
    let ends = piped.stdout.lines().filter(|it| it.contains("flood-end"));
    assert_eq!(ends.count(), 8);
    assert_eq!(document["version"], 1);
    assert_eq!(document["floods"].as_array().unwrap().len(), 8);
    assert_eq!(document["top"]["users"][0]["name"], "bob");
    assert_eq!(document["top"]["networks"][0]["name"], "192.0.2.0/24");
    let input = &document["input"];
    assert_eq!(input["errors"][0]["file"], "missing.log");
    assert_eq!(input["twice"][0], "mail.log");
    assert_eq!(input["lines"], 823);
    assert_eq!(input["untimed"], 0);
    assert_eq!(input["last_refusal"], 1_767_607_244_000_i64);
}

#[test]
fn no_name_breaks_out_of_what_is_pasted() {
    for name in HOSTILE {
        let folder = in_folder(&flood(0, 60, name, "192.0.2.7"));
        let ran = run(&folder, "replay --quiet --year 2026 mail.log");
        assert!(ran.stderr.contains("1 flood in"), "{ran:?}");
        assert!(!ran.stderr.contains('\x1b'), "{ran:?}");
        let (_, commands) = ran.stderr.split_once("run now:\n").unwrap();
        let is_command = |line: &&str| line.starts_with("     ");
        let commands = commands.lines().take_while(is_command);
        // What stands there is pasted as a whole, comments with it; the commands themselves are none of this machine's.
        let script: String = commands.map(|line| format!("{line}\n")).collect();
        let script = format!("doveadm() {{ :; }}\n{script}");
        for shell in ["sh", "bash"] {
            let mut command = Command::new(shell);
            let output = command.args(["-c", &script]).current_dir(&*folder).output();
            assert!(output.unwrap().status.success(), "{script}");
        }
        assert!(!folder.join("pwned").exists(), "{script}");
    }
}

#[test]
fn a_line_of_the_log_is_shown_and_cannot_steer_the_terminal() {
    let said = message("a\u{1b}[2Jb", "192.0.2.7");
    let log: String = (0..60)
        .map(|it| format!("Jan  5 00:00:{it:02} mail dovecot: {said}\n"))
        .collect();
    let folder = in_folder(&log);
    let (text, _) = run_on_terminal(&folder, "replay --year 2026 mail.log", 80, &[]);
    assert!(text.contains("a line of it: "), "{text}");
    assert!(!text.contains("\x1b[2J"), "{text}");
}

#[test]
fn what_two_rules_count_is_told_once() {
    let folder = in_folder(&flood(0, 120, "bob", "192.0.2.7"));
    let rule = "[[rule]]\nname = \"mine\"\nkey = [\"ip\"]\nthreshold = 30\nwithin = \"60s\"\n";
    folder.write("maxconn.toml", rule);
    let arguments = "replay --quiet --year 2026 --config maxconn.toml mail.log";
    let ran = run(&folder, arguments);
    ran.is(0, "2 floods in 120 records").is(0, ", told once");
    assert!(!ran.stderr.contains("\n2. "), "{ran:?}");
}

#[test]
fn a_log_is_followed_over_its_rotation_until_ctrl_c() {
    let folder = in_folder(&flood(0, 40, "bob", "192.0.2.7"));
    let arguments = "replay --follow --year 2026 --only alerts mail.log";
    let process = Process::at(&folder, arguments);
    let until_start = |user: &str| loop {
        let alert = process.document();
        let is_start = alert["maxconn"]["flood"]["state"] == "start";
        if is_start && alert["user"]["name"] == user {
            break;
        }
    };
    until_start("bob");
    std::fs::rename(folder.join("mail.log"), folder.join("mail.log.1")).unwrap();
    folder.write("mail.log", flood(3_600, 40, "kim", "192.0.2.8"));
    until_start("kim");
    let mut process = process;
    process.signal("INT");
    let ran = process.end();
    ran.is(130, "2 floods in 80 records: 80 refused connections");
    lacks(&ran.stderr, &["Stopped before the end"]);
}
