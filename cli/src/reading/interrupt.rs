//! Ends a reading early when somebody asks for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the first Ctrl-C (or a request to terminate) sets; the second one ends the process at once.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// The system does not let them be caught.
    pub fn catch() -> io::Result<Interrupt> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;
        let Interrupt { stop, signal } = Interrupt::default();
        for number in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, passes here, and sets it below.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&stop))?;
            flag::register_usize(number, Arc::clone(&signal), number.unsigned_abs() as usize)?;
            flag::register(number, Arc::clone(&stop))?;
        }
        Ok(Interrupt { stop, signal })
    }

    /// Set when one came.
    pub fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// The number of the signal that came.
    pub fn signal(&self) -> Option<i32> {
        let has_come = self.stop.load(Ordering::Acquire);
        has_come.then(|| self.signal.load(Ordering::Relaxed) as i32)
    }
}
