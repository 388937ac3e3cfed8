//! The WASI guest: text or NDJSON on standard input, NDJSON on standard output, for any runtime of WASI
//! preview 1. README.md says how to use it; `abi` has the imports and the export, `arguments` the command line,
//! `lines` cuts the input, this file puts them together.

mod abi;
mod arguments;
mod lines;

use abi::Errno;
use arguments::{Arguments, Task};
use lines::Lines;
use maxconn_core::config::Config;
use maxconn_core::config::baked::{Region, Room};
use maxconn_core::engine::{Engine, OUTPUT_SOFT_LIMIT, Output, Source, Times};

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// The configuration inside the module: its own defaults.
#[used]
static BAKED: Region = Region::of(&ROOM);
static ROOM: Room = Room::empty();

/// The longest configuration file, in bytes.
const CONFIG_MAX_BYTES: usize = 1 << 20;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
/// The first folder that a runtime opens for us has this number.
const FIRST_FOLDER: u32 = 3;

/// How it failed: the exit codes of `maxconn`.
enum Failure {
    /// The run failed: 1.
    Run(String),
    /// The command line or the configuration is wrong: 2.
    Usage(String),
    /// Nobody reads the output any more, which is fine: 0.
    Closed,
}

/// Runs and answers the exit code.
fn main() -> u32 {
    let (code, sentence) = match run() {
        Ok(()) | Err(Failure::Closed) => return 0,
        Err(Failure::Run(sentence)) => (1, sentence),
        Err(Failure::Usage(sentence)) => (2, sentence),
    };
    // Nobody is left to tell if this fails.
    let _ = abi::write(STDERR, format!("maxconn: {sentence}\n").as_bytes());
    code
}

fn run() -> Result<(), Failure> {
    let given = abi::arguments().map_err(|errno| failed("read the command line", errno))?;
    let arguments = match arguments::parse(&given).map_err(Failure::Usage)? {
        Task::Say(text) => return say(text.as_bytes()),
        Task::Filter(arguments) => arguments,
    };
    let mut engine = engine(arguments.config.as_deref())?;
    let mut source = Source {
        path: arguments.path.clone(),
        reference_ms: None,
        clock_ms: None,
        format: arguments.format,
        stream: 0,
    };
    filter(&mut engine, &mut source, &arguments)
}

/// Everything from standard input to standard output.
fn filter(engine: &mut Engine, source: &mut Source, arguments: &Arguments) -> Result<(), Failure> {
    let mut out = Output {
        want: arguments.want,
        bytes: Vec::with_capacity(OUTPUT_SOFT_LIMIT),
        ..Output::default()
    };
    let (mut lines, mut text) = (Lines::new(), Vec::new());
    let (mut times, mut seen) = (Vec::new(), Times::default());
    loop {
        let ended = abi::read(STDIN, lines.room()).map(|count| lines.read(count));
        let ended = ended.map_err(|errno| failed("read standard input", errno))?;
        let now_ms = abi::now_ms();
        // After each read, for a live pipe may run for years.
        source.reference_ms = arguments.reference_ms.or(now_ms);
        source.clock_ms = now_ms;
        while let Some((offset, whole)) = lines.next() {
            let mut done = 0;
            while done < whole.len() {
                let rest = whole.get(done..).unwrap_or_default();
                let at = arguments.path.is_some().then_some(offset + done as u64);
                done += engine.push_lines(source, rest, at, &mut out);
                put(&mut out, rest, &mut text)?;
            }
            engine.line_times(source, last_lines(whole), &mut times);
            times
                .drain(..)
                .flatten()
                .for_each(|time_ms| seen.see(time_ms));
            lines.done();
        }
        if ended {
            break;
        }
        // Lines that carry no event move no time, but a stream in which they go on is not quiet for ever.
        if let Some(now_ms) = now_ms {
            while !engine.tick(now_ms, &mut out) {
                put(&mut out, &[], &mut text)?;
            }
            put(&mut out, &[], &mut text)?;
        }
    }
    while !engine.finish(seen.confirmed_ms(), &mut out) {
        put(&mut out, &[], &mut text)?;
    }
    if arguments.statistics {
        engine.statistics(&mut out);
    }
    put(&mut out, &[], &mut text)?;
    if lines.cut > 0 {
        let count = lines.cut;
        let sentence = format!("maxconn: lines longer than 1 MiB, cut into pieces: {count}\n");
        // Nothing hangs on it.
        let _ = abi::write(STDERR, sentence.as_bytes());
    }
    Ok(())
}

/// The last two of whole lines.
fn last_lines(lines: &[u8]) -> &[u8] {
    let body = lines.strip_suffix(b"\n").unwrap_or(lines);
    let newlines = body.iter().enumerate().rev();
    let mut newlines = newlines.filter(|(_, byte)| **byte == b'\n');
    let start = newlines.nth(1).map_or(0, |(at, _)| at + 1);
    body.get(start..).unwrap_or(body)
}

/// Writes the output, in order; passed lines lie in `input`.
fn put(out: &mut Output, input: &[u8], text: &mut Vec<u8>) -> Result<(), Failure> {
    text.clear();
    for (_, piece) in out.pieces(input) {
        text.extend_from_slice(piece);
    }
    out.clear();
    say(text)
}

fn say(text: &[u8]) -> Result<(), Failure> {
    abi::write(STDOUT, text).map_err(|errno| match errno {
        Errno::PIPE => Failure::Closed,
        errno => failed("write to standard output", errno),
    })
}

/// An engine with the configuration of a file, over the one inside the module.
fn engine(path: Option<&str>) -> Result<Engine, Failure> {
    let baked = BAKED.config();
    let baked = baked.map_err(|error| {
        Failure::Usage(format!(
            "the configuration in this module is wrong: {error}"
        ))
    })?;
    let Some(path) = path else {
        return Engine::new(baked).map_err(|error| Failure::Usage(error.to_string()));
    };
    let json = file(path)?;
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(Failure::Usage(format!(
            "{path}: this module reads configurations as JSON; for TOML write a module with the configuration inside \
             it: maxconn config bake --config {path} --guest wasi -o maxconn.wasm"
        )));
    }
    Config::parse(&json, baked)
        .and_then(Engine::new)
        .map_err(|error| Failure::Usage(format!("{path}: {error}")))
}

/// A whole file below one of the folders that the runtime opened for us.
fn file(path: &str) -> Result<Vec<u8>, Failure> {
    let unread = |why: &str| Failure::Usage(format!("cannot read the configuration {path}: {why}"));
    let (folder, rest) = place(path).ok_or_else(|| {
        unread("the runtime gave this module no folder that it lies in; with wasmtime write --dir FOLDER")
    })?;
    let fd = abi::open(folder, &rest).map_err(|Errno(errno)| {
        unread(&format!(
            "WASI error {errno}; name a file that is there and can be read"
        ))
    })?;
    let mut bytes = vec![0; CONFIG_MAX_BYTES];
    let mut len = 0;
    loop {
        let room = bytes.get_mut(len..).unwrap_or_default();
        if room.is_empty() {
            return Err(unread("it is larger than 1 MiB; name the right file"));
        }
        match abi::read(fd, room) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(Errno(errno)) => return Err(unread(&format!("WASI error {errno}"))),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// The opened folder that a path lies in, and the rest of the path: the longest name wins.
fn place(path: &str) -> Option<(u32, String)> {
    let path = from_here(path);
    let mut best: Option<(usize, u32, String)> = None;
    for fd in FIRST_FOLDER.. {
        let Some(name) = abi::folder(fd) else { break };
        let folder = from_here(&name);
        let rest = match folder.trim_end_matches('/') {
            "" if folder.starts_with('/') => path.strip_prefix('/'),
            "" => (!path.starts_with('/')).then_some(path),
            folder => path
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(rest) = rest else { continue };
        if best.as_ref().is_none_or(|(len, _, _)| folder.len() > *len) {
            best = Some((folder.len(), fd, rest.to_string()));
        }
    }
    best.map(|(_, fd, rest)| (fd, rest))
}

/// A path without the `./` that says nothing: runtimes keep the names of folders as they were written.
fn from_here(mut path: &str) -> &str {
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    if path == "." { "" } else { path }
}

fn failed(what: &str, Errno(errno): Errno) -> Failure {
    Failure::Run(format!("cannot {what}: WASI error {errno}"))
}
