//! The command on a terminal, as people see it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::command::program;

/// What the command writes to a terminal so many columns wide, and its exit code; arguments are words between spaces. Its standard input is
/// empty.
pub fn run_on_terminal(
    folder: &Path,
    arguments: &str,
    columns: u16,
    variables: &[(&str, &str)],
) -> (String, Option<i32>) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&master).expect("it may be used");
    unlockpt(&master).expect("it may be opened");
    let name = ptsname(&master, Vec::new()).expect("it has a name");
    let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
    let slave = File::from(slave.expect("it can be opened"));
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size).expect("its size can be set");
    let mut command = Command::new(program());
    command
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env("TZ", "UTC")
        .env("TERM", "xterm")
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(slave.try_clone().expect("a second handle"))
        .stderr(slave);
    let mut child = command.spawn().expect("a program");
    // With it go this process's handles of the other side: what is left is the child's.
    drop(command);
    let mut written = Vec::new();
    // Where nobody holds the other side any more, Linux says it is an error.
    let _ = File::from(master).read_to_end(&mut written);
    let code = child.wait().expect("an end").code();
    let text = String::from_utf8(written).expect("UTF-8");
    (text.replace("\r\n", "\n"), code)
}
