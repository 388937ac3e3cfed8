//! The plugin as a WebAssembly module in a program of your own: reads a log and prints the alerts about its floods, one
//! JSON document a line. The program needs nothing of ours but this host; the module can be updated without it.
//!
//! ```text
//! make guests                                      # target/guests/maxconn-embed.wasm
//! cargo run --release -p maxconn-host --example hosted_alerts
//! cargo run --release -p maxconn-host --example hosted_alerts -- /var/log/mail.log maxconn-embed.wasm
//! ```

use std::error::Error;
use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{env, fs};

use maxconn_host::{HostError, Kind, Limits, Plugin, Source, Want};

const MODULE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/guests/maxconn-embed.wasm"
);
/// A Dovecot that refuses one user's connections, 50 a second.
const LOG: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../testdata/dovecot/01_one_user_one_ip_50ps-info.log"
);
/// The guest's buffer takes at most 8 MiB at once.
const BATCH_BYTES: usize = 256 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| LOG.to_string());
    let module = arguments.next().unwrap_or_else(|| MODULE.to_string());
    let log = fs::read(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let written = fs::metadata(&path)?
        .modified()?
        .duration_since(UNIX_EPOCH)?;
    let source = Source {
        path: Some(path),
        // Times in a mail log have no year; when the file was written tells which it is.
        reference_time_ms: Some(i64::try_from(written.as_millis())?),
        ..Source::default()
    };
    let plugin = Plugin::load(Path::new(&module), Limits::default());
    let plugin = plugin.map_err(|error| error.to_string())?;
    print_alerts(&plugin, &source, &log)?;
    Ok(())
}

/// Prints the alerts of a log; answers how many there were.
fn print_alerts(plugin: &Plugin, source: &Source, log: &[u8]) -> Result<usize, HostError> {
    let mut instance = plugin.instantiate()?;
    instance.source(0, source)?;
    instance.want(Want {
        records: false,
        enriched: false,
        ..Want::default()
    })?;
    let mut alerts = 0;
    let mut print = |_: Kind, alert: &[u8]| {
        print!("{}", String::from_utf8_lossy(alert));
        alerts += 1;
    };
    let mut done = 0;
    while let Some(rest) = log.get(done..).filter(|rest| !rest.is_empty()) {
        // Batches are whole lines.
        let batch = &rest[..rest.len().min(BATCH_BYTES)];
        let end = batch.iter().rposition(|&byte| byte == b'\n');
        let batch = &batch[..end.map_or(batch.len(), |end| end + 1)];
        instance.push(batch, Some(done as u64), &mut print)?;
        done += batch.len();
    }
    // Ends the floods that are still open.
    instance.finish(None, &mut print)?;
    Ok(alerts)
}

#[test]
fn it_tells_of_the_flood_and_its_end() -> Result<(), Box<dyn Error>> {
    let module = guest_build::try_build("embed", guest_build::Features::default())?;
    let plugin = Plugin::load(&module, Limits::default())?;
    let source = Source {
        reference_time_ms: Some(1_800_000_000_000),
        ..Source::default()
    };
    // Its start, an update after a minute, its end.
    assert_eq!(print_alerts(&plugin, &source, &fs::read(LOG)?)?, 3);
    Ok(())
}
