//! Keeps a key's busiest second, and whether all its events came from one host.

use maxconn_records::codec;

/// What is kept of a key's events beside how many there were: the busiest second, and whether all came from one host.
/// In one structure, and small, for there are ten thousand of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyStats {
    /// The start of the current second, and its events.
    second_ms: i64,
    pub count: u32,
    /// The events of the busiest second, and how many seconds it was before the current one.
    pub peak: u32,
    peak_age_s: u32,
    /// Some of the hash of the host, or that there were several.
    host: u32,
}

impl KeyStats {
    const NO_HOST_NAMED: u32 = 1;
    const SEVERAL_HOSTS: u32 = u32::MAX;

    /// Counts events at a time.
    pub fn add(&mut self, time_ms: i64, times: u32) {
        let elapsed_ms = time_ms.saturating_sub(self.second_ms);
        if elapsed_ms < 0 {
            return;
        }
        if elapsed_ms >= 1_000 {
            let second_ms = time_ms - time_ms.rem_euclid(1_000);
            let elapsed_s = (second_ms - self.second_ms) / 1_000;
            let age_s = i64::from(self.peak_age_s).saturating_add(elapsed_s);
            self.peak_age_s = u32::try_from(age_s).unwrap_or(u32::MAX);
            self.second_ms = second_ms;
            self.count = 0;
        }
        self.count = self.count.saturating_add(times);
        if self.count >= self.peak {
            self.peak = self.count;
            self.peak_age_s = 0;
        }
    }

    /// When the busiest second began.
    pub fn peak_start_ms(&self) -> i64 {
        self.second_ms
            .saturating_sub(i64::from(self.peak_age_s) * 1_000)
    }

    /// Notes the host of an event by its hash.
    pub fn add_host(&mut self, hash: Option<u128>) {
        // No name stands for a host as well: this one.
        let named = KeyStats::NO_HOST_NAMED + 1..=KeyStats::SEVERAL_HOSTS - 1;
        let host = hash.map_or(KeyStats::NO_HOST_NAMED, |hash| {
            (hash as u32).clamp(*named.start(), *named.end())
        });
        match self.host {
            0 => self.host = host,
            same if same == host => {}
            _ => self.host = KeyStats::SEVERAL_HOSTS,
        }
    }

    /// Whether all events came from one host.
    pub fn is_one_host(&self) -> bool {
        self.host != KeyStats::SEVERAL_HOSTS
    }
}

codec!(KeyStats: second_ms, count, peak, peak_age_s, host);
