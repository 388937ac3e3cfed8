//! Ctrl-C and requests to terminate, whatever the replay waits for.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::{folder, maxconn};

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn an_interrupted_replay_says_so_and_ends_as_shells_expect() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = maxconn(&["replay", "--summary", "none", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        writeln!(stdin, "one line").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(
            said,
            "maxconn: interrupted: the input was read up to its record 1 and no further\n"
        );
        drop(stdin);
    }
}

#[test]
fn the_first_signal_ends_the_wait_for_somebody_who_writes_into_a_pipe() {
    let folder = folder("pipes");
    let [written, unwritten] = ["written", "unwritten"].map(|name| {
        let pipe = folder.join(name);
        let _ = std::fs::remove_file(&pipe);
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        pipe
    });
    // One that is silent from its first byte on, and one that is never opened by anybody else.
    for (pipes, first) in [(vec![&written], ""), (vec![&written, &unwritten], "line\n")] {
        let child = maxconn(&["replay", "--quiet", "--summary", "none"])
            .args(pipes)
            .spawn()
            .unwrap();
        // Waits until the replay opens it: then it catches signals.
        let mut pipe = OpenOptions::new().write(true).open(&written).unwrap();
        pipe.write_all(first.as_bytes()).unwrap();
        signal(&child, "TERM");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(143), "{output:?}");
        drop(pipe);
    }
}
