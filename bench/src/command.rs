//! The `maxconn` command as a process of its own: how long it takes, how much memory, what it says.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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
                peak_kib.fetch_max(
                    memory_kib(&status, "VmHWM:").unwrap_or(0),
                    Ordering::Relaxed,
                );
                thread::park_timeout(SAMPLE_EVERY);
            }
        });
        let lines: Result<Vec<String>, _> =
            BufReader::with_capacity(1 << 20, output).lines().collect();
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
    text.lines()
        .find_map(|line| line.strip_prefix(figure))?
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .ok()
}

/// A file that is gone when this is.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// A path that nothing else uses; the file is not made yet.
    pub fn new(name: &str) -> TemporaryFile {
        TemporaryFile(
            std::env::temp_dir().join(format!("maxconn-bench-{}-{name}", std::process::id())),
        )
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// How long a replay of one line takes, from the start of the process to its end.
pub fn measure_start(maxconn: &Path) -> Result<Vec<Row>, Error> {
    let file = TemporaryFile::new("one-line.log");
    let line = "Jan  5 03:12:45 mail dovecot: imap-login: Maximum number of connections from user+IP exceeded \
                (mail_max_userip_connections=10): user=<alice@example.org>, method=PLAIN, rip=198.51.100.7, \
                lip=192.0.2.10, TLS\n";
    std::fs::File::create(file.path())?.write_all(line.as_bytes())?;
    let mut seconds = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        seconds.push(run(Command::new(maxconn).arg("replay").arg(file.path()))?.seconds);
    }
    Ok(vec![Row::new(
        "`maxconn replay` of a one-line file",
        median(&mut seconds),
        " s",
        Target::AtMost(0.15),
    )])
}
