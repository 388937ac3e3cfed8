//! The command as a process, as people run it: folders, arguments, pipes, signals and exit codes.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::data::rows;
use crate::{PATIENCE, contains, http, until};

/// The command, which cargo builds beside the program that asks.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let folder = own.ancestors().skip(1).find(|it| !it.ends_with("deps"));
    folder.expect("a program is in a folder").join("maxconn")
}

/// A folder of a test's own, gone when this is.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder can be made"))
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// What a file holds.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether a file is there and has this in it.
    pub fn holds(&self, name: &str, words: &str) -> bool {
        let bytes = fs::read(self.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(words)
    }

    /// Who may do what with a file.
    pub fn mode(&self, name: &str) -> u32 {
        let metadata = fs::metadata(self.join(name)).expect("a file is there");
        metadata.permissions().mode() & 0o777
    }

    /// Makes a named pipe.
    pub fn pipe(&self, name: &str) -> PathBuf {
        let path = self.join(name);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo is there").success());
        path
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.0.path()
    }
}

/// What a process that ended has said.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Holds the exit code, and that this is said of it on standard error.
    #[track_caller]
    pub fn is(&self, code: i32, words: &str) -> &Ran {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stderr.contains(words), "{words}: {}", self.stderr);
        self
    }

    /// Holds that this is on standard output.
    #[track_caller]
    pub fn prints(&self, words: &str) -> &Ran {
        contains(&self.stdout, &[words]);
        self
    }

    /// Its standard output as documents, one a line.
    pub fn documents(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// What it says of itself as one document: alone on standard output, where nothing is said on the other.
    pub fn summary(&self) -> Value {
        let said = match self.stderr.is_empty() {
            true => &self.stdout,
            false => &self.stderr,
        };
        serde_json::from_str(said).unwrap_or_else(|_| panic!("{said}"))
    }
}

/// Runs the command in a folder for each row of a table, `code | arguments | words`: holds the exit code, and that the words
/// are said on standard error. What else must hold is `check`'s to say.
#[track_caller]
pub fn run_rows(folder: &Path, table: &str, check: impl Fn(&Ran)) {
    for [code, arguments, words] in rows(table) {
        let ran = run(folder, arguments);
        check(ran.is(code.parse().expect("a code"), words));
    }
}

/// Runs the command to its end, in a folder; arguments are words between spaces.
pub fn run(folder: &Path, arguments: &str) -> Ran {
    run_on(folder, arguments, b"")
}

/// The same with standard input.
pub fn run_on(folder: &Path, arguments: &str, stdin: &[u8]) -> Ran {
    let mut process = Process::at(folder, arguments);
    let mut pipe = process.stdin.take().expect("a pipe");
    // On a thread of its own: the process may well answer before it has read everything, or read nothing.
    thread::scope(|scope| {
        scope.spawn(move || drop(pipe.write_all(stdin)));
        process.end()
    })
}

/// A process; it is killed when this is dropped.
pub struct Process {
    child: Child,
    /// Its standard input.
    pub stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    said: RefCell<Vec<String>>,
}

impl Process {
    /// The command in a folder, on a machine in UTC; arguments are words between spaces.
    pub fn at(folder: &Path, arguments: &str) -> Process {
        let mut command = Command::new(program());
        Process::of(
            command
                .args(arguments.split_whitespace())
                .current_dir(folder)
                .env("TZ", "UTC"),
        )
    }

    /// `maxconn run` with these arguments, where it needs no files.
    pub fn start(arguments: &str) -> Process {
        Process::at(Path::new("/"), &format!("run {arguments}"))
    }

    /// One that takes batches by HTTP for a next hop and shows its figures.
    pub fn http(output: &str, more: &str) -> Process {
        Process::http_at(Path::new("/"), output, more)
    }

    /// The same in a folder.
    pub fn http_at(folder: &Path, output: &str, more: &str) -> Process {
        let usual = "--input http://127.0.0.1:0 --admin :0";
        Process::at(folder, &format!("run {usual} --output {output} {more}"))
    }

    /// Any program.
    pub fn of(command: &mut Command) -> Process {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("a program");
        Process {
            stdin: child.stdin.take(),
            stdout: lines(child.stdout.take().expect("a pipe")),
            stderr: lines(child.stderr.take().expect("a pipe")),
            said: RefCell::default(),
            child,
        }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("an open input");
        stdin
            .write_all(text.as_bytes())
            .expect("somebody who reads");
    }

    /// The next line of its standard output.
    pub fn line(&self) -> String {
        let line = self.stdout.recv_timeout(PATIENCE);
        let said = || self.stderr.try_iter().collect::<Vec<_>>();
        line.unwrap_or_else(|_| panic!("no line came; it said {:?}", said()))
    }

    /// The same as a document.
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// The documents of everything else that it writes, until it ends.
    pub fn rest(&self) -> Vec<Value> {
        let lines = self.stdout.iter();
        lines
            .map(|line| serde_json::from_str(&line).expect("JSON"))
            .collect()
    }

    /// Waits for a line on its standard error that has this in it.
    pub fn said(&self, words: &str) -> String {
        let mut said = self.said.borrow_mut();
        if let Some(line) = said.iter().find(|line| line.contains(words)) {
            return line.clone();
        }
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{words} is not in {said:?}"));
            said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// All that it says on its standard error until it ends.
    pub fn all_said(&self) -> String {
        self.said.borrow_mut().extend(self.stderr.iter());
        self.said.borrow().join("\n")
    }

    /// Where it listens: `input`, `input at tcp`, or `admin`.
    pub fn address(&self, what: &str) -> SocketAddr {
        let line = match what.contains(" at ") {
            true => self.said(&format!("{what}://")),
            false => self.said(&format!("{what} at ")),
        };
        let address = line.rsplit("://").next().and_then(|it| it.parse().ok());
        address.unwrap_or_else(|| panic!("no address: {line}"))
    }

    /// Posts a batch to its input; the status of the answer.
    pub fn post(&self, batch: impl AsRef<[u8]>) -> u16 {
        http::post(self.address("input"), &[], batch).status
    }

    /// A figure that monitoring gets, if there is one.
    pub fn figure(&self, name: &str) -> Option<u64> {
        let text = http::get(self.address("admin"), "/metrics").body;
        let figure = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(figure)
    }

    /// A figure that must be there.
    pub fn metric(&self, name: &str) -> u64 {
        let figure = self.figure(name);
        figure.unwrap_or_else(|| panic!("monitoring does not get {name}"))
    }

    /// Waits for a figure.
    pub fn until_metric(&self, name: &str, value: u64) {
        until(name, || self.metric(name) == value);
    }

    /// Nobody reads its standard output any more.
    pub fn close_stdout(&mut self) {
        self.stdout = channel().1;
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("its end", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// Waits for its end, and for all that it says.
    pub fn end(&mut self) -> Ran {
        let stdout = self.stdout.iter().map(|line| line + "\n").collect();
        let stderr = self.all_said();
        let code = self.wait().code();
        Ran {
            code,
            stdout,
            stderr,
        }
    }

    /// Asks it to stop and expects it to end well.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let code = self.wait().code();
        assert_eq!(code, Some(0), "{}", self.all_said());
    }

    /// How large it was at its largest, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the system tells of it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        1024 * kib.and_then(|it| it.parse::<u64>().ok()).expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        for line in lines {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
