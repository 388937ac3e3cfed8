//! `maxconn run` before a real Elasticsearch by TLS, with keys that it refuses and one that it takes.

use std::fs;

use host_test::Error;

use crate::faults::planted::{self, EVENTS, Load, RECORDS};
use crate::faults::sender::send;
use crate::maxconn::Run;
use crate::process::{folder, free_ports};
use crate::stores::Elasticsearch;

/// Well formed, and of nobody: `wrong:key`.
const WRONG: &str = "d3Jvbmc6a2V5";

/// What `maxconn run` needs for its data streams.
const NEEDED: [&str; 2] = ["create_doc", "auto_configure"];

/// A wrong key and one without privileges get a sentence each; with the right one in the file everything goes
/// through, without a restart.
pub fn check(store: &Elasticsearch) -> Result<String, Error> {
    planted::put_template(&store.client)?;
    let none = store.api_key(&["monitor"], None)?;
    let elsewhere = store.api_key(&[], Some(("logs-other-*", &NEEDED)))?;
    let privileges = "give the key the privileges `create_doc` and `auto_configure`";
    let mut figures = Vec::new();
    for (key, status, mend, serials) in [
        (
            WRONG,
            "401",
            "give a key that it takes with --output-api-key",
            0..3_000,
        ),
        // To the request, and to each document.
        (&none, "403", privileges, 3_000..6_000),
        (&elsewhere, "403", privileges, 6_000..9_000),
    ] {
        let load = Load::new(serials, 100, &format!("flooder{status}@example.org"));
        let (sentence, sent_again) = go(store, key, status, &load)?;
        if !sentence.contains(mend) {
            return Err(format!("no mend is named: {sentence}").into());
        }
        let told = load.check(&store.client)?;
        figures.push(format!(
            "{status}, then {told}, {sent_again} posts sent again"
        ));
    }
    Ok(figures.join("; "))
}

/// Sends a load with a key that is refused until it is told so. Answers with the sentence, and how many posts
/// had to come again.
fn go(
    store: &Elasticsearch,
    refused: &str,
    status: &str,
    load: &Load,
) -> Result<(String, usize), Error> {
    let right = store.api_key(&[], Some(("logs-*", &NEEDED)))?;
    let folder = folder("wrong-key")?;
    let key = folder.join("key");
    fs::write(&key, refused)?;
    let [port, admin] = free_ports()?;
    let log = folder.join("log");
    let mut run = Run::start(
        vec![
            format!("--input=http://127.0.0.1:{port}"),
            format!("--output=elasticsearch+{}", store.client.url),
            format!("--output-api-key={}", key.display()),
            format!("--output-ca={}", store.authority.display()),
            format!("--events-stream={EVENTS}"),
            format!("--records-stream={RECORDS}"),
            // Short, so that senders are told to come again.
            "--request-timeout=1s".to_string(),
        ],
        admin,
        &log,
    )?;
    let mut sentence = String::new();
    let progress = send(port, &load.batches, |progress| {
        sentence = run.said(&format!(" {status} "))?;
        progress.wait_for_refusals(1)?;
        if progress.acknowledged() > 0 {
            return Err("something was acknowledged that nobody took".into());
        }
        Ok(fs::write(&key, &right)?)
    })?;
    run.stop()?;
    let said = fs::read_to_string(log)?;
    if said.contains(refused) || said.contains(&right) {
        return Err("it says a key".into());
    }
    let (refused, broken) = progress.failures();
    Ok((sentence, refused + broken))
}
