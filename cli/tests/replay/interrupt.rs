//! Ctrl-C and requests to terminate, whatever the replay waits for.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use test_support::command::{Folder, Process};

#[test]
fn an_interrupted_replay_says_so_and_ends_as_shells_expect() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut process = Process::at(Path::new("/"), "replay --summary none -");
        process.write("one line\n");
        process.line();
        process.signal(name);
        let ran = process.end();
        let said = "maxconn: interrupted: the input was read up to its record 1 and no further\n";
        assert_eq!((ran.code, ran.stderr.trim()), (Some(code), said.trim()));
    }
}

#[test]
fn the_first_signal_ends_the_wait_for_somebody_who_writes_into_a_pipe() {
    let folder = Folder::new();
    let written = folder.pipe("written");
    folder.pipe("unwritten");
    // One that is silent from its first byte on, and one that is never opened by anybody else.
    for (pipes, first) in [("written", ""), ("written unwritten", "line\n")] {
        let arguments = format!("replay --quiet --summary none {pipes}");
        let mut process = Process::at(&folder, &arguments);
        // Waits until the replay opens it: then it catches signals.
        let mut pipe = OpenOptions::new().write(true).open(&written).unwrap();
        pipe.write_all(first.as_bytes()).unwrap();
        process.signal("TERM");
        process.end().is(143, "");
        drop(pipe);
    }
}
