//! Shows a progress bar where standard error is a terminal.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::log;

/// How often it is drawn, in ms.
const DRAW_EVERY_MS: u64 = 100;
/// It may be drawn so often in a second.
const DRAWS_A_SECOND: u8 = 20;
/// Columns that are left free: a terminal shows Ctrl-C there as `^C`, and a line that wraps cannot be taken away.
const FREE_COLUMNS: u16 = 4;
/// On a terminal of 80 columns it fits.
const TEMPLATE: &str = "{bar:16} {percent:>3} %  {bytes} of {total_bytes}  {eta} left  {msg}";

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
        let shown = may_show && total_bytes > 0 && io::stderr().is_terminal();
        let bar = shown.then(|| {
            let bar = bar(total_bytes, Term::stderr());
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
            bar.set_message(found(floods));
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

fn bar(total_bytes: u64, terminal: impl TermLike + 'static) -> ProgressBar {
    let narrow = Box::new(Narrow(terminal));
    let target = ProgressDrawTarget::term_like_with_hz(narrow, DRAWS_A_SECOND);
    let bar = ProgressBar::with_draw_target(Some(total_bytes), target);
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar
}

fn found(floods: u64) -> String {
    format!("{floods} flood{}", if floods == 1 { "" } else { "s" })
}

/// A terminal that is taken for narrower than it is: what is drawn is padded to its width.
#[derive(Debug)]
struct Narrow<T>(T);

impl<T: TermLike> TermLike for Narrow<T> {
    fn width(&self) -> u16 {
        self.0.width().saturating_sub(FREE_COLUMNS)
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A terminal of 80 columns that keeps what is written.
    #[derive(Clone, Debug, Default)]
    struct Terminal(Arc<Mutex<String>>);

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            80
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }

        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\n")
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_fits_into_80_columns_with_room_for_what_ctrl_c_shows() {
        let terminal = Terminal::default();
        let bar = bar((1 << 40) - 1, terminal.clone());
        bar.set_message(found(1_000));
        bar.set_position((1 << 40) - (1 << 30));
        bar.force_draw();
        let drawn = terminal.0.lock().unwrap().clone();
        let longest = drawn.lines().map(|line| line.chars().count()).max();
        assert!(drawn.contains("1000 floods"), "{drawn:?}");
        assert!(
            longest.is_some_and(|longest| longest + "^C".len() < 80),
            "{drawn:?}"
        );
    }
}
