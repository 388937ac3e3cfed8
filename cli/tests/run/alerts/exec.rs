//! Commands that are run for alerts.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use test_support::command::Folder;
use test_support::{contains, data, lacks, until};

use super::{HOSTILE, figure, later, refusals, script, start};

/// The files of a folder whose names end so.
fn files(folder: &Folder, ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(&**folder).unwrap().flatten();
    let mut all: Vec<PathBuf> = all.map(|it| it.path()).collect();
    all.retain(|it| it.extension().is_some_and(|it| it == ending));
    all
}

/// Starts one whose alerts go to a command, and posts these names' floods.
fn told(folder: &Folder, command: &str, names: &[&str]) -> test_support::command::Process {
    let process = start(folder, "--output none", &[command]);
    let batch: String = names.iter().map(|name| refusals(name, 0..3)).collect();
    assert_eq!(process.post(batch), 204);
    let starts = "maxconn_alerts_total{state=\"start\"}";
    until("all are told", || {
        let told = figure(&process, "maxconn_alert_deliveries_total", command);
        told > 0 && Some(told) == process.figure(starts)
    });
    process
}

#[test]
fn a_command_has_the_document_and_its_fields_and_no_name_is_run() {
    let folder = Folder::new();
    script(
        &folder,
        "tell",
        "cat > \"$MAXCONN_ID.json\"; env > \"$MAXCONN_ID.env\"; printf '%s|' \"$@\" > \"$MAXCONN_ID.args\"",
    );
    let mut process = told(&folder, "exec:tell one $(touch\u{20}pwned) *", &HOSTILE);
    process.stop();
    assert!(!folder.join("pwned").exists());
    assert!(files(&folder, "json").len() >= 5);
    for path in files(&folder, "args") {
        assert_eq!(fs::read_to_string(path).unwrap(), "one|$(touch|pwned)|*|");
    }
    for path in files(&folder, "json") {
        let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let environment = fs::read_to_string(path.with_extension("env")).unwrap();
        let lines = environment.lines();
        let fields = lines.filter_map(|it| it.strip_prefix("MAXCONN_")?.split_once('='));
        let fields: Vec<(&str, &str)> = fields.collect();
        // None has a second line, and all are there whatever the alert says.
        assert_eq!(fields.len(), 22, "{environment}");
        let field = |name: &str| fields.iter().find(|it| it.0 == name).unwrap().1;
        let flood = &document["maxconn"]["flood"];
        assert_eq!(field("FLOOD_ID"), flood["id"]);
        assert_eq!(field("COUNT"), flood["count"].to_string());
        lacks(&format!("\n{environment}"), &["\nBcc", "\nSubject"]);
    }
}

#[test]
fn a_mail_is_sent_by_the_script_as_it_ships_and_no_name_gets_into_its_headers() {
    let folder = Folder::new();
    let shipped = data::text("pipelines/alerts/mail-alert");
    let shipped = shipped.strip_prefix("#!/bin/sh\n").unwrap();
    script(&folder, "mail-alert", shipped);
    let sendmail = "printf '%s|' \"$@\" > $$.args; cat > $$.mail";
    script(&folder, "sendmail", sendmail);
    let mut process = told(&folder, "exec:mail-alert postmaster@example.org", &HOSTILE);
    process.stop();
    for path in files(&folder, "args") {
        let arguments = fs::read_to_string(path).unwrap();
        assert_eq!(arguments, "-i|--|postmaster@example.org|");
    }
    let mails = files(&folder, "mail");
    assert!(mails.len() >= 5, "{mails:?}");
    for path in mails {
        let text = fs::read_to_string(path).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let names = head.lines().filter_map(|it| it.split_once(": "));
        let names: Vec<&str> = names.map(|(name, _)| name).collect();
        let expected =
            "To Subject MIME-Version Content-Type Content-Transfer-Encoding Auto-Submitted";
        assert_eq!(names.join(" "), expected, "{head}");
        assert!(head.is_ascii() && body.contains("What to do: "), "{text}");
        contains(head, &["\nSubject: [maxconn] Flood "]);
    }
    assert!(!folder.join("pwned").exists());
}

#[test]
fn a_command_that_hangs_is_killed_with_what_it_started_and_tried_again() {
    let folder = Folder::new();
    // The first time it hangs, and so does its child.
    let text =
        "cat > /dev/null; [ -e tried ] && exit 0; sleep 1000 & echo $! > child; : > tried; wait";
    script(&folder, "tell", text);
    let arguments = "--output none --alerts-timeout 300ms";
    let mut process = start(&folder, arguments, &["exec:tell"]);
    assert_eq!(process.post(refusals("bob", 0..3)), 204);
    process.said("did not end within 0.3 s and was killed");
    until("the second try", || {
        figure(&process, "maxconn_alert_deliveries_total", "exec:tell") == 1
    });
    let child = String::from_utf8(folder.read("child")).unwrap();
    until("its child is gone", || {
        let status = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        // Where nobody fetches it, it stays as a zombie.
        status.is_empty() || status.contains(") Z ")
    });
    process.stop();
}

#[test]
fn an_alert_that_a_command_refuses_is_set_aside_and_one_that_it_fails_with_is_tried_again() {
    let folder = Folder::new();
    let text = "[ \"$MAXCONN_USER\" = odd ] && { echo no such name >&2; exit 65; }; [ -e tried ] && exit 0; : > tried; exit 75";
    script(&folder, "tell", text);
    let arguments = "--output none --alerts-dead-letter dead.ndjson";
    let mut process = start(&folder, arguments, &["exec:tell"]);
    let batch = refusals("odd", 0..3) + &refusals("bob", 0..3);
    assert_eq!(process.post(batch), 204);
    until("one is told", || {
        figure(&process, "maxconn_alert_deliveries_total", "exec:tell") == 1
    });
    until("one is set aside", || {
        figure(&process, "maxconn_alert_dead_letters_total", "exec:tell") == 1
    });
    process.said("exit code 75");
    assert!(folder.holds("dead.ndjson", "exit code 65 (no such name)"));
    // Start before end, though several run at once.
    let text = "echo $MAXCONN_STATE $MAXCONN_USER >> order";
    script(&folder, "tell", text);
    assert_eq!(process.post(refusals("eve", 0..3) + &later(60)), 204);
    until("its end", || folder.holds("order", "end eve"));
    let order = String::from_utf8(folder.read("order")).unwrap();
    let place = |what: &str| order.lines().position(|it| it == what).unwrap();
    assert!(place("start eve") < place("end eve"), "{order}");
    process.stop();
}
