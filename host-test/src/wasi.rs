//! A model of a WASI preview 1 runtime: a command line, standard streams, a clock and one folder of files.

use std::collections::BTreeMap;

use maxconn_core::engine::Times;

use crate::case::{Case, Step};
use crate::native::{self, drain, push_all};
use crate::run::{Piece, same, without_memory};
use crate::wasm::{Imports, Module, NoImports, Runtime, at, fd_write, get, put, put_number, span};
use crate::{Error, embed};

/// What the clock shows where a case does not say it: 2027-01-01.
const CLOCK_MS: i64 = 1_798_761_600_000;
const SUCCESS: i64 = 0;
const BAD_FD: i64 = 8;
const NO_ENTRY: i64 = 44;
const PIPE: i64 = 64;
/// The one folder that is opened, and files in it from the next number on.
const FOLDER: usize = 3;

/// The runtime's side of one run.
#[derive(Default)]
pub struct Wasi {
    /// The command line after the program's name.
    pub arguments: Vec<String>,
    /// The name of the opened folder; empty: `.`.
    pub folder: String,
    /// Files in the opened folder, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What is read, and what the clock says when it has been.
    pub stdin: Vec<(Vec<u8>, i64)>,
    /// How many bytes of output are taken before nobody reads it any more.
    pub stdout_max_bytes: Option<usize>,
    /// What was written.
    pub stdout: Vec<u8>,
    /// What was said.
    pub stderr: Vec<u8>,
    /// The exit code.
    pub exit_code: i64,
    /// The most that one read gives.
    pub read_max_bytes: Option<usize>,
    clock_ms: i64,
    step: usize,
    done: usize,
    opened: Vec<(Vec<u8>, usize)>,
}

impl Wasi {
    /// A command line, and what is read, each piece with what the clock says when it has been.
    pub fn new(arguments: &[&str], stdin: Vec<(Vec<u8>, i64)>) -> Wasi {
        Wasi {
            arguments: arguments.iter().map(|text| (*text).to_string()).collect(),
            stdin,
            ..Wasi::default()
        }
    }

    /// Reads up to so many bytes of a file; nothing at its end.
    fn read(&mut self, fd: usize, most: usize) -> Option<Vec<u8>> {
        let most = most.min(self.piece_max_bytes());
        let (source, done) = if fd == 0 {
            let is_over = |(bytes, _): &(Vec<u8>, i64), done| bytes.len() == done;
            while self
                .stdin
                .get(self.step)
                .is_some_and(|it| is_over(it, self.done))
            {
                (self.step, self.done) = (self.step + 1, 0);
            }
            let Some((bytes, clock_ms)) = self.stdin.get(self.step) else {
                return Some(Vec::new());
            };
            self.clock_ms = *clock_ms;
            (bytes, &mut self.done)
        } else {
            let (bytes, done) = self.opened.get_mut(fd.checked_sub(FOLDER + 1)?)?;
            (&*bytes, done)
        };
        let rest = source.get(*done..)?;
        let piece = rest.get(..rest.len().min(most))?.to_vec();
        *done += piece.len();
        Some(piece)
    }

    /// A pipe gives what it has, and takes what it has room for; the rest comes later.
    fn piece_max_bytes(&self) -> usize {
        self.read_max_bytes.unwrap_or(usize::MAX)
    }

    fn answer(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        let arg = |number: usize| at(args, number);
        match name {
            "args_sizes_get" => {
                let bytes: usize = self.command_line().iter().map(String::len).sum();
                put_number(memory, arg(0), self.arguments.len() + 1)?;
                put_number(memory, arg(1), bytes)?;
            }
            "args_get" => {
                let mut at = arg(1);
                for (number, text) in self.command_line().iter().enumerate() {
                    put_number(memory, arg(0) + 4 * number, at)?;
                    put(memory, at, text.as_bytes())?;
                    at += text.len();
                }
            }
            "clock_time_get" => {
                put(memory, arg(2), &(self.clock_ms * 1_000_000).to_le_bytes())?;
            }
            "fd_read" => {
                let (at, len) = (get(memory, arg(1))?, get(memory, arg(1) + 4)?);
                let Some(piece) = self.read(arg(0), len) else {
                    return Ok(BAD_FD);
                };
                put(memory, at, &piece)?;
                put_number(memory, arg(3), piece.len())?;
            }
            "fd_write" => {
                let is_full = |max: usize| self.stdout.len() >= max;
                if arg(0) == 1 && self.stdout_max_bytes.is_some_and(is_full) {
                    return Ok(PIPE);
                }
                match fd_write(args, memory, self.piece_max_bytes())? {
                    (1, bytes) => self.stdout.extend(bytes),
                    (2, bytes) => self.stderr.extend(bytes),
                    _ => return Ok(BAD_FD),
                }
            }
            "fd_prestat_get" if arg(0) == FOLDER => {
                put_number(memory, arg(1), 0)?;
                put_number(memory, arg(1) + 4, self.folder().len())?;
            }
            "fd_prestat_dir_name" if arg(0) == FOLDER => {
                put(memory, arg(1), self.folder().as_bytes())?;
            }
            "fd_prestat_get" | "fd_prestat_dir_name" => return Ok(BAD_FD),
            "path_open" => {
                let name = span(memory, arg(2), arg(3))?;
                let Some(bytes) = self.files.get(String::from_utf8_lossy(name).as_ref()) else {
                    return Ok(NO_ENTRY);
                };
                self.opened.push((bytes.clone(), 0));
                put_number(memory, arg(8), FOLDER + self.opened.len())?;
            }
            _ => return Err("not there".into()),
        }
        Ok(SUCCESS)
    }

    fn folder(&self) -> &str {
        match self.folder.as_str() {
            "" => ".",
            name => name,
        }
    }

    /// Each with its NUL.
    fn command_line(&self) -> Vec<String> {
        let arguments = self.arguments.iter().map(String::as_str);
        let all = ["maxconn.wasm"].into_iter().chain(arguments);
        all.map(|text| format!("{text}\0")).collect()
    }
}

impl Imports for Wasi {
    fn call(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        let Some(name) = name.strip_prefix("wasi_snapshot_preview1.") else {
            return NoImports.call(name, args, memory);
        };
        if name == "proc_exit" {
            self.exit_code = args.first().copied().unwrap_or_default();
            return Err("exit".into());
        }
        let answer = self.answer(name, args, memory);
        answer.map_err(|error| format!("{name}: {error}").into())
    }
}

/// Runs the module to its end; the runtime's side afterwards, and the fuel that it took.
pub fn run(wasm: &[u8], runtime: Runtime, wasi: Wasi) -> Result<(Wasi, u64), Error> {
    let mut module = Module::new(wasm, runtime, wasi)?;
    match module.call("_start", &[]) {
        Err(trap) if module.host().exit_code == 0 => return Err(trap),
        _ => {}
    }
    let fuel = module.fuel();
    Ok((std::mem::take(module.host()), fuel))
}

/// Whether the guest says what the core says of the same lines, with the same reference time and clock. It has no
/// ticks but those after its reads, and no snapshots: those steps of a case only move its clock.
pub fn check(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    let mut wasi = Wasi {
        clock_ms: case.source.reference_ms.unwrap_or(CLOCK_MS),
        ..Wasi::default()
    };
    let mut clock_ms = wasi.clock_ms;
    for step in &case.steps {
        match step {
            Step::Lines(lines) => wasi.stdin.push((lines.as_bytes().to_vec(), clock_ms)),
            Step::Tick(at) => clock_ms = *at,
            Step::Restart | Step::Statistics | Step::Finish(_) => {}
        }
    }
    let mut case = case.clone();
    // It reads bytes, and the last line of a step may go on in the next: here it does not.
    for (bytes, _) in &mut wasi.stdin {
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
    }
    if let Some(config) = case.given_config() {
        wasi.arguments.push("--config=maxconn.json".to_string());
        wasi.files
            .insert("maxconn.json".to_string(), config.as_bytes().to_vec());
    }
    let mut option = |name: &str, value: &str| {
        wasi.arguments.push(format!("--{name}={value}"));
    };
    option("format", embed::format_name(case.source.format));
    // Positions are known exactly where the path is.
    if !case.has_offsets {
        case.source.path = None;
    } else if let Some(path) = &case.source.path {
        option("path", path);
    } else {
        case.has_offsets = false;
    }
    let expected = expected(&case, &wasi.stdin)?;
    for read_max_bytes in [None, Some(997)] {
        let given = Wasi {
            arguments: wasi.arguments.clone(),
            files: wasi.files.clone(),
            stdin: wasi.stdin.clone(),
            clock_ms: wasi.clock_ms,
            read_max_bytes,
            ..Wasi::default()
        };
        let (ran, _) = run(wasm, runtime, given)?;
        if ran.exit_code != 0 {
            return Err(String::from_utf8_lossy(&ran.stderr).into());
        }
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        // Statistics tell of the instance's memory, which differs by design.
        let comparable = |line: &str| match line.contains("\"dataset\":\"maxconn.statistics\"") {
            true => without_memory(line),
            false => line.to_string(),
        };
        let actual: Vec<String> = text.split_terminator('\n').map(comparable).collect();
        let expected = expected.iter().map(|piece| comparable(&piece.text));
        let expected: Vec<String> = expected.collect();
        same("standard output", &expected, &actual)?;
    }
    Ok(())
}

/// The core, driven as the guest drives it.
fn expected(case: &Case, stdin: &[(Vec<u8>, i64)]) -> Result<Vec<Piece>, Error> {
    let mut engine = native::engine(case)?;
    let (mut pieces, mut offset, mut seen) = (Vec::new(), 0, Times::default());
    let mut source = case.source.clone();
    for (bytes, clock_ms) in stdin {
        source.reference_ms = Some(*clock_ms);
        source.clock_ms = Some(*clock_ms);
        let at = case.has_offsets.then_some(offset);
        push_all(&mut engine, &source, bytes, at, &mut pieces);
        offset += bytes.len() as u64;
        let mut times = Vec::new();
        engine.line_times(&source, bytes, &mut times);
        let last_two = times.len().saturating_sub(2);
        let last_two = times.get(last_two..).unwrap_or_default();
        last_two.iter().flatten().for_each(|time| seen.see(*time));
        drain(|out| engine.tick(*clock_ms, out), &mut pieces);
    }
    drain(|out| engine.finish(seen.confirmed_ms(), out), &mut pieces);
    Ok(pieces)
}
