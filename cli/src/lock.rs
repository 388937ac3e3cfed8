//! Locks that nothing poisons.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock. Nothing panics while one is held; if something did, what it guards would still be whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
