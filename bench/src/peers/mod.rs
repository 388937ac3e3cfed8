//! Different ways to do the same work: find the events in a batch of JSON records, hold them back or
//! give them fields, and write out what goes on.
//!
//! Only maxconn counts floods and writes alerts while it does so; the others get that for free.

mod luajit;
mod ours;
mod regex_crate;
mod serde;
mod vrl_program;

use crate::Error;
use crate::input::{Events, Workload};

/// The expression that all peers with regular expressions use: it names what our documents
/// hold. A user name with `>` in it makes it miss; the expression that finds those too is half as fast.
const EVENT: &str = r"dovecot: (?P<service>[a-z0-9-]+-login): (?:Disconnected: |Login aborted: )?Maximum number of connections from user\+IP exceeded \(mail_max_userip_connections=(?P<limit>\d+)\)(?: \([^)]*\))*: user=<(?P<user>[^>]*)>, method=(?P<method>[^,]+), rip=(?P<rip>[^,]+), lip=(?P<lip>[^,]+)(?:, (?P<tls>TLS))?(?:, session=<(?P<session>[^>]*)>)?$";

/// The quick test before it.
pub const NEEDLE: &str = "Maximum number of connections from user";

/// The names of those that are compared by name.
pub const GUEST: &str = "maxconn: embed guest under wasmtime";
/// serde_json alone.
pub const ROUND_TRIP: &str = "serde_json `Value` round trip";
/// Vector's language.
pub const VRL: &str = "VRL 0.38";

/// One way to do the work.
pub trait Peer {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// Whether it does the whole work; what only stands for the cost of a step is not checked.
    fn does_the_work(&self) -> bool {
        true
    }
    /// Makes itself ready for a pass over a workload; not measured.
    fn start(&mut self, workload: &Workload) -> Result<(), Error>;
    /// Takes a batch of whole lines and appends what goes on.
    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error>;
}

/// Everybody; the first is what the others are compared with.
pub fn all() -> Result<Vec<Box<dyn Peer>>, Error> {
    Ok(vec![
        Box::new(serde::RoundTrip),
        Box::new(ours::Ours::new()?),
        Box::new(ours::Native::default()),
        Box::new(vrl_program::Vrl::new()?),
        Box::new(regex_crate::Parsed::new()?),
        Box::new(regex_crate::Raw::new()?),
        Box::new(luajit::LuaJit::new()?),
    ])
}

/// Fails if a peer does other work than it claims: every record that should go on does, as valid JSON,
/// and every event that goes on names its user in a field.
pub fn check(peer: &mut dyn Peer, workload: &Workload) -> Result<(), Error> {
    peer.start(workload)?;
    let (mut out, mut records, mut enriched) = (Vec::new(), 0, 0);
    for batch in &workload.batches {
        out.clear();
        peer.run(batch, &mut out)?;
        for line in lines(&out) {
            let record: serde_json::Value = serde_json::from_slice(line)?;
            if record["event"]["kind"] == "alert" {
                continue;
            }
            records += 1;
            enriched += usize::from(record.pointer("/user/name").is_some());
        }
    }
    // A flood's first events pass before it opens; whoever keeps no count drops them as well.
    let right = match workload.treatment {
        Events::Enriched => records == workload.records && enriched == workload.events,
        Events::Suppressed => records < 100,
    };
    if right {
        return Ok(());
    }
    let (name, workload) = (peer.name(), workload.name);
    Err(format!("{name} does not do the work of \"{workload}\": {records} records go on, {enriched} enriched").into())
}

/// The lines of a batch, without their newlines.
pub fn lines(batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    batch
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}
