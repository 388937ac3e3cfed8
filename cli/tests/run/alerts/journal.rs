//! journald and syslog, played by sockets.

use std::os::unix::net::UnixDatagram;

use test_support::PATIENCE;
use test_support::command::Folder;

use super::{HOSTILE, refusals, start};

#[test]
fn each_alert_is_one_message_with_its_priority() {
    let folder = Folder::new();
    let [journald, syslog] = ["journald", "syslog"].map(|name| {
        let socket = UnixDatagram::bind(folder.join(name)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    });
    let outputs = ["journald:journald", "syslog:syslog"];
    let mut process = start(&folder, "--output none", &outputs);
    let next = |socket: &UnixDatagram| {
        let mut buffer = vec![0; 100_000];
        let bytes = socket.recv(&mut buffer).unwrap();
        buffer.truncate(bytes);
        String::from_utf8(buffer).unwrap()
    };
    for (number, name) in HOSTILE.iter().enumerate() {
        // Each is told before the next comes, and each is a minute later than the one before.
        let second = 60 * number as i64;
        assert_eq!(process.post(refusals(name, second..second + 3)), 204);
        let (message, mut line) = (next(&journald), next(&syslog));
        let mut all = message.clone();
        while !all.contains("MAXCONN_STATE=start") {
            // The end of the one before.
            assert!(all.contains("\nPRIORITY=6\n"), "{all}");
            (all, line) = (next(&journald), next(&syslog));
        }
        for (count, words) in [
            (1, "\nPRIORITY=4\n"),
            (1, "\nSYSLOG_IDENTIFIER=maxconn\n"),
            (0, "\nBcc"),
            (0, "\nSubject"),
            (0, "\r"),
        ] {
            assert_eq!(all.matches(words).count(), count, "{words}: {all}");
        }
        assert!(all.starts_with("MESSAGE=Flood started: "), "{all}");
        assert!(all.ends_with('\n'), "{all}");
        let is_tagged = line.starts_with("<28>") && line.contains(" maxconn[");
        assert!(is_tagged && !line.contains(char::is_control), "{line}");
    }
    process.stop();
}
