//! The incident behind the project: one user, one address, fifty refusals a second for two days,
//! 9,316,085 lines. `grep -c` on the same file is the yardstick for time.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use test_support::command::Folder;

use crate::Error;
use crate::command::{Finished, run};
use crate::report::{Row, Target, median};

/// The lines of the incident.
const LINES: f64 = 9_316_085.0;

/// How often each command runs; the two take turns.
const ROUNDS: usize = 5;

/// Makes the file, then times `grep -c` and `maxconn replay --only alerts` on it, its pages in memory.
pub fn measure(maxconn: &Path) -> Result<Vec<Row>, Error> {
    let folder = Folder::new();
    let file = folder.join("story.log");
    let command = |program: &Path, arguments: &[&str]| -> Result<Finished, Error> {
        // The C locale is grep's fastest.
        run(Command::new(program)
            .env("LC_ALL", "C")
            .args(arguments)
            .arg(&file))
    };
    command(maxconn, &["generate", "--cause", "story", "--output"])?;
    let bytes = std::fs::metadata(&file)?.len();

    let (mut grep_seconds, mut replay_seconds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peak_mib, mut alerts) = (0.0_f64, Vec::new());
    for _ in 0..ROUNDS {
        let grep = command("grep".as_ref(), &["-c", "mail_max_userip_connections"])?;
        if grep.lines.first().and_then(|count| count.parse().ok()) != Some(LINES) {
            let counted = grep.lines;
            return Err(format!("grep counts {counted:?} lines in the generated incident").into());
        }
        let replay = command(maxconn, &["replay", "--only", "alerts"])?;
        grep_seconds.push(grep.seconds);
        replay_seconds.push(replay.seconds);
        ratios.push(replay.seconds / grep.seconds);
        peak_mib = peak_mib.max(replay.peak_mib);
        alerts = replay.lines;
    }
    let documents = command(maxconn, &["replay", "--only", "changed"])?.lines;

    let ends = alerts
        .iter()
        .map(|alert| serde_json::from_str::<Value>(alert));
    let mut ends = ends.collect::<Result<Vec<Value>, _>>()?;
    ends.retain(|alert| alert["maxconn"]["flood"]["state"] == "end");
    let counts = ends
        .iter()
        .map(|end| end["maxconn"]["flood"]["count"].as_f64());
    let total = counts.map(|count| count.unwrap_or(0.0)).sum();
    let (grep, replay) = (median(&mut grep_seconds), median(&mut replay_seconds));
    let ratio = median(&mut ratios);
    let (alerts, documents) = (alerts.len() as f64, documents.len() as f64);
    Ok(Row::all([
        (
            "story: size of the file",
            bytes as f64 / 1e9,
            " GB",
            Target::None,
        ),
        ("story: `grep -c`", grep, " s", Target::None),
        (
            "story: `maxconn replay --only alerts`",
            replay,
            " s",
            Target::None,
        ),
        ("story: lines a second", LINES / replay, "/s", Target::None),
        (
            "story: replay ÷ `grep -c`",
            ratio,
            " ×",
            Target::AtMost(4.0),
        ),
        (
            "story: the same, what is aimed at",
            ratio,
            " ×",
            Target::AtMost(1.5),
        ),
        (
            "story: `end` alerts",
            ends.len() as f64,
            "",
            Target::Exactly(1.0),
        ),
        (
            "story: total of the `end` alert",
            total,
            "",
            Target::Exactly(LINES),
        ),
        ("story: alerts", alerts, "", Target::AtMost(60.0)),
        (
            "story: alerts and enriched records",
            documents,
            "",
            Target::AtMost(99.0),
        ),
        (
            "story: peak memory of the command",
            peak_mib,
            " MiB",
            Target::AtMost(64.0),
        ),
    ]))
}
