//! A model of a WASI preview 1 runtime: a command line, standard streams, a clock and one folder of files.

use std::collections::BTreeMap;

use maxconn_core::engine::{Engine, Output, Times};

use crate::case::{Case, Step};
use crate::native::{self, gather};
use crate::run::{Piece, same, without_memory};
use crate::wasm::{Imports, Module, Runtime};
use crate::{Error, embed};

/// What the clock shows where a case does not say it: 2027-01-01.
const CLOCK_MS: i64 = 1_798_761_600_000;
const SUCCESS: i64 = 0;
const BAD_FD: i64 = 8;
const NO_ENTRY: i64 = 44;
const PIPE: i64 = 64;
/// The one folder that is opened, and files in it from the next number on.
const FOLDER: u32 = 3;

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

    fn read(&mut self, fd: u32, room: &mut [u8]) -> Option<usize> {
        let most = room.len().min(self.read_max_bytes.unwrap_or(usize::MAX));
        let (source, done) = if fd == 0 {
            while self
                .stdin
                .get(self.step)
                .is_some_and(|(bytes, _)| bytes.len() == self.done)
            {
                (self.step, self.done) = (self.step + 1, 0);
            }
            let Some((bytes, clock_ms)) = self.stdin.get(self.step) else {
                return Some(0);
            };
            self.clock_ms = *clock_ms;
            (bytes, &mut self.done)
        } else {
            let (bytes, done) = self.opened.get_mut(fd.checked_sub(FOLDER + 1)? as usize)?;
            (&*bytes, done)
        };
        let rest = source.get(*done..)?;
        let count = rest.len().min(most);
        room.get_mut(..count)?.copy_from_slice(rest.get(..count)?);
        *done += count;
        Some(count)
    }

    fn answer(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Option<i64> {
        let arg = |at: usize| args.get(at).map(|&arg| arg as u32);
        Some(match name {
            "args_sizes_get" => {
                let bytes: usize = self.command_line().iter().map(|text| text.len() + 1).sum();
                put(memory, arg(0)?, self.arguments.len() as u32 + 1)?;
                put(memory, arg(1)?, bytes as u32)?;
                SUCCESS
            }
            "args_get" => {
                let mut at = arg(1)?;
                for (number, text) in self.command_line().iter().enumerate() {
                    put(memory, arg(0)? + 4 * number as u32, at)?;
                    let text = [text.as_bytes(), b"\0"].concat();
                    span(memory, at, text.len())?.copy_from_slice(&text);
                    at += text.len() as u32;
                }
                SUCCESS
            }
            "clock_time_get" => {
                let time = (self.clock_ms * 1_000_000).to_le_bytes();
                span(memory, arg(2)?, 8)?.copy_from_slice(&time);
                SUCCESS
            }
            "fd_read" => {
                let (at, len) = (get(memory, arg(1)?)?, get(memory, arg(1)? + 4)?);
                let count = match self.read(arg(0)?, span(memory, at, len as usize)?) {
                    Some(count) => count,
                    None => return Some(BAD_FD),
                };
                put(memory, arg(3)?, count as u32)?;
                SUCCESS
            }
            "fd_write" => {
                let (at, len) = (get(memory, arg(1)?)?, get(memory, arg(1)? + 4)?);
                let bytes = span(memory, at, len as usize)?.to_vec();
                let stream = match arg(0)? {
                    1 => &mut self.stdout,
                    2 => &mut self.stderr,
                    _ => return Some(BAD_FD),
                };
                // A pipe takes what it has room for; the rest is written again.
                let count = bytes.len().min(self.read_max_bytes.unwrap_or(usize::MAX));
                if arg(0)? == 1 && self.stdout_max_bytes.is_some_and(|max| stream.len() >= max) {
                    return Some(PIPE);
                }
                stream.extend_from_slice(bytes.get(..count)?);
                put(memory, arg(3)?, count as u32)?;
                SUCCESS
            }
            "fd_prestat_get" if arg(0)? == FOLDER => {
                put(memory, arg(1)?, 0)?;
                put(memory, arg(1)? + 4, self.folder().len() as u32)?;
                SUCCESS
            }
            "fd_prestat_dir_name" if arg(0)? == FOLDER => {
                let name = self.folder().as_bytes();
                span(memory, arg(1)?, name.len())?.copy_from_slice(name);
                SUCCESS
            }
            "fd_prestat_get" | "fd_prestat_dir_name" => BAD_FD,
            "path_open" => {
                let name = span(memory, arg(2)?, arg(3)? as usize)?;
                let name = String::from_utf8_lossy(name).into_owned();
                let Some(bytes) = self.files.get(&name) else {
                    return Some(NO_ENTRY);
                };
                self.opened.push((bytes.clone(), 0));
                put(memory, arg(8)?, FOLDER + self.opened.len() as u32)?;
                SUCCESS
            }
            _ => return None,
        })
    }

    fn folder(&self) -> &str {
        match self.folder.as_str() {
            "" => ".",
            name => name,
        }
    }

    fn command_line(&self) -> Vec<String> {
        let mut texts = vec!["maxconn.wasm".to_string()];
        texts.extend_from_slice(&self.arguments);
        texts
    }
}

impl Imports for Wasi {
    fn call(
        &mut self,
        module: &str,
        name: &str,
        args: &[i64],
        memory: &mut [u8],
    ) -> Result<i64, Error> {
        if module != "wasi_snapshot_preview1" {
            return Err(format!("the host has no {module}.{name}").into());
        }
        if name == "proc_exit" {
            self.exit_code = args.first().copied().unwrap_or_default();
            return Err("exit".into());
        }
        self.answer(name, args, memory)
            .ok_or_else(|| format!("{name}: not there, or outside the memory").into())
    }
}

fn span(memory: &mut [u8], at: u32, len: usize) -> Option<&mut [u8]> {
    memory.get_mut(at as usize..)?.get_mut(..len)
}

fn put(memory: &mut [u8], at: u32, number: u32) -> Option<()> {
    span(memory, at, 4)?.copy_from_slice(&number.to_le_bytes());
    Some(())
}

fn get(memory: &mut [u8], at: u32) -> Option<u32> {
    let bytes = span(memory, at, 4)?;
    Some(u32::from_le_bytes(*bytes.first_chunk()?))
}

/// Runs the module to its end; the runtime's side afterwards, and the fuel that it took.
///
/// # Errors
/// It can't be loaded, or trapped.
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
///
/// # Errors
/// The first difference.
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
    let mut option = |name: &str, value: &str| {
        wasi.arguments.push(format!("--{name}={value}"));
    };
    if let Some(config) = case.given_config() {
        option("config", "maxconn.json");
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
        let actual = text.strip_suffix('\n').unwrap_or(&text).split('\n');
        let actual: Vec<String> = actual.map(comparable).collect();
        let expected: Vec<String> = match expected.is_empty() {
            true => vec![String::new()],
            false => expected
                .iter()
                .map(|piece| comparable(&piece.text))
                .collect(),
        };
        same("standard output", &expected, &actual)?;
    }
    Ok(())
}

/// The core, driven as the guest drives it.
fn expected(case: &Case, stdin: &[(Vec<u8>, i64)]) -> Result<Vec<Piece>, Error> {
    let mut engine = Engine::new(native::config(case)?).map_err(|error| error.to_string())?;
    let (mut out, mut pieces) = (Output::default(), Vec::new());
    let (mut offset, mut seen) = (0, Times::default());
    let mut source = case.source.clone();
    for (bytes, clock_ms) in stdin {
        source.reference_ms = Some(*clock_ms);
        source.clock_ms = Some(*clock_ms);
        let mut done = 0;
        while done < bytes.len() {
            let rest = bytes.get(done..).unwrap_or_default();
            let at = case.has_offsets.then_some(offset);
            let consumed = engine.push_lines(&source, rest, at, &mut out);
            gather(&mut out, rest, &mut pieces);
            done += consumed;
            offset += consumed as u64;
        }
        let mut times = Vec::new();
        engine.line_times(&source, bytes, &mut times);
        let last_two = times.len().saturating_sub(2);
        let last_two = times.get(last_two..).unwrap_or_default();
        last_two.iter().flatten().for_each(|time| seen.see(*time));
        while !engine.tick(*clock_ms, &mut out) {
            gather(&mut out, &[], &mut pieces);
        }
        gather(&mut out, &[], &mut pieces);
    }
    while !engine.finish(seen.confirmed_ms(), &mut out) {
        gather(&mut out, &[], &mut pieces);
    }
    gather(&mut out, &[], &mut pieces);
    Ok(pieces)
}
