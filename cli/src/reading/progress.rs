//! Shows a progress bar where standard error is a terminal.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use console::{Term, truncate_str};
use indicatif::{HumanBytes, HumanDuration};

use crate::lock::lock;
use crate::log;

/// It is drawn no more often than this.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Columns that are left free: a terminal shows Ctrl-C there as `^C`, and a line that wraps cannot be taken away.
const FREE_COLUMNS: usize = 4;
const BAR_COLUMNS: usize = 16;

/// A progress bar on standard error, or nothing.
pub struct Progress {
    position: Arc<AtomicU64>,
    bar: Option<Arc<Mutex<Bar>>>,
    is_silent: bool,
}

struct Bar {
    terminal: Term,
    begun: Instant,
    drawn: Instant,
    total_bytes: u64,
    floods: u64,
}

impl Progress {
    /// Shown if the size is known, standard error is a terminal and `may_show`: documents that
    /// go to the same terminal would tear it.
    pub fn start(total_bytes: u64, may_show: bool) -> Progress {
        let shown = may_show && total_bytes > 0 && io::stderr().is_terminal();
        let bar = shown.then(|| Bar {
            terminal: Term::stderr(),
            begun: Instant::now(),
            drawn: Instant::now(),
            total_bytes,
            floods: 0,
        });
        Progress {
            position: Arc::default(),
            bar: bar.map(|bar| Arc::new(Mutex::new(bar))),
            is_silent: false,
        }
    }

    /// Neither shown nor says anything: standard error is for a document alone.
    pub fn silent() -> Progress {
        Progress {
            position: Arc::default(),
            bar: None,
            is_silent: true,
        }
    }

    /// The count of bytes read, for the readers to move on.
    pub fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// Whether there is a bar.
    pub fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows how far the readers are, if it is time to.
    pub fn moved(&self) {
        if let Some(mut bar) = self.bar.as_deref().map(lock)
            && bar.drawn.elapsed() >= DRAW_EVERY
        {
            bar.drawn = Instant::now();
            let (_, columns) = bar.terminal.size();
            let text = bar.text(self.position.load(Ordering::Relaxed));
            let columns = usize::from(columns).saturating_sub(FREE_COLUMNS);
            bar.clear();
            // Nobody misses it.
            let _ = bar.terminal.write_str(&truncate_str(&text, columns, ""));
        }
    }

    /// How many floods were found so far.
    pub fn floods(&self, floods: u64) {
        if let Some(mut bar) = self.bar.as_deref().map(lock) {
            bar.floods = floods;
        }
    }

    /// Says sentences on standard error, in the place of the bar.
    pub fn teller(&self) -> impl Fn(&str) + Send + 'static {
        let bar = self.bar.clone();
        let is_silent = self.is_silent;
        move |sentence| {
            if is_silent {
                return;
            }
            let bar = bar.as_deref().map(lock);
            bar.iter().for_each(|bar| bar.clear());
            log::warn!("{sentence}");
        }
    }

    /// Takes it away.
    pub fn finish(&self) {
        self.bar.iter().for_each(|bar| lock(bar).clear());
    }
}

impl Bar {
    fn clear(&self) {
        let _ = self.terminal.clear_line();
    }

    fn text(&self, position: u64) -> String {
        let done = position.min(self.total_bytes) as f64 / self.total_bytes as f64;
        let full = (done * BAR_COLUMNS as f64) as usize;
        let bar = "█".repeat(full) + &"░".repeat(BAR_COLUMNS - full);
        let elapsed = self.begun.elapsed();
        let left = elapsed.mul_f64((1.0 - done) / done.max(0.001));
        let (position, total) = (HumanBytes(position), HumanBytes(self.total_bytes));
        let plural = if self.floods == 1 { "" } else { "s" };
        format!(
            "{bar} {:>3.0} %  {position} of {total}  {:#} left  {} flood{plural}",
            100.0 * done,
            HumanDuration(left),
            self.floods
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_into_80_columns_with_room_for_what_ctrl_c_shows() {
        let bar = Bar {
            terminal: Term::stderr(),
            begun: Instant::now(),
            drawn: Instant::now(),
            total_bytes: (1 << 40) - 1,
            floods: 1_000,
        };
        let text = bar.text((1 << 40) - (1 << 30));
        assert!(text.ends_with("1000 floods"), "{text}");
        assert!(text.chars().count() + FREE_COLUMNS <= 80, "{text}");
    }
}
