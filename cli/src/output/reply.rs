//! Hands what becomes of a batch to whoever posted it: the answer is the output.

use std::sync::Arc;

use super::backlog::Backlog;
use super::meter::Meter;
use crate::log;

/// Gives each batch's sender what became of it, until the backlog is closed. What became due in between, and has no sender,
/// leaves with the next one; until then it stays in the backlog, and so in the state.
pub async fn reply(backlog: Arc<Backlog>, meter: Meter) {
    while let Some(group) = backlog.first_answerable().await {
        let bytes: Vec<_> = group.iter().map(|it| it.bytes.clone()).collect();
        let count = bytes.iter().map(|it| it.len()).sum();
        if let Some(ticket) = group.last().and_then(|it| it.ticket.as_ref()) {
            ticket.reply(bytes);
        }
        meter.succeeded(count, 0.0);
        backlog.delivered(group.len());
    }
    let alerts = backlog.waiting_alerts();
    let left = match alerts.iter().filter(|byte| **byte == b'\n').count() {
        0 => return,
        1 => "an alert".to_string(),
        left => format!("{left} alerts"),
    };
    log::warn!(
        "{left} had no answer to leave with; with --state the next run gives it to whoever posts first"
    );
}
