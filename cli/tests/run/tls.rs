//! TLS between two of us, and what a service manager hears. The certificates are for tests alone: their
//! authority's key was thrown away.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use test_support::command::{Folder, Process, program, run_rows};
use test_support::http::post;
use test_support::refusal::others;
use test_support::{PATIENCE, contains, data, lacks};

/// Starts `maxconn run` where the certificates and keys are.
fn start(arguments: &str) -> Process {
    let arguments = format!("run {arguments}");
    Process::at(&data::path("cli/tests/run/tls"), &arguments)
}

/// Takes batches by TLS and writes them to standard output; and its port.
fn receiver(certificate: &str, key: &str) -> (Process, u16) {
    let pair = format!("--input-certificate {certificate} --input-key {key}");
    let receiver = start(&format!("--input https://127.0.0.1:0 {pair}"));
    let port = receiver.address("input").port();
    (receiver, port)
}

#[test]
fn records_go_by_tls_to_whom_is_trusted() {
    let (mut receiver, port) = receiver("server.pem", "server.key");
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}/");
        let mut sender = start(&format!("--output {url} --output-ca authority.pem"));
        sender.write(&others(0..3));
        for number in 0..3 {
            assert_eq!(receiver.document()["message"], format!("nothing {number}"));
        }
        sender.stop();
    }
    // Nobody who does not speak TLS gets in, and it goes on.
    let address = receiver.address("input");
    assert!(std::panic::catch_unwind(|| post(address, &[], "x\n")).is_err());
    receiver.stop();
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_server_that_is_not_trusted_gets_nothing() {
    let (mut receiver, port) = receiver("server.pem", "server.key");
    // Its own certificate is none of an authority.
    let output = format!("--output https://localhost:{port}/ --output-ca server.pem");
    let mut sender = start(&format!("{output} --grace 0s"));
    sender.write(&others(0..3));
    let said = sender.said("no TLS with");
    assert!(said.contains("--output-ca"), "{said}");
    drop(sender.stdin.take());
    // The records are lost with it, which is no good end.
    sender.end().is(1, "is lost");
    receiver.stop();
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_server_may_sign_its_own_certificate_but_not_as_an_authority() {
    let started = |certificate: &str| {
        let (receiver, port) = receiver(certificate, "own.key");
        let output = format!("--output https://localhost:{port}/ --output-ca {certificate}");
        let mut sender = start(&format!("{output} --grace 0s"));
        sender.write(&others(0..1));
        (receiver, sender)
    };
    let (receiver, _sender) = started("own.pem");
    assert_eq!(receiver.document()["message"], "nothing 0");
    let (_receiver, sender) = started("own-authority.pem");
    let said = sender.said("no TLS with");
    contains(&said, &["CA:TRUE", "CA:FALSE"]);
    lacks(&said, &["CaUsedAsEndEntity"]);
}

#[test]
fn certificates_and_keys_that_do_not_fit_are_told_by_name() {
    let table = "
        2 | run --input https://127.0.0.1:0 --input-certificate server.pem --input-key server.pem    | server.pem
        2 | run --input https://127.0.0.1:0 --input-certificate server.key --input-key server.key    | no certificate
        2 | run --input https://127.0.0.1:0 --input-certificate authority.pem --input-key server.key | belong together
        2 | run --input https://127.0.0.1:0                                                          | go together";
    run_rows(&data::path("cli/tests/run/tls"), table, |_| ());
}

#[test]
fn the_service_manager_is_told_when_it_starts_and_stops() {
    let folder = Folder::new();
    let path = folder.join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut buffer = [0; 64];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let mut command = Command::new(program());
    let command = command.args(["run", "--input", "tcp://127.0.0.1:0"]);
    let mut process = Process::of(command.env("NOTIFY_SOCKET", &path));
    assert_eq!(heard(), "READY=1");
    process.stop();
    assert_eq!(heard(), "STOPPING=1");
}
