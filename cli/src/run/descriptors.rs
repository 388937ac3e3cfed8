//! Shares out file descriptors: with few of them, state, output and admin come before senders.

use std::fs;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::connection::Connections;
use crate::log;

/// How many connections an address has at once.
pub const CONNECTIONS_MAX: usize = 256;
/// How many the admin address has; they are within the reserve.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;
/// As many descriptors stay free of senders: for the state, its folder, the next hop and the look for its address, the
/// files that are read again, the admin's connections, and one connection an address that waits for its turn.
const RESERVE: usize = 48;
/// Where the system does not say how many there may be, and how many are open: what most begin with.
const LIMIT_USUALLY: usize = 1024;
const OPEN_USUALLY: usize = 32;

/// The senders of all addresses together.
#[derive(Clone)]
pub struct Senders {
    /// One for each descriptor that they may have.
    pub places: Arc<Semaphore>,
    /// Those that are there.
    pub connections: Arc<Connections>,
}

impl Senders {
    /// As many as the system lets there be, which is told if it is few.
    pub fn new() -> Senders {
        let limits = fs::read_to_string("/proc/self/limits");
        let limit = limits.map_or(LIMIT_USUALLY, |limits| limit(&limits));
        let open = fs::read_dir("/proc/self/fd").map_or(OPEN_USUALLY, Iterator::count);
        let places = places(limit, open);
        if places < CONNECTIONS_MAX {
            log::warn!(
                "there are {limit} file descriptors, which is enough for {places} senders at once; raise the limit \
                 (LimitNOFILE=, ulimit -n) for more"
            );
        }
        Senders {
            places: Arc::new(Semaphore::new(places)),
            connections: Arc::default(),
        }
    }
}

/// The limit in force, of Linux's table of them.
fn limit(limits: &str) -> usize {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => usize::MAX,
        limit => limit
            .and_then(|it| it.parse().ok())
            .unwrap_or(LIMIT_USUALLY),
    }
}

/// How many connections there may be, at least one.
fn places(limit: usize, open: usize) -> usize {
    let free = limit.saturating_sub(open + RESERVE);
    free.clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_left_and_one_sender_finds_a_place() {
        assert_eq!(places(1024, 20), 1024 - 20 - RESERVE);
        assert_eq!((places(30, 20), places(0, 20)), (1, 1));
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files   64   4096   files\n";
        assert_eq!((limit(limits), limit("")), (64, LIMIT_USUALLY));
    }
}
