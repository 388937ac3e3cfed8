//! The incident behind the project: one user, one address, fifty refusals a second for two days,
//! 9,316,085 lines. `grep -c` on the same file is the yardstick for time.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Error;
use crate::command::{TemporaryFile, run};
use crate::report::{Row, Target, median};

/// The lines of the incident.
const LINES: f64 = 9_316_085.0;

/// How often each command runs; the two take turns.
const ROUNDS: usize = 5;

/// Makes the file, then times `grep -c` and `maxconn replay --only alerts` on it, its pages in memory.
pub fn measure(maxconn: &Path) -> Result<Vec<Row>, Error> {
    let file = TemporaryFile::new("story.log");
    run(Command::new(maxconn)
        .args(["generate", "--cause", "story", "--output"])
        .arg(file.path()))?;
    let bytes = std::fs::metadata(file.path())?.len();

    let (mut grep_seconds, mut replay_seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peak_mib, mut alerts) = (0.0_f64, Vec::new());
    for _ in 0..ROUNDS {
        // The C locale is grep's fastest.
        let mut grep = Command::new("grep");
        let grep = run(grep
            .env("LC_ALL", "C")
            .args(["-c", "mail_max_userip_connections"])
            .arg(file.path()))?;
        if grep.lines.first().and_then(|count| count.parse().ok()) != Some(LINES) {
            return Err(format!(
                "grep counts {:?} lines in the generated incident",
                grep.lines
            )
            .into());
        }
        let replay = run(Command::new(maxconn)
            .args(["replay", "--only", "alerts"])
            .arg(file.path()))?;
        grep_seconds.push(grep.seconds);
        replay_seconds.push(replay.seconds);
        ratios.push(replay.seconds / grep.seconds);
        peak_mib = peak_mib.max(replay.peak_mib);
        alerts = replay.lines;
    }
    let documents = run(Command::new(maxconn)
        .args(["replay", "--only", "changed"])
        .arg(file.path()))?
    .lines;

    let mut ends = Vec::new();
    for alert in &alerts {
        let alert: Value = serde_json::from_str(alert)?;
        if alert
            .pointer("/maxconn/flood/state")
            .is_some_and(|state| state == "end")
        {
            ends.push(
                alert
                    .pointer("/maxconn/flood/count")
                    .and_then(Value::as_f64)
                    .unwrap_or(0.0),
            );
        }
    }
    let replay = median(&mut replay_seconds);
    Ok(vec![
        Row::new(
            "story: size of the file",
            bytes as f64 / 1e9,
            " GB",
            Target::None,
        ),
        Row::new(
            "story: `grep -c`",
            median(&mut grep_seconds),
            " s",
            Target::None,
        ),
        Row::new(
            "story: `maxconn replay --only alerts`",
            replay,
            " s",
            Target::None,
        ),
        Row::new("story: lines a second", LINES / replay, "/s", Target::None),
        Row::new(
            "story: replay ÷ `grep -c`",
            median(&mut ratios),
            " ×",
            Target::AtMost(4.0),
        ),
        Row::new(
            "story: the same, what is aimed at",
            median(&mut ratios),
            " ×",
            Target::AtMost(1.5),
        ),
        Row::new(
            "story: `end` alerts",
            ends.len() as f64,
            "",
            Target::Exactly(1.0),
        ),
        Row::new(
            "story: total of the `end` alert",
            ends.iter().sum(),
            "",
            Target::Exactly(LINES),
        ),
        Row::new(
            "story: alerts",
            alerts.len() as f64,
            "",
            Target::AtMost(60.0),
        ),
        Row::new(
            "story: alerts and enriched records",
            documents.len() as f64,
            "",
            Target::AtMost(99.0),
        ),
        Row::new(
            "story: peak memory of the command",
            peak_mib,
            " MiB",
            Target::AtMost(64.0),
        ),
    ])
}
