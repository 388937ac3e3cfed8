//! The progress bar: only where somebody looks at it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::log;

/// How often it is drawn, in ms.
const DRAW_EVERY_MS: u64 = 100;

/// A progress bar on standard error, or nothing.
pub struct Progress {
    position: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
    floods: u64,
}

impl Progress {
    /// Shown if the size is known, standard error is a terminal and `may_show`: documents that
    /// go to the same terminal would tear it.
    pub fn start(total_bytes: u64, may_show: bool) -> Progress {
        let position = Arc::new(AtomicU64::new(0));
        let shown = may_show && total_bytes > 0 && std::io::stderr().is_terminal();
        let bar = shown.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr());
            let template = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(DRAW_EVERY_MS));
            bar
        });
        Progress {
            position,
            bar,
            floods: 0,
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

    /// Notes how far the readers are; cheap, it draws nothing itself.
    pub fn moved(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.position.load(Ordering::Relaxed));
        }
    }

    /// How many floods were found so far.
    pub fn floods(&mut self, floods: u64) {
        if let (Some(bar), true) = (&self.bar, self.floods != floods) {
            self.floods = floods;
            bar.set_message(format!(
                "{floods} flood{}",
                if floods == 1 { "" } else { "s" }
            ));
        }
    }

    /// Lets something else be written to the terminal.
    pub fn hidden(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Says sentences on standard error, beside the bar.
    pub fn teller(&self) -> impl Fn(&str) + Send + 'static {
        let bar = self.bar.clone();
        move |sentence| {
            let write = || log::line(format_args!("{sentence}"));
            match &bar {
                Some(bar) => bar.suspend(write),
                None => write(),
            }
        }
    }

    /// Takes it away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
