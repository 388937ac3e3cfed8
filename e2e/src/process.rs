//! Programs that run beside the test. Each ends with it, whatever happens to it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use host_test::Error;

/// How long anything may take, a store's start on a busy machine included: far more than it does.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// As much of a log is told when a program fails, in characters.
const TOLD_MAX: usize = 2_000;

/// A command for a program that is killed when we are gone. It must be started on the main thread, with
/// whose end the system does that.
pub fn guarded(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program.as_ref());
    command
}

/// The same, as the user `nobody` if we are root: some servers do not run as root.
pub fn unprivileged(program: impl AsRef<Path>) -> Result<Command, Error> {
    let mut command = Command::new("setpriv");
    if is_root()? {
        command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    }
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program.as_ref());
    Ok(command)
}

/// Gives a folder to the user of [`unprivileged`].
pub fn give_away(folder: &Path) -> Result<(), Error> {
    if is_root()? {
        let mut chown = Command::new("chown");
        run(chown.args(["-R", "nobody:nogroup"]).arg(folder))?;
    }
    Ok(())
}

/// Whether we are.
pub fn is_root() -> Result<bool, Error> {
    let id = Command::new("id").arg("-u").output()?;
    Ok(id.stdout.trim_ascii() == b"0")
}

/// Runs a command to its end; answers what it wrote.
pub fn run(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("cannot start {name}: {error}; `e2e/run` says what is needed"))?;
    let [said, complained] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() {
        Ok(said)
    } else {
        Err(format!("{name} ended with {}: {said}{complained}", output.status).into())
    }
}

/// A running program; dropping it kills it and what it has started.
pub struct Running {
    child: Child,
    command: Command,
    name: String,
    log: PathBuf,
}

fn spawned(name: &str, command: &mut Command) -> Result<Child, Error> {
    let child = command.spawn();
    Ok(child.map_err(|error| format!("cannot start {name} by setpriv: {error}"))?)
}

impl Running {
    /// Starts a command of [`guarded`] or [`unprivileged`]. What it says is appended to a file.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Running, Error> {
        let out = File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .process_group(0)
            .stderr(out.try_clone()?)
            .stdout(out);
        Ok(Running {
            child: spawned(name, &mut command)?,
            command,
            name: name.to_string(),
            log: log.to_path_buf(),
        })
    }

    /// What it said.
    pub fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits until something is there, as long as the program runs.
    pub fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Running) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.complaint(&format!("ended with {status} before {what}")));
            }
            if begun.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(self.complaint(&format!("{what} does not come within {seconds} s")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn complaint(&self, what: &str) -> Error {
        let said = self.said();
        let start = said.len().saturating_sub(TOLD_MAX);
        let end = said
            .get(said.ceil_char_boundary(start)..)
            .unwrap_or_default();
        format!("{}: {what}; it said …{end}", self.name).into()
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        run(Command::new("kill").args(["-s", name, &self.child.id().to_string()])).map(drop)
    }

    /// Ends it as a power cut would, and starts it again.
    pub fn crash_and_restart(&mut self) -> Result<(), Error> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawned(&self.name, &mut self.command)?;
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus, Error> {
        self.signal("TERM")?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(self.complaint("does not stop"))
    }

    /// The same, and expects it to end well.
    pub fn end_well(mut self) -> Result<(), Error> {
        let status = self.stop()?;
        match status.success() {
            true => Ok(()),
            false => Err(self.complaint(&format!("ended with {status}"))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; if not, what it has started is in its group.
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = format!("-{}", self.child.id());
            let _ = Command::new("kill")
                .args(["-s", "KILL", "--", &group])
                .output();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports of loopback that nobody uses.
pub fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT], Error> {
    // All at once, so that they differ.
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; COUNT];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        let listener = listener.as_ref().map_err(|error| error.to_string())?;
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// An empty folder below `target/e2e`.
pub fn folder(name: &str) -> Result<PathBuf, Error> {
    let folder = guest_build::workspace().join("target/e2e").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
