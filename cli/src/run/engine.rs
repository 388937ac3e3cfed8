//! The thread that owns the guest: takes batches, emits deliveries, ticks in between. It alone decides in which order things
//! happen; a snapshot lies between two of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use super::batch::{Batch, Before, Ticket};
use super::guest::Guest;
use super::guest_output::GuestOutput;
use super::metrics::Metrics;
use super::state_writer::StateWriter;
use super::suppressed::Suppressed;
use crate::alerts::Alerts;
use crate::config;
use crate::log;
use crate::output::backlog::Backlog;
use crate::output::delivery::{Delivery, Receipt};
use crate::selection::Selection;
use maxconn_host::HostError;

/// How often the guest is told that time goes on.
pub const TICK: Duration = Duration::from_secs(1);
/// The wall clock is read again this often: it is the time of what has none of its own, and a machine may start with a
/// wrong one, and hear the time later.
const REFERENCE_EVERY: Duration = Duration::from_secs(1);

/// The state is written this soon after an alert: a flood whose start was told must not be forgotten.
const WRITE_AFTER_ALERT: Duration = Duration::from_millis(100);

/// What the engine is asked to do.
pub enum Job {
    /// Lines.
    Batch(Batch),
    /// Read the configuration again.
    Reload,
    /// Nothing more comes.
    Stop,
}

/// As many bytes become of one in a text line, at most.
const OUTPUT_BYTES_PER_BYTE: usize = 6;

impl Job {
    /// How much output is made for it, as far as can be known before.
    fn output_bytes(&self) -> usize {
        match self {
            Job::Batch(batch) => batch.lines.len() * OUTPUT_BYTES_PER_BYTE,
            Job::Reload | Job::Stop => 0,
        }
    }
}

/// What the engine needs.
pub struct Engine {
    /// The guest, configured.
    pub guest: Guest,
    /// Where its output goes.
    pub backlog: Arc<Backlog>,
    /// Where alerts go besides.
    pub alerts: Alerts,
    /// What comes out waits for posts, which may not come: time goes on without them where alerts have another way.
    pub ticks_on: bool,
    /// The file that is read again on a reload.
    pub config: Option<PathBuf>,
    /// The names of the patterns in force.
    pub patterns: Arc<[String]>,
    /// Which part of the guest's output goes on.
    pub selection: Selection,
    /// Its records are numbered.
    pub numbered: bool,
    /// Who keeps the state; without, a stop ends the floods.
    pub state_writer: Option<StateWriter>,
    /// What is counted.
    pub metrics: Metrics,
    /// The clocks.
    pub clock: Clock,
    /// When the wall clock is to be read again.
    pub next_reference: Instant,
    /// What the last tick with something to say is known by.
    pub last_tick: Arc<Ticket>,
    /// Something was counted since the last snapshot.
    pub changed: bool,
    /// An alert was made since the last look.
    pub alerted: bool,
}

/// Two clocks. Ticks are by a steady one, for floods must not end because somebody set the other; what the time
/// is, is asked of the wall clock each time, for it may have been wrong when the process started.
#[derive(Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_ms: i64,
    wall: fn() -> i64,
}

impl Clock {
    /// Starts the steady clock at the wall clock's time; that one gives ms since the Unix epoch.
    pub fn start(wall: fn() -> i64) -> Clock {
        Clock {
            started: Instant::now(),
            started_ms: wall(),
            wall,
        }
    }

    /// What the wall clock says now, in ms since the Unix epoch.
    pub fn wall_ms(&self) -> i64 {
        (self.wall)()
    }

    /// ms that never jump: what the wall clock said at the start, and what has gone by since.
    fn steady_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.started_ms.saturating_add(elapsed)
    }
}

impl Engine {
    /// Works until it is told to stop; then ends the floods, or gives back the state to keep.
    pub async fn run(
        mut self,
        jobs: UnboundedReceiver<Job>,
    ) -> Result<Option<StateWriter>, HostError> {
        let result = self.work(jobs).await;
        self.backlog.close();
        result.map(|()| self.state_writer)
    }

    async fn work(&mut self, mut jobs: UnboundedReceiver<Job>) -> Result<(), HostError> {
        let mut next_tick = Instant::now() + TICK;
        let mut next_write = Instant::now();
        let mut next_job = None;
        loop {
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.tick()?;
            }
            self.refer(now)?;
            if std::mem::take(&mut self.alerted) {
                next_write = next_write.min(now + WRITE_AFTER_ALERT);
            }
            if let Some(state_writer) = &mut self.state_writer
                && now >= next_write
            {
                next_write = now + state_writer.every;
                if std::mem::take(&mut self.changed) {
                    self.guest.keep_snapshot()?;
                }
                state_writer.offer(self.guest.last_snapshot(), &self.backlog);
            }
            // Without room no job is begun, so that what waits in front is bounded by its own bound.
            let next = match &self.state_writer {
                Some(_) => next_tick.min(next_write),
                None => next_tick,
            };
            let ready = async {
                if next_job.is_none() {
                    next_job = jobs.recv().await;
                }
                let bytes = next_job.as_ref().map_or(0, Job::output_bytes);
                self.backlog.room(bytes).await;
            };
            if timeout_at(next, ready).await.is_err() {
                continue;
            }
            match next_job.take() {
                Some(Job::Batch(batch)) => self.batch(batch)?,
                Some(Job::Reload) => self.reload()?,
                Some(Job::Stop) | None => break,
            }
        }
        match &mut self.state_writer {
            Some(state_writer) => {
                self.guest.keep_snapshot()?;
                state_writer.snapshot = self.guest.last_snapshot();
            }
            None => {
                let mut out = self.output();
                self.guest.shutdown(&mut out)?;
                self.deliver(out, Delivery::default());
            }
        }
        Ok(())
    }

    fn output(&self) -> GuestOutput {
        GuestOutput::new(self.selection, self.numbered)
    }

    fn batch(&mut self, batch: Batch) -> Result<(), HostError> {
        self.metrics.input_bytes.inc_by(batch.lines.len() as u64);
        let is_repeated = matches!(batch.before, Before::Counted(_));
        let was_delivered = matches!(batch.before, Before::Delivered);
        let mut out = match batch.before {
            Before::Nothing => self.output(),
            Before::Counted(suppressed) => GuestOutput::without(self.selection, suppressed),
            Before::Delivered => GuestOutput::alerts(self.selection, self.numbered),
        };
        // A guest from a file may pass on parts of them.
        out.passes_objects = batch.are_objects && !self.guest.is_foreign();
        if is_repeated {
            self.guest.repeat(batch.source, &batch.lines, &mut out)?;
        } else {
            out.bytes.reserve(batch.lines.len());
            self.guest.push(batch.source, &batch.lines, &mut out)?;
            self.changed = true;
            self.metrics.malformed.inc_by(out.malformed);
            if let Some(ticket) = &batch.ticket {
                let suppressed = out.take_suppressed();
                ticket.count(match was_delivered {
                    true => Suppressed::all(),
                    false => suppressed,
                });
            }
        }
        drop(batch.room);
        let delivery = Delivery {
            name: batch.name,
            lines_return: batch.lines_return,
            repeated: is_repeated || was_delivered,
            resent: batch.ticket.is_some(),
            ticket: batch.ticket.map(|ticket| ticket as Arc<dyn Receipt>),
            ..Delivery::default()
        };
        self.deliver(out, delivery);
        Ok(())
    }

    /// Says that time goes on, unless what it made the last time still waits: a next hop that is down
    /// for days must not fill the memory. The floods end when it is back.
    fn tick(&mut self) -> Result<(), HostError> {
        let goes_on = || self.ticks_on && self.backlog.is_nearly_empty();
        if self.last_tick.is_delivered() || goes_on() {
            let mut out = self.output();
            self.guest.tick(self.clock.steady_ms(), &mut out)?;
            self.changed |= !out.alerts.is_empty();
            if out.bytes.is_empty() {
                self.deliver(out, Delivery::default());
            } else {
                self.changed = true;
                self.last_tick = Arc::default();
                let ticket: Arc<dyn Receipt> = Arc::clone(&self.last_tick) as _;
                let delivery = Delivery {
                    ticket: Some(ticket),
                    ..Delivery::default()
                };
                self.deliver(out, delivery);
            }
        }
        if std::mem::take(&mut self.changed) {
            // For a guest that has to be replaced.
            self.guest.keep_snapshot()?;
        }
        self.measure()
    }

    /// Tells monitoring what the guest counts.
    pub fn measure(&mut self) -> Result<(), HostError> {
        let document = self.guest.statistics()?;
        // Of records that are not wanted only the guest knows, which reads few of them.
        let tells_malformed = self.selection != Selection::All;
        self.metrics
            .guest(&document, self.guest.memory_bytes(), tells_malformed);
        Ok(())
    }

    /// Tells the guest what the wall clock says, if it is time to.
    fn refer(&mut self, now: Instant) -> Result<(), HostError> {
        if now < self.next_reference {
            return Ok(());
        }
        self.next_reference = now + REFERENCE_EVERY;
        self.guest.set_reference_time(self.clock.wall_ms())
    }

    fn reload(&mut self) -> Result<(), HostError> {
        let loaded = match config::load(self.config.as_deref()) {
            Ok(loaded) => loaded,
            Err(error) => {
                self.metrics.reloads_failed.inc();
                log::error!("the configuration stays as it was: {error}");
                return Ok(());
            }
        };
        let mut out = self.output();
        let patterns = loaded.pattern_names(self.guest.plugin());
        match self.guest.configure(loaded.json, &mut out) {
            Ok(()) => {
                self.patterns = patterns;
                log::info!("the configuration was read again");
            }
            Err(refused @ HostError::Refused { .. }) => {
                self.metrics.reloads_failed.inc();
                log::error!(
                    "the configuration stays as it was: the plugin refuses the new one: {refused}"
                );
            }
            Err(other) => return Err(other),
        }
        self.deliver(out, Delivery::default());
        Ok(())
    }

    /// Hands output over, about which the rest of the delivery is known.
    fn deliver(&mut self, mut out: GuestOutput, about: Delivery) {
        self.alerts.take(&out.alerts);
        self.alerted |= !out.alerts.is_empty();
        if out.bytes.is_empty() && about.ticket.is_none() {
            return;
        }
        // They may wait for long: what they do not use is not to wait with them.
        out.bytes.shrink_to_fit();
        out.segments.shrink_to_fit();
        self.backlog.push(Delivery {
            bytes: out.bytes.into(),
            segments: out.segments,
            patterns: Arc::clone(&self.patterns),
            ..about
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Semaphore;

    use super::*;
    use maxconn_host::{Limits, Source, Want};

    /// The midnights that 2000 and 2026 began with.
    const YEAR_2000_MS: i64 = 946_684_800_000;
    const YEAR_2026_MS: i64 = 1_767_225_600_000;
    const MINUTE_MS: i64 = 60_000;

    thread_local! {
        static WALL_MS: Cell<i64> = const { Cell::new(YEAR_2000_MS + MINUTE_MS) };
    }

    fn engine() -> Engine {
        let clock = Clock::start(|| WALL_MS.get());
        let metrics = Metrics::new();
        let source = Source {
            reference_time_ms: Some(clock.wall_ms()),
            ..Source::default()
        };
        let guest = Guest::new(
            crate::builtin::plugin(Limits::default()).unwrap(),
            "{}".to_string(),
            Want::default(),
            vec![source],
            metrics.clone(),
        );
        Engine {
            guest: guest.unwrap(),
            backlog: Arc::default(),
            alerts: Alerts::default(),
            ticks_on: false,
            config: None,
            patterns: Arc::default(),
            selection: Selection::All,
            numbered: false,
            state_writer: None,
            metrics,
            clock,
            next_reference: Instant::now(),
            last_tick: Ticket::done(),
            changed: false,
            alerted: false,
        }
    }

    /// The time of a refusal of half a minute after midnight on New Year's Day, as the guest reads it.
    fn time(engine: &mut Engine) -> String {
        let line = "Jan  1 00:00:30 mail dovecot: imap-login: Maximum number of connections from user+IP exceeded \
                    (mail_max_userip_connections=10): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1\n";
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let batch = Batch::new(0, [0; 16], line.into(), room);
        engine.batch(batch).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let group = runtime.block_on(engine.backlog.first(1)).unwrap();
        engine.backlog.delivered(1);
        let document: serde_json::Value = serde_json::from_slice(&group[0].bytes).unwrap();
        document["@timestamp"].as_str().unwrap().to_string()
    }

    #[test]
    fn the_year_is_found_within_a_second_though_the_clock_was_wrong_at_the_start() {
        let mut engine = engine();
        let start = Instant::now();
        engine.refer(start).unwrap();
        assert_eq!(time(&mut engine), "2000-01-01T00:00:30.000Z");
        WALL_MS.set(YEAR_2026_MS + MINUTE_MS);
        engine.refer(start + Duration::from_millis(999)).unwrap();
        assert_eq!(time(&mut engine), "2000-01-01T00:00:30.000Z");
        engine.refer(start + Duration::from_secs(1)).unwrap();
        assert_eq!(time(&mut engine), "2026-01-01T00:00:30.000Z");
        // Ticks go on as if nobody had set it.
        assert!(engine.clock.steady_ms() < YEAR_2026_MS);
    }

    #[test]
    fn the_longest_lines_that_become_the_most_leave_the_guest_small() {
        let mut guest = engine().guest;
        let mut line = vec![1; 1 << 20];
        line.push(b'\n');
        for _ in 0..4 {
            let mut out = GuestOutput::default();
            guest.push(0, &line, &mut out).unwrap();
            assert!(out.bytes.len() > 6 << 20);
            guest.keep_snapshot().unwrap();
        }
        // What it was given, what that became, and itself.
        let bytes = guest.memory_bytes();
        assert!(bytes < 10 << 20, "{bytes}");
    }
}
