//! Command lines that cannot be run: each names what is wrong and how to mend it.

use std::fs;
use std::net::TcpListener;

use crate::process::{Process, folder};

#[test]
fn what_cannot_be_run_is_refused_with_its_mend_and_the_right_code() {
    let folder = folder("refused");
    let file = folder.join("file");
    fs::write(&file, "mine").unwrap();
    let (link, names) = (
        folder.join("link"),
        [folder.join("one"), folder.join("two")],
    );
    std::os::unix::fs::symlink(&file, &link).unwrap();
    fs::write(&names[0], "").unwrap();
    fs::hard_link(&names[0], &names[1]).unwrap();
    let [link, name] = [&link, &names[0]].map(|it| it.to_str().unwrap());
    let to = ["--output", "http://127.0.0.1:1", "--dead-letter"];
    let (folder, file) = (folder.to_str().unwrap(), file.to_str().unwrap());
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = format!("tcp://{}", used.local_addr().unwrap());
    for (arguments, code, words) in [
        (
            &["--input", "http://nosuchhost.invalid:80"][..],
            1,
            "name an address of this machine",
        ),
        (
            &["--input", "tcp://192.0.2.1:8080"],
            1,
            "this machine has no such address",
        ),
        (&["--input", &used], 1, "name another port"),
        (
            &["--input", &format!("unix:{file}")],
            1,
            "something else is there; remove it",
        ),
        (
            &["--input", "unix:/nosuchfolder/socket"],
            1,
            "a folder that can be written",
        ),
        (
            &["--input", "http://127.0.0.1:99999"],
            2,
            "a port is a number up to 65535",
        ),
        (
            &["--output", "http://127.0.0.1:99999/logs"],
            2,
            "a port is a number up to 65535",
        ),
        (&["--admin", ":99999"], 2, "a port is a number up to 65535"),
        (&["--state", folder], 2, "is a folder; name a file in it"),
        (&["--state", file], 2, "--state-reset"),
        (
            &["--state", "/nosuchfolder/state"],
            2,
            "a folder that can be written",
        ),
        (&["--state", link], 2, "name what it leads to"),
        (&["--state", name], 2, "name a file that has one"),
        (&[to[0], to[1], to[2], link], 2, "name what it leads to"),
        (&[to[0], to[1], to[2], name], 2, "name a file that has one"),
        (
            &[to[0], to[1], to[2], "/dev/null"],
            2,
            "a device; name a file",
        ),
        (
            &["--request-timeout", "0s"],
            2,
            "it must be more than nothing",
        ),
    ] {
        let mut process = Process::start(arguments);
        assert_eq!(process.wait().code(), Some(code), "{arguments:?}");
        process.said(words);
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}
