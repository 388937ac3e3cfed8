//! The webhooks in `pipelines/alerts`, as its README prints them.

use serde_json::{Value, json};
use test_support::command::Folder;
use test_support::data::{self, rows};
use test_support::http::Sink;
use test_support::{contains, lacks, until};

use super::{HOSTILE, figure, later, refusals, start};

/// What the README gives `--alerts` for a template.
fn printed(template: &str) -> String {
    let readme = data::text("pipelines/alerts/README.md");
    let mut lines = readme
        .lines()
        .filter_map(|it| it.strip_prefix("maxconn run --alerts '"));
    let line = lines
        .find(|it| it.contains(template))
        .expect("it is printed");
    line.strip_suffix('\'').expect("its end").to_string()
}

#[test]
fn chats_get_what_they_document_and_no_name_gets_out_of_its_text() {
    let table = "
        slack.json  | https://hooks.slack.com    | POST /services/T0/B0/s3cret HTTP
        matrix.json | https://matrix.example.org | PUT /_matrix/client/v3/rooms/!room:example.org/send/m.room.message/
        ntfy.json   | https://ntfy.example.org   | POST / HTTP";
    for [template, host, path] in rows(table) {
        let (folder, sink) = (Folder::new(), Sink::start());
        let here = format!("http://{}", sink.address);
        let text = data::text(&format!("pipelines/alerts/{template}"));
        folder.write(template, text);
        folder.write("slack.url", format!("{here}/services/T0/B0/s3cret\n"));
        for name in ["matrix.token", "ntfy.token"] {
            folder.write(name, "t0ken\n");
        }
        let output = printed(template)
            .replace("/etc/maxconn", folder.to_str().unwrap())
            .replace(host, &here);
        let mut process = start(&folder, "--output none", &[&output]);
        let batch: String = HOSTILE.iter().map(|name| refusals(name, 0..3)).collect();
        assert_eq!(process.post(batch + &later(60)), 204);
        let name = output.split(' ').next().unwrap();
        until("all are told", || {
            let told = figure(&process, "maxconn_alert_deliveries_total", name);
            let name = |state| format!("maxconn_alerts_total{{state=\"{state}\"}}");
            let states = ["start", "end"].map(|it| process.figure(&name(it)).unwrap_or(0));
            states[1] > 0 && told == states.iter().sum::<u64>()
        });
        let metrics = test_support::http::get(process.address("admin"), "/metrics").body;
        process.stop();
        for text in [metrics, process.all_said()] {
            lacks(&text, &["s3cret", "t0ken"]);
        }
        for head in sink.heads() {
            assert!(head.starts_with(path), "{head}");
            let kind = "content-type: application/json";
            contains(&head.to_ascii_lowercase(), &[kind]);
            let has_token = head.contains("Bearer t0ken");
            assert_eq!(has_token, template != "slack.json", "{head}");
        }
        let text = sink.lines().join("\n");
        let bodies = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let bodies: Vec<Value> = bodies.map(Result::unwrap).collect();
        assert!(bodies.len() > 10, "{}", bodies.len());
        for body in bodies {
            check(template, &body);
        }
    }
}

/// That a body is as documented: <https://api.slack.com/messaging/webhooks>,
/// <https://spec.matrix.org/latest/client-server-api/#mroommessage-msgtypes>, <https://docs.ntfy.sh/publish/#publish-as-json>.
fn check(template: &str, body: &Value) {
    let keys = body.as_object().unwrap().keys();
    let keys: Vec<&str> = keys.map(String::as_str).collect();
    match template {
        "slack.json" => {
            assert_eq!(keys, ["attachments", "mrkdwn", "text"]);
            let text = body["text"].as_str().unwrap();
            assert!(text.starts_with("Flood "), "{text}");
            lacks(text, &["<", ">"]);
            let color = match text.starts_with("Flood ended") {
                true => "good",
                false => "warning",
            };
            assert_eq!(body["attachments"][0]["color"], color);
        }
        "matrix.json" => {
            assert_eq!(keys, ["body", "m.mentions", "msgtype"]);
            assert!(
                ["m.text", "m.notice"]
                    .iter()
                    .any(|it| body["msgtype"] == *it)
            );
            assert_eq!(body["m.mentions"], json!({}));
        }
        _ => {
            assert_eq!(keys, ["message", "priority", "tags", "title", "topic"]);
            assert!((2..=4).any(|it| body["priority"] == it));
        }
    }
}
