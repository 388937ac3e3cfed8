//! Emits alerts: into the output, or into a queue.

use super::floods::Call;
use super::output::Kind;
use super::queue::Queue;
use crate::alert::Alert;

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
            let gives_way = queue.push(alert, config.max_floods);
            statistics.alerts.dropped += u64::from(gives_way);
        } else {
            let start = out.bytes.len();
            alert.write(&mut out.bytes);
            out.piece(Kind::Alert, start);
        }
    }
}
