//! The guest in Bento's `wasm` processor, with `bento.yaml`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use host_test::Error;
use maxconn_core::config::{Config, Rule};
use serde_json::Value;
use test_support::data;
use test_support::refusal::WORDS;

use super::{documents, lines, post, printed, program, same, start};
use crate::maxconn;
use crate::process::{folder, free_ports, run};
use crate::report::Report;

const FILE: &str = "bento.yaml";
const MODULE: &str = "maxconn-bento.wasm";
/// Lines of the measurement, and how often each way has them.
const LINES: usize = 100_000;
const ROUNDS: usize = 2;

/// Runs everything.
pub fn check(report: &mut Report) {
    report.tell("Bento's wasm processor: documents", enriched());
    report.tell("Bento's wasm processor: hostile posts", hostile());
    report.tell("Bento's wasm processor: a baked module", baked());
    report.tell("Bento's wasm processor: wrong modules", refused());
    report.tell("Bento's wasm processor: throughput", throughput());
}

/// A folder with the module in it, the port of its input, and the configuration as printed.
fn set_up(name: &str) -> Result<(PathBuf, u16, String), Error> {
    let folder = folder(name)?;
    fs::write(folder.join(MODULE), host_test::guest("bento")?)?;
    let ports = free_ports()?;
    let config = printed(FILE, ports, &folder)?;
    Ok((folder, ports[1], config))
}

/// What is enriched of every log of the test data is what `maxconn replay` says of it where no rule counts, and everything
/// else is as it was, in its order.
fn enriched() -> Result<String, Error> {
    let (folder, port, config) = set_up("bento")?;
    let [rules, copy] = ["rules.toml", "copy.txt"].map(|name| folder.join(name));
    let off = |rule: &Rule| format!("[[rule]]\nname = \"{}\"\nenabled = false\n", rule.name);
    let off: String = Config::default().rules.iter().map(off).collect();
    fs::write(&rules, off)?;
    let _running = start(&folder, &config, port)?;
    let logs = logs()?;
    let (mut events, mut records) = (0, 0);
    for log in &logs {
        let bytes = data::read(log);
        // Written now, so that both take the same year for times that have none.
        fs::write(&copy, &bytes)?;
        let [rules, copy] = [&rules, &copy].map(|path| path.to_string_lossy());
        let expected = maxconn::output(&[
            "replay",
            "--only=events",
            "--summary=none",
            "--timezone=UTC",
            "--config",
            &rules,
            &copy,
        ])?;
        let expected = documents(expected.lines())?;
        post(port, &bytes)?;
        let (files, passed) = written(&folder)?;
        let mut actual = Vec::new();
        for lines in files.values() {
            actual.extend(documents(lines)?);
        }
        without_arrivals(&expected, &mut actual);
        let enriched = same(log, expected, actual)?;
        let line = |line: &&[u8]| !line.is_empty();
        let all: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').filter(line).collect();
        let mut rest = all.iter();
        let mut others = passed.split(|&byte| byte == b'\n').filter(line);
        let count = others.clone().count();
        if !others.all(|other| rest.any(|it| *it == other)) || count + enriched != all.len() {
            return Err(format!("{log}: {count} records of {} passed", all.len()).into());
        }
        events += enriched;
        records += all.len();
    }
    let logs = logs.len();
    Ok(format!(
        "{events} events of {records} lines in {logs} logs, as maxconn replay has them"
    ))
}

/// The logs of the test data, by their names.
fn logs() -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut folders = vec!["testdata/dovecot".to_string()];
    for entry in fs::read_dir(data::path("testdata/servers"))?.flatten() {
        if entry.path().is_dir() {
            let server = entry.file_name();
            folders.push(format!("testdata/servers/{}", server.to_string_lossy()));
        }
    }
    for folder in folders {
        for entry in fs::read_dir(data::path(&folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_log = [".log", ".log.gz", "real.jsonl"]
                .iter()
                .any(|end| name.ends_with(end));
            if is_log {
                names.push(format!("{folder}/{name}"));
            }
        }
    }
    names.sort();
    match names.len() {
        200.. => Ok(names),
        few => Err(format!("{few} logs: some are missing").into()),
    }
}

/// Files of events: their lines, by their names.
type Files = BTreeMap<String, Vec<String>>;

/// What Bento wrote since it was asked last: files of events, and everything else.
fn written(folder: &Path) -> Result<(Files, Vec<u8>), Error> {
    let (mut files, mut passed) = (Files::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (
            entry.path(),
            entry.file_name().to_string_lossy().into_owned(),
        );
        if name == "others.log" {
            passed = fs::read(&path)?;
        } else if name.ends_with(".ndjson") {
            files.insert(name, lines(&path)?);
        } else {
            continue;
        }
        // Bento appends to what it has open.
        fs::File::options().write(true).open(&path)?.set_len(0)?;
    }
    files.retain(|_, lines| !lines.is_empty());
    Ok((files, passed))
}

/// Takes the time of those away that have one only because they arrived.
fn without_arrivals(expected: &[Value], actual: &mut [Value]) {
    let undated = expected.iter().filter(|it| it.get("@timestamp").is_none());
    let undated: HashSet<String> = undated.map(Value::to_string).collect();
    for document in actual {
        let mut other = document.clone();
        if let Some(members) = other.as_object_mut() {
            members.remove("@timestamp");
        }
        if undated.contains(&other.to_string()) {
            *document = other;
        }
    }
}

/// Several posts at once, whose senders say that they are events of a server of their own, and some that hold anything.
fn hostile() -> Result<String, Error> {
    const SENDERS: usize = 4;
    let (folder, port, config) = set_up("bento-hostile")?;
    let mut running = start(&folder, &config, port)?;
    let flood = data::read(data::FLOOD);
    let text = String::from_utf8_lossy(&flood).into_owned();
    let refusals = text.lines().filter(|line| line.contains(WORDS)).count();
    let mut random = fastrand::Rng::with_seed(17);
    let noise: Vec<u8> = (0..1_000_000).map(|_| random.u8(..)).collect();
    let five_mb = vec![b'x'; 5_000_000];
    // More than the guest takes.
    let too_large = vec![b'y'; 17_000_000];
    let url = format!("http://127.0.0.1:{port}/?maxconn=event&maxconn_server=%2E%2E%2Fforged");
    let bodies: [&[u8]; 5] = [&flood, &noise, &five_mb, &[], &too_large];
    thread::scope(|scope| {
        let send = || -> Result<(), Error> {
            for body in bodies {
                let answer = super::agent().post(&url).send(body)?;
                if !answer.status().is_success() {
                    return Err(format!("a post was answered {}", answer.status()).into());
                }
            }
            Ok(())
        };
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send)).collect();
        let mut senders = senders.into_iter();
        senders.try_for_each(|sender| sender.join().map_err(|_| "a sender failed")?)
    })?;
    let (files, passed) = written(&folder)?;
    let told = files.iter().map(|(name, it)| (name.as_str(), it.len()));
    let told: Vec<(&str, usize)> = told.collect();
    if told != [("dovecot.ndjson", SENDERS * refusals)] {
        return Err(format!("events went into {told:?}").into());
    }
    let sent: usize = bodies.iter().map(|body| body.len()).sum();
    let events = text.lines().filter(|it| it.contains(WORDS));
    let events: usize = events.map(|it| it.len() + 1).sum();
    // Empty lines are gone, and two bodies have no newline at their end.
    let blank = noise.windows(2).filter(|two| *two == b"\n\n").count();
    let expected = SENDERS * (sent - events - blank + 3);
    if passed.len().abs_diff(expected) > 2 * SENDERS {
        return Err(format!("{} bytes passed, not {expected}", passed.len()).into());
    }
    let said = running.said();
    if said.contains("panic") || said.matches("failed to allocate").count() != SENDERS {
        return Err(format!("it said {said}").into());
    }
    running.stop()?;
    Ok(format!(
        "{} events of {SENDERS} senders, {} bytes passed",
        SENDERS * refusals,
        passed.len()
    ))
}

/// A pattern of one's own, baked in with the command of the README.
fn baked() -> Result<String, Error> {
    let (folder, port, config) = set_up("bento-baked")?;
    bake(&folder, PATTERN)?;
    let _running = start(&folder, &config, port)?;
    post(
        port,
        b"session limit reached for \"bob\"\nsession limit reached\n",
    )?;
    let (files, passed) = written(&folder)?;
    let Some((name, lines)) = files.iter().next().filter(|_| files.len() == 1) else {
        return Err(format!("events went into {files:?}").into());
    };
    let documents = documents(lines)?;
    let user = documents.first().map(|it| it["user"]["name"].to_string());
    if name != "myapp.ndjson" || user.as_deref() != Some("\"bob\"") || documents.len() != 1 {
        return Err(format!("{name} has {documents:?}").into());
    }
    match passed.as_slice() {
        b"session limit reached\n" => Ok("an event of a pattern".to_string()),
        _ => Err(format!("{} bytes passed", passed.len()).into()),
    }
}

const PATTERN: &str = r#"
[[pattern]]
name = "myapp"
contains = "session limit reached for"
regex = '''session limit reached for "(?<user>[^"]+)"'''
limit = "session_limit"
scope = "user"
"#;

fn bake(folder: &Path, config: &str) -> Result<Vec<u8>, Error> {
    let [toml, module] = ["maxconn.toml", MODULE].map(|name| folder.join(name));
    fs::write(&toml, config)?;
    let [toml, module] = [&toml, &module].map(|path| path.to_string_lossy());
    maxconn::output(&[
        "config", "bake", "--config", &toml, "--guest", "bento", "-o", &module,
    ])?;
    Ok(fs::read(&*module)?)
}

/// A module that is none, one that is another host's, none at all, and one whose configuration is wrong: Bento does not
/// start, and says which it is.
fn refused() -> Result<String, Error> {
    let (folder, _, config) = set_up("bento-refused")?;
    let mut wrong = bake(&folder, "max_keys = 1000")?;
    let key = br#""max_keys""#;
    let at = wrong.windows(key.len()).rposition(|it| it == key);
    let key = at
        .and_then(|at| wrong.get_mut(at + 5))
        .ok_or("the configuration is not in the module")?;
    *key = b'x';
    let cases = [
        (Some(b"no module".to_vec()), "invalid magic number"),
        (
            Some(host_test::guest("redpanda")?),
            "module[redpanda_transform] not instantiated",
        ),
        (None, "no such file or directory"),
        (Some(wrong), "module closed with exit_code(1)"),
    ];
    fs::write(folder.join("bento.yaml"), config)?;
    for (module, words) in &cases {
        fs::remove_file(folder.join(MODULE))?;
        if let Some(module) = module {
            fs::write(folder.join(MODULE), module)?;
        }
        let mut bento = Command::new("timeout");
        bento
            .arg("60")
            .arg(program())
            .args(["-c", "bento.yaml"])
            .current_dir(&folder);
        match run(&mut bento) {
            Err(said) if said.to_string().contains(words) => {}
            Err(said) => return Err(said),
            Ok(_) => return Err(format!("it runs, and does not say {words}").into()),
        }
        if module.is_none() {
            fs::write(folder.join(MODULE), "")?;
        }
    }
    let module = folder.join(MODULE);
    match maxconn::output(&["config", "print", "--plugin", &module.to_string_lossy()]) {
        Err(said) if said.to_string().contains("max_xeys") => {}
        other => return Err(format!("maxconn config print says {other:?}").into()),
    }
    Ok(format!("{} are refused, each with its reason", cases.len()))
}

/// What a record without an event costs, beside a mapping that looks for one text of one server.
fn throughput() -> Result<String, Error> {
    let folder = folder("bento-throughput")?;
    fs::write(folder.join(MODULE), host_test::guest("bento")?)?;
    let line = |n: usize| {
        format!(
            "Jan 11 12:00:00 mail dovecot: imap(alice{n}@example.org)<4711><T5eqHeNgpOB/AAAB>: Disconnected: Logged out \
             in=512 out=4096 deleted=0 expunged=0 trashed=0 hdr_count=3 hdr_bytes=981 body_count=12 body_bytes=1048576\n"
        )
    };
    fs::write(
        folder.join("plain.log"),
        (0..LINES).map(line).collect::<String>(),
    )?;
    let regex = r#"content().re_match("Maximum number of connections from user\\+IP exceeded")"#;
    let ways = [
        "noop: {}".to_string(),
        format!("mapping: 'meta maxconn = if {regex} {{ \"event\" }} else {{ \"none\" }}'"),
        format!("wasm: {{module_path: ./{MODULE}}}"),
    ];
    let mut seconds = [f64::MAX; 3];
    for _ in 0..ROUNDS {
        for (way, best) in ways.iter().zip(&mut seconds) {
            let config = format!(
                "http: {{enabled: false}}\nlogger: {{level: ERROR}}\n\
                 input: {{file: {{paths: [plain.log], scanner: {{lines: {{}}}}}}}}\n\
                 pipeline:\n  threads: 1\n  processors:\n    - {way}\noutput: {{drop: {{}}}}\n"
            );
            fs::write(folder.join("bento.yaml"), config)?;
            let begun = Instant::now();
            run(Command::new(program())
                .args(["-c", "bento.yaml"])
                .current_dir(&folder))?;
            *best = best.min(begun.elapsed().as_secs_f64());
        }
    }
    let [none, mapping, wasm] = seconds.map(|seconds| LINES as f64 / seconds);
    Ok(format!(
        "{none:.0} records/s without a processor, {mapping:.0} with a mapping by a regular expression, {wasm:.0} with the \
         guest: {:.2} of the mapping's",
        wasm / mapping
    ))
}
