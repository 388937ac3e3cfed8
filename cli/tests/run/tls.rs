//! TLS between two of us, and what a service manager hears. The certificates are for tests alone: their
//! authority's key was thrown away.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{PATIENCE, Process, folder, others, post};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/run/tls")
        .join(name);
    path.to_str().unwrap().to_string()
}

/// Takes batches by TLS and writes them to standard output.
fn receiver() -> Process {
    let (certificate, key) = (file("server.pem"), file("server.key"));
    Process::start(&[
        "--input",
        "https://127.0.0.1:0",
        "--input-certificate",
        &certificate,
        "--input-key",
        &key,
    ])
}

#[test]
fn records_go_by_tls_to_whom_is_trusted() {
    let mut receiver = receiver();
    let address = receiver.address("input");
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/", address.port());
        let mut sender = Process::start(&["--output", &url, "--output-ca", &file("authority.pem")]);
        sender.write(&others(0..3));
        for number in 0..3 {
            assert_eq!(receiver.document()["message"], format!("nothing {number}"));
        }
        sender.stop();
    }
    // Nobody who does not speak TLS gets in, and it goes on.
    assert!(std::panic::catch_unwind(|| post(address, &[], b"x\n")).is_err());
    receiver.stop();
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_server_that_is_not_trusted_gets_nothing() {
    let mut receiver = receiver();
    let url = format!("https://localhost:{}/", receiver.address("input").port());
    // Its own certificate is none of an authority.
    let mut sender = Process::start(&[
        "--output",
        &url,
        "--output-ca",
        &file("server.pem"),
        "--grace",
        "0s",
    ]);
    sender.write(&others(0..3));
    let said = sender.said("no TLS with");
    assert!(said.contains("--output-ca"), "{said}");
    drop(sender.stdin.take());
    // The records are lost with it, which is no good end.
    assert_eq!(sender.wait().code(), Some(1));
    sender.said("is lost");
    receiver.stop();
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_server_may_sign_its_own_certificate_but_not_as_an_authority() {
    let url = |receiver: &mut Process| {
        let port = receiver.address("input").port();
        format!("https://localhost:{port}/")
    };
    let start = |certificate: &str, output: &dyn Fn(&mut Process) -> String| {
        let (certificate, key) = (file(certificate), file("own.key"));
        let pair = ["--input-certificate", &certificate, "--input-key", &key];
        let mut receiver =
            Process::start(&[&["--input", "https://127.0.0.1:0"][..], &pair].concat());
        let url = output(&mut receiver);
        let more = ["--output-ca", &certificate, "--grace", "0s"];
        let sender = Process::start(&[&["--output", &url][..], &more].concat());
        (receiver, sender)
    };
    let (mut receiver, mut sender) = start("own.pem", &url);
    sender.write(&others(0..1));
    assert_eq!(receiver.document()["message"], "nothing 0");
    let (_receiver, mut sender) = start("own-authority.pem", &url);
    sender.write(&others(0..1));
    let said = sender.said("no TLS with");
    assert!(
        said.contains("CA:TRUE") && said.contains("CA:FALSE"),
        "{said}"
    );
    assert!(!said.contains("CaUsedAsEndEntity"), "{said}");
}

#[test]
fn certificates_and_keys_that_do_not_fit_are_told_by_name() {
    let (pem, key) = (file("server.pem"), file("server.key"));
    let input = ["--input", "https://127.0.0.1:0"];
    for (arguments, words) in [
        (
            &["--input-certificate", &pem, "--input-key", &pem][..],
            "server.pem",
        ),
        (
            &["--input-certificate", &key, "--input-key", &key],
            "no certificate",
        ),
        (
            &[
                "--input-certificate",
                &file("authority.pem"),
                "--input-key",
                &key,
            ],
            "belong together",
        ),
        (&[], "go together"),
    ] {
        let mut process = Process::start(&[&input, arguments].concat());
        assert_eq!(process.wait().code(), Some(2), "{arguments:?}");
        process.said(words);
    }
}

#[test]
fn the_service_manager_is_told_when_it_starts_and_stops() {
    let path: PathBuf = folder("notify").join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut buffer = [0; 64];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxconn"));
    let mut process = Process::of(
        command
            .args(["run", "--input", "tcp://127.0.0.1:0"])
            .env("NOTIFY_SOCKET", &path),
    );
    assert_eq!(heard(), "READY=1");
    process.stop();
    assert_eq!(heard(), "STOPPING=1");
}
