//! A real Prometheus scrapes `maxconn run` with the files of `pipelines/prometheus`; `promtool` judges them, and the figures.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use host_test::Error;
use serde_json::Value;
use test_support::data;

use crate::maxconn::Run;
use crate::process::{Running, folder, free_ports, guarded, run};
use crate::report::Report;

const PIPELINE: &str = "pipelines/prometheus";
const DASHBOARD: &str = "pipelines/grafana/maxconn-run.json";

/// Runs all of it.
pub fn check(report: &mut Report) {
    report.tell("promtool judges the rules and tries them", rules());
    report.tell(
        "Prometheus scrapes maxconn run, a rule fires, every panel is answered",
        scraped(),
    );
}

fn rules() -> Result<String, Error> {
    for arguments in [
        ["check", "rules", "maxconn.rules.yml"],
        ["test", "rules", "maxconn.test.yml"],
        ["check", "config", "prometheus.yml"],
    ] {
        run(Command::new("promtool")
            .args(arguments)
            .current_dir(PIPELINE))?;
    }
    Ok("they hold".to_string())
}

fn scraped() -> Result<String, Error> {
    let folder = folder("prometheus")?;
    let [input, admin, port] = free_ports()?;
    let url = format!("http://127.0.0.1:{input}");
    let arguments = ["--input", &url, "--output", "reply"];
    let maxconn = Run::start(arguments, admin, &folder.join("maxconn.log"))?;
    judged(admin, &folder)?;
    fs::copy(
        Path::new(PIPELINE).join("maxconn.rules.yml"),
        folder.join("maxconn.rules.yml"),
    )?;
    // As printed, but for the port and the pace.
    let config = fs::read_to_string(Path::new(PIPELINE).join("prometheus.yml"))?;
    let config = config.replace("127.0.0.1:8688", &format!("127.0.0.1:{admin}"));
    let pace = "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n";
    fs::write(folder.join("prometheus.yml"), format!("{pace}{config}"))?;
    let mut command = guarded("prometheus");
    command
        .current_dir(fs::canonicalize(&folder)?)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut prometheus = Running::start("prometheus", command, &folder.join("prometheus.log"))?;
    let ask = |query: &str| -> Result<Vec<Value>, Error> {
        let answer = ureq::get(format!("http://127.0.0.1:{port}/api/v1/query"))
            .query("query", query)
            .call()?
            .body_mut()
            .read_to_string()?;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    };
    prometheus.until("a first scrape", |_| {
        Ok(ask("maxconn_build_info").ok().filter(|it| !it.is_empty()))
    })?;
    ureq::post(&url)
        .header("Content-Type", "text/plain")
        .send(data::text(data::FLOOD))?;
    prometheus.until("the rule fires", |_| {
        let fires = ask("ALERTS{alertname=\"MaxconnFlood\", alertstate=\"firing\"}")?;
        Ok(Some(fires).filter(|it| !it.is_empty()))
    })?;
    let refused = ask("sum(maxconn_events_total)")?;
    let refused = refused[0]["value"][1].as_str().unwrap_or_default();
    if refused != "7500" {
        return Err(format!("{refused} refusals were scraped of 7500").into());
    }
    let panels = answered(&ask)?;
    maxconn.stop()?;
    Ok(format!("{refused} refusals; {panels} expressions"))
}

/// `promtool` finds nothing to mend in the figures, in either format.
fn judged(admin: u16, folder: &Path) -> Result<(), Error> {
    for accept in ["text/plain", "application/openmetrics-text"] {
        let mut answer = ureq::get(format!("http://127.0.0.1:{admin}/metrics"))
            .header("Accept", accept)
            .call()?;
        let kind = answer.body().mime_type();
        if kind != Some(accept) {
            return Err(format!("{accept} was answered with {kind:?}").into());
        }
        let text = answer.body_mut().read_to_string()?;
        let file = folder.join("metrics.txt");
        fs::write(&file, &text)?;
        if accept == "text/plain" {
            let mut lint = Command::new("promtool");
            run(lint
                .args(["check", "metrics"])
                .stdin(Stdio::from(fs::File::open(&file)?)))?;
        }
    }
    Ok(())
}

/// Every expression of the dashboard is one that Prometheus answers; how many there are.
fn answered(ask: &impl Fn(&str) -> Result<Vec<Value>, Error>) -> Result<usize, Error> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD)?)?;
    let panels = dashboard["panels"].as_array().cloned().unwrap_or_default();
    let targets = panels
        .iter()
        .flat_map(|it| it["targets"].as_array().cloned().unwrap_or_default());
    let notes = dashboard["annotations"]["list"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut expressions = BTreeSet::new();
    for it in targets.chain(notes) {
        let expression = it["expr"].as_str().ok_or("an expression is missing")?;
        let expression = expression
            .replace("$__rate_interval", "1m")
            .replace("$job", ".*")
            .replace("$instance", ".*");
        // What has not happened has no series; that the name is right is seen by what is described.
        ask(&expression).map_err(|error| format!("{expression}: {error}"))?;
        expressions.insert(expression);
    }
    Ok(expressions.len())
}
