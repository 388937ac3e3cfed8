//! What `pipelines/redpanda/connect-run.yaml` does behind its input, on Bento: both programs have it from the same source.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use host_test::Error;

use super::program;
use crate::maxconn::Run;
use crate::process::{Running, folder, free_ports, guarded};
use crate::report::Report;

const RECORDS: usize = 60_000;
const KILLS: usize = 3;

/// Runs it.
pub fn check(report: &mut Report) {
    report.tell("connect-run.yaml on Bento: crashes of maxconn", crashes());
}

/// Batches of a file go to `maxconn run`, which is killed meanwhile: nothing is missing, nothing comes twice.
fn crashes() -> Result<String, Error> {
    let folder = folder("bento-connect")?;
    let [own, input, admin] = free_ports()?;
    let records = (0..RECORDS).map(|n| format!("a record {n}\n"));
    fs::write(folder.join("in.log"), records.collect::<String>())?;
    let path = guest_build::workspace().join("pipelines/redpanda/connect-run.yaml");
    let printed =
        fs::read_to_string(path)?.replace("127.0.0.1:8686", &format!("127.0.0.1:{input}"));
    let behind = printed.find("\npipeline:").and_then(|at| printed.get(at..));
    let behind = behind.ok_or("connect-run.yaml has no pipeline")?;
    let before = format!(
        "http: {{address: 127.0.0.1:{own}}}\ninput:\n  broker:\n    inputs:\n      - file: {{paths: [in.log], scanner: \
         {{lines: {{}}}}}}\n    batching: {{count: 1000, period: 200ms}}\n"
    );
    fs::write(folder.join("bento.yaml"), before + behind)?;
    // Standard output goes to the file, too.
    let log = folder.join("maxconn.log");
    let [url, state] = [
        format!("http://127.0.0.1:{input}"),
        folder.join("state").to_string_lossy().into_owned(),
    ];
    let arguments = ["--input", &url, "--output", "stdout", "--state", &state];
    let mut maxconn = Run::start(arguments, admin, &log)?;
    let counts = || -> Result<HashMap<usize, usize>, Error> {
        let mut counts = HashMap::new();
        for piece in fs::read_to_string(&log)?.split("a record ").skip(1) {
            let digits = piece.split('"').next().and_then(|it| it.parse().ok());
            // The last line may be half written.
            *counts.entry(digits.unwrap_or(usize::MAX)).or_default() += 1;
        }
        counts.remove(&usize::MAX);
        Ok(counts)
    };
    let mut command: Command = guarded(program());
    command.args(["-c", "bento.yaml"]).current_dir(&folder);
    let mut bento = Running::start("bento", command, &folder.join("bento.log"))?;
    for kill in 1..=KILLS {
        bento.until("records come", |_| {
            Ok((counts()?.len() >= kill * RECORDS / (KILLS + 1)).then_some(()))
        })?;
        maxconn.crash_and_restart()?;
    }
    // It ends by itself once all was taken.
    let ended = bento.until("all records come", |_| {
        Ok((counts()?.len() == RECORDS).then_some(()))
    });
    let counts = counts()?;
    let twice = counts.values().filter(|count| **count > 1).count();
    match (counts.len(), twice) {
        (RECORDS, 0) => Ok(format!(
            "{RECORDS} records, {KILLS} crashes: none missing, none twice"
        )),
        (came, twice) => Err(format!("{came} of {RECORDS} came, {twice} twice; {ended:?}").into()),
    }
}
