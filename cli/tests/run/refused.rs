//! Command lines that cannot be run: each names what is wrong and how to mend it.

use std::fs::{create_dir, hard_link};
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use test_support::command::{Folder, run};

#[test]
fn what_cannot_be_run_is_refused_with_its_mend_and_the_right_code() {
    let folder = Folder::new();
    folder.write("file", "mine");
    create_dir(folder.join("inner")).unwrap();
    symlink(folder.join("file"), folder.join("link")).unwrap();
    folder.write("one", "");
    hard_link(folder.join("one"), folder.join("two")).unwrap();
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = format!("--input tcp://{}", used.local_addr().unwrap());
    let dead = |file: &str| format!("--output http://127.0.0.1:1 --dead-letter {file}");
    let port = "a port is a number up to 65535";
    let unix = format!("--input unix:{}", folder.join("file").display());
    for (arguments, code, words) in [
        (
            "--input http://nosuchhost.invalid:80",
            1,
            "name an address of this machine",
        ),
        (
            "--input tcp://192.0.2.1:8080",
            1,
            "this machine has no such address",
        ),
        (&used, 1, "name another port"),
        (&unix, 1, "something else is there; remove it"),
        (
            "--input unix:/nosuchfolder/socket",
            1,
            "a folder that can be written",
        ),
        ("--input http://127.0.0.1:99999", 2, port),
        ("--output http://127.0.0.1:99999/logs", 2, port),
        ("--admin :99999", 2, port),
        ("--state inner", 2, "is a folder; name a file in it"),
        ("--state file", 2, "--state-reset"),
        (
            "--state /nosuchfolder/state",
            2,
            "a folder that can be written",
        ),
        ("--state link", 2, "name what it leads to"),
        ("--state one", 2, "name a file that has one"),
        (&dead("link"), 2, "name what it leads to"),
        (&dead("one"), 2, "name a file that has one"),
        (&dead("/dev/null"), 2, "a device; name a file"),
        ("--request-timeout 0s", 2, "it must be more than nothing"),
    ] {
        run(&folder, &format!("run {arguments}")).is(code, words);
    }
    assert_eq!(folder.read("file"), b"mine");
}
