//! What waits for an output that is slow or dead: it holds no record up, and outlives the process.

use std::io::Read;
use std::net::TcpListener;

use serde_json::Value;
use test_support::command::{Folder, Process, run_rows};
use test_support::http::{Sink, post};
use test_support::refusal::others;
use test_support::until;

use super::{KEPT, figure, later, refusals, start};

/// State and user of each alert that a sink has.
fn told(sink: &Sink) -> Vec<String> {
    let told = |line: &String| {
        let it: Value = serde_json::from_str(line).unwrap();
        let [state, user] = [&it["maxconn"]["flood"]["state"], &it["user"]["name"]];
        let told = [state, user].map(|it| it.as_str().unwrap_or_default());
        (told[1] != "later").then(|| told.join(" "))
    };
    sink.lines().iter().filter_map(told).collect()
}

fn hook(sink: &Sink) -> String {
    // No template: the alert itself; a newline parts it from the next.
    format!("webhook+http://{}/hook template=line.txt", sink.address)
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("line.txt", "{\"user\":{\"name\":{{ user.name|tojson }}},\"maxconn\":{\"flood\":{\"state\":{{ maxconn.flood.state|tojson }}}}}\n\n");
    folder
}

#[test]
fn outputs_that_are_dead_hold_no_record_up_and_have_the_latest_when_they_are_back() {
    let (folder, sink, dead) = (folder(), Sink::start(), Sink::start());
    dead.says(503);
    // Somebody who listens and takes nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let lines = format!("tcp://{}", mute.local_addr().unwrap());
    let output = format!("--output {}", sink.url());
    let mut process = start(&folder, &output, &[&hook(&dead), &lines]);
    let name = format!("webhook+http://{}/hook", dead.address);
    process.post(refusals("bob", 0..3));
    until("a first try", || !dead.heads().is_empty());
    // Five updates of one flood, and one that comes and goes.
    for minute in 0..5 {
        let batch = refusals("bob", 3 + 30 * minute..33 + 30 * minute);
        assert_eq!(process.post(batch), 204);
    }
    let batch = refusals("eve", 153..156) + &others(0..1000);
    assert_eq!(process.post(batch), 204);
    assert_eq!(process.post(later(200)), 204);
    let updates = sink.count("flood-ongoing");
    assert!(updates >= 3, "{updates}");
    assert_eq!((sink.count("nothing "), sink.count("flood-end")), (1000, 2));
    assert_eq!(figure(&process, "maxconn_alerts_waiting", &name), 4);
    assert_eq!(figure(&process, "maxconn_alert_output_up", &name), 0);
    assert_eq!(process.metric("maxconn_output_up"), 1);
    dead.says(200);
    until("all that waits", || told(&dead).len() == 4);
    let all = ["start bob", "start eve", "end bob", "end eve"];
    assert_eq!(told(&dead), all);
    assert_eq!(figure(&process, "maxconn_alert_deliveries_total", &name), 4);
    process.stop();
    // The other took them into its buffers.
    let mut taken = String::new();
    mute.accept().unwrap().0.read_to_string(&mut taken).unwrap();
    assert!(taken.contains("flood-start") && taken.ends_with('\n'));
}

#[test]
fn what_waits_outlives_a_crash_and_a_stop_and_is_told_once() {
    let (folder, dead) = (folder(), Sink::start());
    dead.says(503);
    let start_kept = || start(&folder, KEPT, &[&hook(&dead)]);
    let mut process = start_kept();
    process.post(refusals("bob", 0..5));
    until("it is kept", || folder.holds("kept.state", "\"output\""));
    process.kill();
    let mut process = start_kept();
    process.post(later(60));
    let is_kept = || folder.holds("kept.state", "flood-end");
    until("its end is kept", is_kept);
    // A stop waits for no output that is dead, if what waits is kept.
    process.stop();
    dead.says(200);
    let mut process = start_kept();
    until("all that waits", || told(&dead).len() >= 2);
    process.stop();
    assert_eq!(told(&dead), ["start bob", "end bob"]);
    let arguments = "--output stdout --only alerts --state kept.state";
    let mut process = start(&folder, arguments, &[]);
    process.address("input");
    process.stop();
    assert_eq!(told(&dead).len(), 2);
}

#[test]
fn without_a_state_what_no_output_took_is_said_to_be_lost_and_a_stop_ends_floods() {
    let (folder, dead) = (folder(), Sink::start());
    let mut process = start(&folder, "--output none", &[&hook(&dead)]);
    process.post(refusals("bob", 0..3));
    until("the start", || told(&dead).len() == 1);
    process.stop();
    assert_eq!(told(&dead), ["start bob", "end bob"]);
    dead.says(503);
    let mut process = start(&folder, "--output none --grace 200ms", &[&hook(&dead)]);
    process.post(refusals("bob", 0..3));
    process.stop();
    process.said("did not take 2 alerts, which are lost");
}

#[test]
fn alerts_that_become_due_between_posts_of_a_reply_leave_at_once() {
    let (folder, sink) = (folder(), Sink::start());
    let mut process = start(&folder, "--output reply", &[&hook(&sink)]);
    // The same refusals are two floods, which end one after the other, with nothing posted between.
    let rules = [
        "name = \"userip\"\nquiet = \"1s\"",
        "name = \"slow\"\nkey = [\"user\"]\nquiet = \"4s\"",
    ];
    let rules = rules.map(|it| format!("[[rule]]\n{it}\nthreshold = 3\nwithin = \"1s\"\n"));
    let rules = format!("allowed_lateness = \"0s\"\n{}", rules.concat());
    folder.write("maxconn.toml", rules);
    let input = process.address("input");
    process.signal("HUP");
    process.said("was read again");
    let batch = refusals("bob", 0..3).replace("\"@timestamp\":", "\"no\":");
    assert_eq!(post(input, &[], batch).status, 200);
    until("both ends", || told(&sink).len() == 4);
    process.stop();
}

#[test]
fn alerts_go_elsewhere_whatever_part_is_wanted_here() {
    let (folder, sink, hooked) = (folder(), Sink::start(), Sink::start());
    let arguments = format!("--output {} --only events", sink.url());
    let mut process = start(&folder, &arguments, &[&hook(&hooked)]);
    assert_eq!(process.post(refusals("bob", 0..9)), 204);
    until("the start", || told(&hooked).len() == 1);
    assert_eq!(sink.count("flood-start"), 0);
    assert_eq!(sink.count("connection-limit-exceeded"), 2);
    process.stop();
    let mut process = Process::start("--input http://127.0.0.1:0 --confirm messages");
    process.wait();
}

#[test]
fn what_cannot_be_told_is_refused_with_its_mend() {
    let folder = Folder::new();
    folder.write("line.json", "{\"text\": \"{{ message }}\"}");
    folder.write("headers", "s3cret\n");
    folder.write("url", "not a url\n");
    let table = "
        2 | run --output none                                             | name somebody with --alerts
        2 | run --alerts smtp://mail                                      | none of the outputs for alerts
        2 | run --alerts stdout                                           | standard output has something else already
        2 | run --output none --alerts exec:a --alerts exec:a             | is given twice
        2 | run --alerts webhook:nowhere                                  | name a file that can be read
        2 | run --alerts webhook:url                                      | one line of visible ASCII
        2 | run --alerts-dead-letter dead                                 | --alerts
        2 | run --alerts exec:a --alerts-timeout 0s                       | it must be more than nothing
        2 | run --alerts exec:a --alerts-dead-letter headers              | something else than dead letters
        2 | replay x.log --output none                                    | run";
    run_rows(&folder, table, |_| ());
    for (setting, words) in [
        ("template=line.json", "without quotation marks"),
        ("headers=headers", "line 1 of headers is no header"),
        ("color=red", "leave color out"),
    ] {
        let output = format!("webhook+http://127.0.0.1:1/ {setting}");
        let mut process = start(&folder, "", &[&output]);
        let ran = process.end();
        ran.is(2, words);
        assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    }
}
