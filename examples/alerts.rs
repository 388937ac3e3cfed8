//! The core in a program of your own: reads a log and prints the alerts about its floods, one JSON document a line.
//!
//! ```text
//! cargo run --example alerts                       # a real log of testdata/
//! cargo run --example alerts -- /var/log/mail.log
//! ```

use std::error::Error;
use std::time::UNIX_EPOCH;
use std::{env, fs};

use maxconn_core::config::{Config, ConfigError};
use maxconn_core::engine::{Engine, Output, Source, Want};

/// A Dovecot that refuses one user's connections, 50 a second.
const LOG: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/testdata/dovecot/01_one_user_one_ip_50ps-info.log"
);

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).unwrap_or_else(|| LOG.to_string());
    let log = fs::read(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let written = fs::metadata(&path)?
        .modified()?
        .duration_since(UNIX_EPOCH)?;
    let source = Source {
        path: Some(path),
        // Times in a mail log have no year; when the file was written tells which it is.
        reference_ms: Some(i64::try_from(written.as_millis())?),
        ..Source::default()
    };
    print_alerts(&source, &log)?;
    Ok(())
}

/// Prints the alerts of a log; answers how many there were.
fn print_alerts(source: &Source, log: &[u8]) -> Result<usize, ConfigError> {
    let mut engine = Engine::new(Config::default())?;
    let mut out = Output {
        want: Want {
            records: false,
            enriched: false,
            ..Want::default()
        },
        ..Output::default()
    };
    let mut alerts = 0;
    let mut done = 0;
    while done < log.len() {
        // Takes whole lines; fewer than all of them once the output has grown large.
        done += engine.push_lines(source, &log[done..], Some(done as u64), &mut out);
        alerts += print(&mut out);
    }
    // Ends the floods that are still open; `false` says that there is more to tell.
    while !engine.finish(None, &mut out) {
        alerts += print(&mut out);
    }
    Ok(alerts + print(&mut out))
}

fn print(out: &mut Output) -> usize {
    for (_, alert) in out.pieces(&[]) {
        print!("{}", String::from_utf8_lossy(alert));
    }
    let alerts = out.segments.len();
    out.clear();
    alerts
}

#[test]
fn it_tells_of_the_flood_and_its_end() {
    let log = fs::read(LOG).expect("a log");
    let source = Source {
        reference_ms: Some(1_800_000_000_000),
        ..Source::default()
    };
    // Its start, an update after a minute, its end.
    assert_eq!(print_alerts(&source, &log), Ok(3));
}
