//! Speaks the protocol of rsyslog's `omprog` with `confirmMessages`: answers every line, or every transaction, on standard output
//! once it was delivered.
//!
//! What was not confirmed comes again, but not in the same transactions: rsyslog cuts them anew, down to
//! single lines. So each line is known by itself.

use std::io::{self, Read, Write};
use std::time::Duration;

use clap::ValueEnum;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout_at};

use super::confirming::Confirming;
use super::cut::{BATCH_MAX_BYTES, BATCH_MAX_RECORDS};
use super::stdin::on_a_thread;
use crate::io::line_reader::{Chunk, LineReader};
use crate::log;
use crate::run::ledger::Claim;

/// About as much is read at once, in bytes.
const CHUNK_BYTES: usize = 8 * 1024;
/// As many lines of a transaction are remembered until it ends; rsyslog has 1,024 in one unless it is told otherwise.
const TRANSACTION_MAX_LINES: usize = 16 * 1024;
/// rsyslog takes a program for hung that does not answer within 10 s, and ends it.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// What is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Confirm {
    /// Every line.
    Messages,
    /// Every transaction (`useTransactions="on"`), which is much faster.
    Transactions,
}

/// Starts to read.
///
/// # Errors
/// No thread can be had.
pub fn start(
    confirm: Confirm,
    patience: Duration,
    confirming: Confirming,
) -> io::Result<oneshot::Receiver<()>> {
    on_a_thread(move |runtime| {
        let mut talk = Talk {
            confirming,
            runtime,
            patience: patience.min(ANSWER_MAX),
            lines: Vec::new(),
            records: 0,
            claims: Vec::new(),
            failed: None,
        };
        if let Err(error) = talk.go(confirm, io::stdin(), &mut io::stdout()) {
            log::error!("cannot speak with rsyslog: {error}");
        }
    })
}

struct Talk {
    confirming: Confirming,
    runtime: Handle,
    patience: Duration,
    /// Lines that were not handed over yet, and how many they are.
    lines: Vec<u8>,
    records: usize,
    /// Lines that were, of the transaction that goes on.
    claims: Vec<Claim>,
    /// Why a part could not be handed over: all of it has to come again.
    failed: Option<&'static str>,
}

impl Talk {
    fn go(
        &mut self,
        confirm: Confirm,
        input: impl Read,
        output: &mut impl Write,
    ) -> io::Result<()> {
        let mut say = |answer: &str| {
            writeln!(output, "{answer}")?;
            output.flush()
        };
        say("OK")?;
        let mut reader = LineReader::new(input, CHUNK_BYTES, false);
        let mut chunk = Chunk::default();
        while reader.next(&mut chunk)? {
            self.confirming
                .metrics
                .cut_lines
                .inc_by(u64::from(chunk.cut));
            for line in chunk.lines().split_inclusive(|byte| *byte == b'\n') {
                match (confirm, line.trim_ascii_end()) {
                    (Confirm::Transactions, b"BEGIN TRANSACTION") => {
                        self.forget();
                        say("OK")?;
                        continue;
                    }
                    (Confirm::Transactions, b"COMMIT TRANSACTION") => {
                        say(self.deliver())?;
                        self.acknowledge();
                        continue;
                    }
                    // Blank lines are no records.
                    (_, b"") => {}
                    _ => self.add(line.strip_suffix(b"\n").unwrap_or(line)),
                }
                match confirm {
                    // Of a longer line only the last piece is answered.
                    _ if chunk.unended => {}
                    Confirm::Messages => {
                        say(self.deliver())?;
                        self.acknowledge();
                    }
                    Confirm::Transactions => say("DEFER_COMMIT")?,
                }
            }
        }
        Ok(())
    }

    /// Adds a record.
    fn add(&mut self, text: &[u8]) {
        if self.claims.len() + self.records >= TRANSACTION_MAX_LINES {
            self.failed = Some("a transaction is too large: lower queue.dequeueBatchSize");
            return;
        }
        self.lines.extend_from_slice(text);
        self.lines.push(b'\n');
        self.records += 1;
        if self.lines.len() >= BATCH_MAX_BYTES || self.records == BATCH_MAX_RECORDS {
            self.hand_over();
        }
    }

    /// Delivers everything since the last answer, and says what to answer.
    fn deliver(&mut self) -> &'static str {
        let until = Instant::now() + self.patience;
        if !self.lines.is_empty() {
            self.hand_over();
        }
        if let Some(why) = self.failed {
            self.forget();
            return why;
        }
        let all = async {
            for claim in &self.claims {
                claim.ticket.delivered().await;
            }
        };
        let delivered = self
            .runtime
            .block_on(async { timeout_at(until, all).await });
        if delivered.is_ok() {
            return "OK";
        }
        // Left behind: the same lines, sent again, find them.
        self.claims.clear();
        "the next hop does not take records"
    }

    /// What was delivered is answered. Not before: a process that is killed in between must know what it delivered.
    fn acknowledge(&mut self) {
        Claim::acknowledge(std::mem::take(&mut self.claims));
    }

    /// Hands over what has gathered. If there is no room it is forgotten, and everything is to come again.
    fn hand_over(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        self.records = 0;
        let each = lines.split_inclusive(|byte| *byte == b'\n');
        let names: Vec<_> = each.map(|line| self.confirming.digest(&[line])).collect();
        let claims = self
            .room(lines.len())
            .and_then(|room| self.confirming.hand_over_each(&lines, &names, room));
        match claims {
            Some(claims) => self.claims.extend(claims),
            None => self.failed = Some("too much is on the way already"),
        }
    }

    fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let until = Instant::now() + self.patience;
        let intake = &self.confirming.intake;
        let room = async { timeout_at(until, intake.room(bytes)).await };
        self.runtime.block_on(room).ok().flatten()
    }

    fn forget(&mut self) {
        self.lines.clear();
        self.records = 0;
        self.claims.clear();
        self.failed = None;
    }
}
