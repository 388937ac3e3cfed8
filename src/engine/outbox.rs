//! Emits alerts: into the output, or into a queue.

use alloc::vec::Vec;

use super::floods::Call;
use super::output::Kind;
use super::queue::Queue;
use crate::alert::Alert;
use crate::detector::Transition;

/// Where alerts go: at once into the output, or into the queue of a host that answers record by record.
#[derive(Default)]
pub(super) struct Outbox {
    pub queue: Option<Queue>,
}

impl Outbox {
    /// Writes or queues an alert.
    pub fn send(&mut self, call: &mut Call<'_>, alert: &Alert<'_>) {
        let Call {
            config,
            statistics,
            out,
            ..
        } = call;
        statistics.count_alert(alert.transition);
        if !out.want.alerts {
            return;
        }
        if let Some(queue) = &mut self.queue {
            let mut document = Vec::with_capacity(2_048);
            alert.write(&mut document);
            document.pop();
            document.shrink_to_fit();
            let is_dropped = queue.push(
                document,
                alert.transition == Transition::Ongoing,
                config.max_floods,
            );
            statistics.alerts.dropped += u64::from(is_dropped);
        } else {
            let start = out.bytes.len();
            alert.write(&mut out.bytes);
            out.piece(Kind::Alert, start);
        }
    }
}
