//! serde_json alone: every record is read into a value and written again. Nothing is looked for; it is
//! what reading and writing JSON cost, and the yardstick that makes figures of different machines comparable.

use super::{Error, Peer, Workload};

/// serde_json's `Value`, there and back.
pub struct RoundTrip;

impl Peer for RoundTrip {
    fn name(&self) -> &'static str {
        super::ROUND_TRIP
    }

    fn does_the_work(&self) -> bool {
        false
    }

    fn start(&mut self, _workload: &Workload) -> Result<(), Error> {
        Ok(())
    }

    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        for line in super::lines(batch) {
            let value: serde_json::Value = serde_json::from_slice(line)?;
            serde_json::to_writer(&mut *out, &value)?;
            out.push(b'\n');
        }
        Ok(())
    }
}
