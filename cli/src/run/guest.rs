//! Replaces a guest that fails by one that goes on from where it was: restores the last snapshot, and repeats what the other one
//! had taken since. Only the lines that no guest takes are lost to it.

use bytes::Bytes;

use super::guest_output::GuestOutput;
use super::metrics::Metrics;
use crate::io::lines::{halves, parts};
use crate::log;
use maxconn_host::{HostError, Instance, Kind, Plugin, Source, Want};

/// A batch is pushed in parts of this size (but for longer lines), in bytes: the guest's buffers stay small.
const PART_BYTES: usize = 128 * 1024;
/// So much is kept of what was pushed since the last snapshot, in bytes; then there is another snapshot.
const JOURNAL_MAX_BYTES: usize = 1 << 20;
/// The same in calls.
const JOURNAL_MAX_CALLS: usize = 1024;
/// A guest that fails so often in one batch is not asked about the rest of it.
const FAILURES_MAX: usize = 16;

/// What was done since the last snapshot.
#[derive(Default)]
struct Journal {
    calls: Vec<Call>,
    bytes: usize,
}

/// A call that moved the state on.
enum Call {
    Push(u16, Vec<u8>),
    Tick(i64),
}

impl Journal {
    fn add(&mut self, call: Call) {
        if let Call::Push(_, lines) = &call {
            self.bytes += lines.len();
        }
        self.calls.push(call);
    }

    fn is_full(&self) -> bool {
        self.bytes >= JOURNAL_MAX_BYTES || self.calls.len() >= JOURNAL_MAX_CALLS
    }
}

/// A guest that is replaced when it fails; what is asked of it fails where it cannot be replaced.
pub struct Guest {
    plugin: Plugin,
    config: String,
    want: Want,
    sources: Vec<Source>,
    current: usize,
    instance: Instance,
    snapshot: Option<Bytes>,
    journal: Journal,
    metrics: Metrics,
}

impl Guest {
    /// The first instance, configured. `sources` are the inputs.
    ///
    /// # Errors
    /// As [`Instance::configure`].
    pub fn new(
        plugin: Plugin,
        config: String,
        want: Want,
        sources: Vec<Source>,
        metrics: Metrics,
    ) -> Result<Guest, HostError> {
        let instance = start(&plugin, &config, want, &sources)?;
        Ok(Guest {
            plugin,
            config,
            want,
            sources,
            current: 0,
            instance,
            snapshot: None,
            journal: Journal::default(),
            metrics,
        })
    }

    /// What it is an instance of.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Goes on from a state that was kept.
    ///
    /// # Errors
    /// [`HostError::Refused`] where it is foreign or damaged.
    pub fn restore(&mut self, snapshot: Bytes, out: &mut GuestOutput) -> Result<(), HostError> {
        self.instance.restore(&snapshot, out.sink())?;
        self.snapshot = Some(snapshot);
        self.journal = Journal::default();
        Ok(())
    }

    /// Puts another configuration in force; floods that it ends are told.
    ///
    /// # Errors
    /// The guest refuses it (the old one stays in force), or can't be replaced.
    pub fn configure(&mut self, config: String, out: &mut GuestOutput) -> Result<(), HostError> {
        self.attempt(out, |guest, out| {
            guest.instance.configure(config.as_bytes(), out.sink())
        })?;
        self.config = config;
        // The last snapshot's floods are those of the old rules: a guest in need goes on from these.
        self.keep_snapshot()
    }

    /// The sources' clock, for timestamps without a year.
    pub fn set_reference_time(&mut self, now_ms: i64) -> Result<(), HostError> {
        for source in &mut self.sources {
            source.reference_time_ms = Some(now_ms);
            source.clock_time_ms = Some(now_ms);
        }
        self.attempt(&mut GuestOutput::default(), |guest, _| {
            describe(&mut guest.instance, &guest.sources)?;
            guest.current = 0;
            Ok(())
        })
    }

    /// Pushes whole lines of a source. Lines that the guest fails in twice do not go on as they should.
    pub fn push(
        &mut self,
        source: u16,
        lines: &[u8],
        out: &mut GuestOutput,
    ) -> Result<(), HostError> {
        let mut failures = 0;
        // Its parts, and of one that the guest fails in its halves, down to single lines.
        let mut todo: Vec<&[u8]> = parts(lines, PART_BYTES).collect();
        todo.reverse();
        while let Some(piece) = todo.pop() {
            if failures >= FAILURES_MAX {
                self.bypass(piece, out);
                continue;
            }
            if self.journal.is_full() {
                self.keep_snapshot()?;
            }
            let attempt = |guest: &mut Guest, out: &mut GuestOutput| {
                guest.select(source)?;
                guest.instance.push(piece, None, out.sink())
            };
            let mut tried = self.try_once(out, attempt);
            let halves = halves(piece);
            if halves.is_none() && matches!(tried, Err(Attempt::Failed)) {
                failures += 1;
                tried = self.try_once(out, attempt);
            }
            match (tried, halves) {
                (Ok(()), _) => self.journal.add(Call::Push(source, piece.to_vec())),
                (Err(Attempt::Given(error)), _) => return Err(error),
                (Err(Attempt::Failed), halves) => {
                    failures += 1;
                    match halves {
                        Some((first, second)) => todo.extend([second, first]),
                        None => self.bypass(piece, out),
                    }
                }
            }
        }
        Ok(())
    }

    /// Pushes lines that were counted before: all of their records go on, whatever floods are open now, but
    /// for those that `out` drops, and nothing is counted. A guest of its own does it, and is thrown away.
    pub fn repeat(
        &mut self,
        source: u16,
        lines: &[u8],
        out: &mut GuestOutput,
    ) -> Result<(), HostError> {
        self.keep_snapshot()?;
        let want = Want {
            records: true,
            alerts: false,
            views: true,
            held_back: true,
            ids: true,
            ..self.want
        };
        let mut twin = Guest::new(
            self.plugin.clone(),
            self.config.clone(),
            want,
            self.sources.clone(),
            self.metrics.clone(),
        )?;
        if let Some(snapshot) = self.snapshot.clone() {
            twin.restore(snapshot, &mut GuestOutput::default())?;
        }
        twin.push(source, lines, out)
    }

    /// Says that time goes on.
    pub fn tick(&mut self, now_ms: i64, out: &mut GuestOutput) -> Result<(), HostError> {
        if self.journal.is_full() {
            self.keep_snapshot()?;
        }
        self.attempt(out, |guest, out| guest.instance.tick(now_ms, out.sink()))?;
        self.journal.add(Call::Tick(now_ms));
        Ok(())
    }

    /// Ends every flood.
    pub fn shutdown(&mut self, out: &mut GuestOutput) -> Result<(), HostError> {
        self.attempt(out, |guest, out| guest.instance.shutdown(out.sink()))
    }

    /// What the guest has counted: a line of JSON.
    pub fn statistics(&mut self) -> Result<Vec<u8>, HostError> {
        let mut document = GuestOutput::default();
        self.attempt(&mut document, |guest, out| {
            guest.instance.statistics(out.sink())
        })?;
        Ok(document.bytes)
    }

    /// Whether it is from a file, and need not keep to anything.
    pub fn is_foreign(&self) -> bool {
        self.plugin.is_foreign()
    }

    /// How large the guest's memory is.
    pub fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }

    /// Keeps all state for a guest that has to be replaced.
    pub fn keep_snapshot(&mut self) -> Result<(), HostError> {
        let mut snapshot = None;
        self.attempt(&mut GuestOutput::default(), |guest, _| {
            snapshot = Some(guest.instance.snapshot()?.into());
            Ok(())
        })?;
        self.snapshot = snapshot;
        self.journal = Journal::default();
        Ok(())
    }

    /// The state that was kept last.
    pub fn last_snapshot(&self) -> Bytes {
        self.snapshot.clone().unwrap_or_default()
    }

    fn select(&mut self, source: u16) -> Result<(), HostError> {
        if self.current != usize::from(source) {
            self.instance.select_source(source)?;
            self.current = usize::from(source);
        }
        Ok(())
    }

    /// Makes a call; if the guest fails in it, once more with the next guest.
    fn attempt(
        &mut self,
        out: &mut GuestOutput,
        mut call: impl FnMut(&mut Guest, &mut GuestOutput) -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        match self.try_once(out, &mut call) {
            Err(Attempt::Given(error)) => Err(error),
            Err(Attempt::Failed) => call(self, out),
            Ok(()) => Ok(()),
        }
    }

    /// Makes a call; a guest that fails in it is replaced, and what it said is forgotten.
    fn try_once(
        &mut self,
        out: &mut GuestOutput,
        mut call: impl FnMut(&mut Guest, &mut GuestOutput) -> Result<(), HostError>,
    ) -> Result<(), Attempt> {
        let mark = out.mark();
        match call(self, out) {
            Ok(()) => Ok(()),
            Err(refused @ HostError::Refused { .. }) => Err(Attempt::Given(refused)),
            Err(error) => {
                log::error!("{error}; a new one goes on from where it was");
                self.metrics.guest_restarts.inc();
                out.back_to(mark);
                self.replace().map_err(Attempt::Given)?;
                Err(Attempt::Failed)
            }
        }
    }

    /// A new guest in the place of one that failed, brought to where that one was. What it says on the way was said.
    fn replace(&mut self) -> Result<(), HostError> {
        self.start_anew()?;
        if let Some(snapshot) = &self.snapshot
            && let Err(error) = self.instance.restore(snapshot, |_, _| {})
        {
            log::error!("the last snapshot is of no use: {error}; counting starts afresh");
            self.snapshot = None;
            self.journal = Journal::default();
            return self.start_anew();
        }
        let journal = std::mem::take(&mut self.journal);
        for call in &journal.calls {
            let again = match call {
                Call::Push(source, lines) => self
                    .select(*source)
                    .and_then(|()| self.instance.push(lines, None, |_, _| {})),
                Call::Tick(now_ms) => self.instance.tick(*now_ms, |_, _| {}),
            };
            if let Err(error) = again {
                // It took the same before: it is none to rely on.
                log::error!("{error}; what was counted since the last snapshot is lost");
                return self.replace();
            }
        }
        self.journal = journal;
        Ok(())
    }

    fn start_anew(&mut self) -> Result<(), HostError> {
        self.instance = start(&self.plugin, &self.config, self.want, &self.sources)?;
        self.current = 0;
        Ok(())
    }

    /// Lines that no guest takes go on untouched, text lines as records. Where names are redacted nobody knows which
    /// are in them: there only their size goes on.
    fn bypass(&mut self, lines: &[u8], out: &mut GuestOutput) {
        self.metrics.bypassed_bytes.inc_by(lines.len() as u64);
        let is_withheld = redacts(&self.config) || self.plugin.redacts();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b"{") && !is_withheld {
                out.add(Kind::Passed, line);
                continue;
            }
            let text = line.trim_ascii_end();
            let message = match is_withheld {
                true => format!(
                    "maxconn: a record of {} bytes is withheld: the plugin fails in it, and names are redacted",
                    text.len()
                ),
                false => String::from_utf8_lossy(text).into_owned(),
            };
            let record = serde_json::json!({ "message": message });
            out.add(Kind::Wrapped, format!("{record}\n").as_bytes());
        }
    }
}

/// Whether a configuration (JSON) hides names.
fn redacts(config: &str) -> bool {
    let config: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
    config.get("redact_key").is_some_and(|key| !key.is_null())
}

/// How a call failed.
enum Attempt {
    /// The guest trapped and was replaced.
    Failed,
    /// There is nothing more to try.
    Given(HostError),
}

fn start(
    plugin: &Plugin,
    config: &str,
    want: Want,
    sources: &[Source],
) -> Result<Instance, HostError> {
    let mut instance = plugin.instantiate()?;
    instance.configure(config.as_bytes(), |_, _| {})?;
    instance.want(want)?;
    describe(&mut instance, sources)?;
    Ok(instance)
}

/// Describes all sources; the first is the current one afterwards.
fn describe(instance: &mut Instance, sources: &[Source]) -> Result<(), HostError> {
    for (number, source) in sources.iter().enumerate().rev() {
        instance.source(u16::try_from(number).unwrap_or(u16::MAX), source)?;
    }
    Ok(())
}
