//! Incidents of every server: what is generated is found again.

use maxconn_core::recognisers::SERVERS;

use super::*;

const LINES: usize = 500;

/// The address that the names in generated lines try to forge.
const FORGED: &str = "192.0.2.66";

#[test]
fn what_each_server_says_is_found_and_what_clients_write_is_not() {
    let folder = Folder::new();
    for server in SERVERS.map(|server| server.name) {
        for (percent, wanted) in [(100, LINES), (0, 0)] {
            let options = format!("--server {server} --lines {LINES} --events-percent {percent}");
            let generated = run(&folder, &format!("generate {options}"));
            folder.write("server.log", &generated.is(0, "").stdout);
            let ran = run(&folder, "replay server.log --policy pass --only events");
            let events = ran.is(0, "").documents();
            assert_eq!(events.len(), wanted, "{options}");
            for event in events {
                assert_eq!(event["event"]["module"], server, "{event}");
                assert_ne!(event["source"]["ip"], FORGED, "{event}");
            }
        }
    }
    let both = run(&folder, "generate --server nginx --cause mixed");
    both.is(2, "cannot be used with");
}
