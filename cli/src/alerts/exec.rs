//! Runs a command for each alert: the document on its standard input, its fields in `MAXCONN_*` variables. No shell is
//! between, and no name that an attacker has chosen is an argument.

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::alert::{Alert, fields};
use super::outcome::{AlertTrouble, Outcome};
use super::waiting::Item;
use crate::lock::lock;
use crate::output::http::words;

/// So many run at once, each for another flood.
pub const AT_ONCE: usize = 4;
/// An alert with which the command fails so often, and does not say that this will pass, is refused: one name must not hold
/// up all others.
const TRIES_MAX: u32 = 10;
/// Exit codes as sendmail has them: the data are wrong for good, and: try again later.
const DATA_ERROR: i32 = 65;
const TEMPORARY_FAILURE: i32 = 75;
/// What it said last is waited for so long.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// As much of what it says is told if it fails, in bytes.
const SAID_MAX_BYTES: usize = 1024;

/// A command.
pub struct Exec {
    command: Arc<[String]>,
    patience: Duration,
    /// How often it failed with which alerts.
    failures: HashMap<u64, u32>,
}

/// Kills a process group that is not waited for any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone by now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Exec {
    /// A program with its arguments, which may run so long.
    pub fn new(program: String, arguments: Vec<String>, patience: Duration) -> Exec {
        let mut command = vec![program];
        command.extend(arguments);
        Exec {
            command: command.into(),
            patience,
            failures: HashMap::new(),
        }
    }

    /// Runs it for each of these alerts, at once.
    pub async fn send(&mut self, items: &[Item]) -> Vec<Outcome> {
        let mut running = JoinSet::new();
        for (index, item) in items.iter().enumerate() {
            let (command, alert, patience) =
                (Arc::clone(&self.command), item.alert.clone(), self.patience);
            running.spawn(async move { (index, run(&command, &alert, patience).await) });
        }
        let mut outcomes: Vec<Option<Outcome>> = items.iter().map(|_| None).collect();
        while let Some(ended) = running.join_next().await {
            if let Ok((index, outcome)) = ended
                && let Some(place) = outcomes.get_mut(index)
            {
                *place = Some(outcome);
            }
        }
        let outcomes = items.iter().zip(outcomes);
        let outcomes: Vec<Outcome> = outcomes
            .map(|(item, outcome)| {
                let failed = || Outcome::Refused("the command was not waited for".to_string());
                self.count(item.place, outcome.unwrap_or_else(failed))
            })
            .collect();
        // Of those that gave way to others nothing more is heard.
        self.failures
            .retain(|place, _| items.iter().any(|it| it.place == *place));
        outcomes
    }

    fn count(&mut self, place: u64, outcome: Outcome) -> Outcome {
        let Outcome::Retry { trouble, after } = outcome else {
            self.failures.remove(&place);
            return outcome;
        };
        let is_temporary = matches!(&trouble, AlertTrouble::Start(..))
            || matches!(&trouble, AlertTrouble::Command(_, status, _) if *status == temporary());
        let failures = self.failures.entry(place).or_insert(0);
        *failures += u32::from(!is_temporary);
        if *failures < TRIES_MAX {
            return Outcome::Retry { trouble, after };
        }
        self.failures.remove(&place);
        Outcome::Refused(format!("{trouble}, {TRIES_MAX} times"))
    }
}

fn temporary() -> String {
    exit_code(TEMPORARY_FAILURE)
}

fn exit_code(code: i32) -> String {
    format!("exit code {code}")
}

/// Runs it once.
async fn run(command: &[String], alert: &Alert, patience: Duration) -> Outcome {
    let [program, arguments @ ..] = command else {
        return Outcome::Refused("there is no command".to_string());
    };
    let document = alert.document();
    let mut child = Command::new(program);
    let child = child
        .args(arguments)
        .envs(fields(&document).map(|(name, value)| (format!("MAXCONN_{name}"), value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = match child.spawn() {
        Ok(child) => child,
        Err(error) => return AlertTrouble::Start(program.clone(), error).into(),
    };
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let mut group = Group(id);
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let listening = child
        .stderr
        .take()
        .map(|it| tokio::spawn(listen(it, Arc::clone(&said))));
    let ended = timeout(patience, async {
        if let Some(mut stdin) = child.stdin.take() {
            // It need not read it.
            let _ = stdin.write_all(&alert.line).await;
            let _ = stdin.write_all(b"\n").await;
        }
        child.wait().await
    })
    .await;
    if let Some(mut listening) = listening {
        // What it has started may hold the pipe open.
        let _ = timeout(LAST_WORDS, &mut listening).await;
        listening.abort();
    }
    let status = match ended {
        Err(_) => {
            drop(group);
            // Not to be left as a zombie.
            let _ = child.wait().await;
            return AlertTrouble::Late(program.clone(), patience).into();
        }
        Ok(Err(error)) => return AlertTrouble::Start(program.clone(), error).into(),
        Ok(Ok(status)) => status,
    };
    // What it leaves behind to work on is its own affair.
    group.0 = None;
    judge(program, status, &lock(&said))
}

fn judge(program: &str, status: ExitStatus, said: &[u8]) -> Outcome {
    let mut said = words(said);
    if !said.is_empty() {
        said = format!(" ({said})");
    }
    let ended = match status.code() {
        Some(code) => exit_code(code),
        None => status.to_string(),
    };
    match status.code() {
        Some(0) => Outcome::Taken,
        Some(DATA_ERROR) => Outcome::Refused(format!("{program} ended with {ended}{said}")),
        _ => AlertTrouble::Command(program.to_string(), ended, said).into(),
    }
}

/// Reads all that it says, and keeps the beginning.
async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let mut said = lock(&said);
        let room = SAID_MAX_BYTES.saturating_sub(said.len());
        let piece = buffer.get(..count.min(room)).unwrap_or_default();
        said.extend_from_slice(piece);
    }
}
