//! Debian's package on a real Debian: installed, told of a flood, upgraded while that goes on, purged.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;
use test_support::refusal;

use crate::process::{PATIENCE, Running, folder, free_ports, guarded, is_root, run};
use crate::report::Report;

const UNIT: &str = "/usr/lib/systemd/system/maxconn-log.service";
/// Where the unit's service keeps its state.
const STATE: &str = "/var/lib/maxconn-log";
const MAIL_ALERT: &str = "/usr/share/maxconn/pipelines/alerts/mail-alert";
/// What people look for; the rest of the package is beside it.
const CONTENTS: [&str; 11] = [
    "./usr/bin/maxconn",
    "./usr/lib/systemd/system/maxconn.service",
    "./usr/lib/systemd/system/maxconn-journald.service",
    "./usr/share/bash-completion/completions/maxconn",
    "./usr/share/zsh/vendor-completions/_maxconn",
    "./usr/share/fish/vendor_completions.d/maxconn.fish",
    "./usr/share/man/man1/maxconn-replay.1.gz",
    "./usr/share/man/man7/maxconn-addresses.7.gz",
    "./usr/share/maxconn/guests/maxconn-fluent-bit.wasm",
    "./usr/share/maxconn/pipelines/elasticsearch/dashboards/overview.toml",
    "./usr/share/doc/maxconn/THIRD-PARTY-NOTICES",
];

/// Runs it.
pub fn check(report: &mut Report) {
    report.tell(
        "Debian's package: installed, a flood, upgraded, purged",
        told(),
    );
}

/// Purges the package when the test is over, however it went.
struct Installed;

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = purge();
    }
}

fn told() -> Result<String, Error> {
    let known = Command::new("dpkg-query").args(["-W", "maxconn"]).output();
    if known.is_ok_and(|output| output.status.success()) {
        return Err("a package maxconn is installed here; purge it first".into());
    }
    let [first, second] = [package(1)?, package(2)?];
    let contents = run(Command::new("dpkg-deb").arg("--contents").arg(&first))?;
    for path in CONTENTS {
        if !contents.lines().any(|line| line.ends_with(path)) {
            return Err(format!("the package has no {path}").into());
        }
    }
    let installed = Installed;
    install(&first)?;
    run(Command::new("bash").args([
        "-c",
        "source /usr/share/bash-completion/completions/maxconn && complete -p maxconn",
    ]))?;

    let mut service = Service::prepare(&folder("package")?)?;
    let mut running = service.start()?;
    service.append(&refusal::each_second(0..40))?;
    service.until_told("start", "\nPRIORITY=4\n")?;
    service.until_mailed(&mut running, "Subject: [maxconn] Flood started: ")?;

    // The files change below the service, which is then started anew, as the package's script asks systemd for.
    install(&second)?;
    service.append(&refusal::each_second(40..50))?;
    running.stop()?;
    let mut running = service.start()?;
    service.append(&refusal::each_second(50..60))?;
    // Two of them say that it is an hour later.
    service.append(&refusal::line("Jan  5 05:00:00", "carol", "192.0.2.8"))?;
    service.append(&refusal::line("Jan  5 05:00:01", "dave", "192.0.2.9"))?;
    let end = service.until_told("end", "\nMAXCONN_COUNT=60\n")?;
    service.until_mailed(&mut running, "Subject: [maxconn] Flood ended: ")?;
    running.stop()?;

    drop(installed);
    for path in ["/usr/bin/maxconn", "/usr/share/maxconn", UNIT, STATE] {
        if Path::new(path).exists() {
            return Err(format!("{path} is there after the purge").into());
        }
    }
    let sentence = end.lines().next().unwrap_or_default();
    Ok(sentence.trim_start_matches("MESSAGE=").to_string())
}

/// The service of the unit, started as systemd does but for its log, its port and whom it tells.
struct Service {
    command: Vec<String>,
    admin: u16,
    folder: PathBuf,
    journal: UnixDatagram,
}

impl Service {
    fn prepare(folder: &Path) -> Result<Service, Error> {
        let [admin] = free_ports()?;
        let journal = UnixDatagram::bind(folder.join("journal"))?;
        journal.set_read_timeout(Some(PATIENCE))?;
        fs::write(folder.join("mail.log"), "")?;
        fs::write(
            folder.join("sendmail"),
            format!("#!/bin/sh\ncat >>'{}'\n", folder.join("mails").display()),
        )?;
        fs::set_permissions(folder.join("sendmail"), Permissions::from_mode(0o755))?;
        let owner = run(Command::new("id").arg("-u"))?;
        as_root(&["install", "-d", "-m", "700", "-o", owner.trim(), STATE])?;

        let unit = fs::read_to_string(UNIT)?.replace("\\\n", " ");
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .ok_or("the unit has no ExecStart=")?;
        let here = folder.display();
        let line = line
            .replace("/var/log/mail.log", &format!("{here}/mail.log"))
            .replace("127.0.0.1:8688", &format!("127.0.0.1:{admin}"))
            .replace("journald", &format!("journald:{here}/journal"));
        let mut command: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        command.push("--alerts".to_string());
        command.push(format!("exec:{MAIL_ALERT} postmaster@example.org"));
        Ok(Service {
            command,
            admin,
            folder: folder.to_path_buf(),
            journal,
        })
    }

    fn start(&self) -> Result<Running, Error> {
        let mut command = guarded(&self.command[0]);
        command
            .args(&self.command[1..])
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.display()));
        let log = self.folder.join("maxconn.log");
        let mut running = Running::start("maxconn-log", command, &log)?;
        let health = format!("http://127.0.0.1:{}/healthz", self.admin);
        running.until("it answers", |_| {
            Ok(ureq::get(&health).call().ok().map(drop))
        })?;
        Ok(running)
    }

    fn append(&self, lines: &str) -> Result<(), Error> {
        let log = self.folder.join("mail.log");
        let mut log = fs::File::options().append(true).open(log)?;
        Ok(log.write_all(lines.as_bytes())?)
    }

    /// Waits for an entry of the journal about the flood, which must say this as well.
    fn until_told(&mut self, state: &str, words: &str) -> Result<String, Error> {
        let state = format!("\nMAXCONN_STATE={state}\n");
        let mut buffer = vec![0; 100_000];
        loop {
            let bytes = self.journal.recv(&mut buffer)?;
            let entry = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
            if !entry.contains(&state) {
                continue;
            }
            return match entry.contains(words) {
                true => Ok(entry),
                false => Err(format!("{words:?} is not in {entry}").into()),
            };
        }
    }

    fn until_mailed(&self, running: &mut Running, words: &str) -> Result<(), Error> {
        running.until(words, |_| {
            let mails = fs::read_to_string(self.folder.join("mails")).unwrap_or_default();
            Ok(mails.contains(words).then_some(()))
        })
    }
}

/// Builds the package, of this revision.
fn package(revision: u32) -> Result<PathBuf, Error> {
    run(Command::new("make").args(["-s", "deb", &format!("REVISION={revision}")]))?;
    // Those of other versions may lie beside it.
    let begin = format!("maxconn_{}-{revision}_", env!("CARGO_PKG_VERSION"));
    for entry in fs::read_dir("target/deb")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&begin) && name.ends_with(".deb") {
            return Ok(path);
        }
    }
    Err("`make deb` left no package in target/deb".into())
}

fn install(package: &Path) -> Result<(), Error> {
    as_root(&["dpkg", "--install", &package.to_string_lossy()])
}

fn purge() -> Result<(), Error> {
    as_root(&["dpkg", "--purge", "maxconn"])
}

fn as_root(words: &[&str]) -> Result<(), Error> {
    let words = match is_root()? {
        true => words,
        false => &[&["sudo"], words].concat(),
    };
    run(Command::new(words[0]).args(&words[1..])).map(drop)
}
