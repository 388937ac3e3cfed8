//! The `maxconn` command as a process of its own: how long it takes, how much memory, what it says.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::command::Folder;
use test_support::refusal;

use crate::Error;
use crate::report::{Row, Target, median};

/// How often the memory of a running process is read.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

/// How often a start is timed.
const STARTS: usize = 21;

/// What a finished process was seen to do.
pub struct Finished {
    /// From its start to its end.
    pub seconds: f64,
    /// The most memory it had, files that it maps included; 0 where that can't be read.
    pub peak_mib: f64,
    /// What it wrote to standard output, a line each.
    pub lines: Vec<String>,
}

/// Runs a command to its end. Its standard error is dropped.
pub fn run(command: &mut Command) -> Result<Finished, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child: Child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}; `make build` builds maxconn"))?;
    let output = child.stdout.take().ok_or("a process without its output")?;
    let (done, peak_kib) = (AtomicBool::new(false), AtomicU64::new(0));
    let status = format!("/proc/{}/status", child.id());
    let (lines, exit, seconds) = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let peak = memory_kib(&status, "VmHWM:").unwrap_or(0);
                peak_kib.fetch_max(peak, Ordering::Relaxed);
                thread::park_timeout(SAMPLE_EVERY);
            }
        });
        let lines = BufReader::with_capacity(1 << 20, output).lines();
        let lines: Result<Vec<String>, _> = lines.collect();
        let exit = child.wait();
        let seconds = started.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        (lines, exit, seconds)
    });
    let exit = exit?;
    if !exit.success() {
        return Err(format!("{program} ended with {exit}").into());
    }
    Ok(Finished {
        seconds,
        peak_mib: peak_kib.into_inner() as f64 / 1024.0,
        lines: lines?,
    })
}

/// A figure of the kernel's own: `VmRSS:` is the resident memory, `VmHWM:` the largest so far.
pub fn memory_kib(status: &str, figure: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(figure))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

/// How long a replay of one line takes, from the start of the process to its end.
pub fn measure_start(maxconn: &Path) -> Result<Vec<Row>, Error> {
    let folder = Folder::new();
    let line = refusal::line("Jan  5 03:12:45", "alice@example.org", "198.51.100.7");
    let file = folder.write("one-line.log", line);
    let start = |_| run(Command::new(maxconn).arg("replay").arg(&file));
    let started: Vec<Finished> = (0..STARTS).map(start).collect::<Result<_, _>>()?;
    let mut seconds: Vec<f64> = started.iter().map(|it| it.seconds).collect();
    let what = "`maxconn replay` of a one-line file";
    Ok(vec![Row::new(
        what,
        median(&mut seconds),
        " s",
        Target::AtMost(0.15),
    )])
}
