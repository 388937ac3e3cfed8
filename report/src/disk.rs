//! Says when the log's disk would have been full.

use crate::words::{bytes, span};
use crate::written::Disk;
use crate::zone::Zone;

const DAY_MS: f64 = 86_400_000.0;

/// What so much free space is worth, after `period_ms`, where refusals took `refusal_bytes` in the span `flood_ms` of floods.
pub fn disk(
    free_bytes: u64,
    refusal_bytes: u64,
    flood_ms: (i64, i64),
    end_ms: i64,
    zone: &Zone,
) -> Disk {
    let lasted_ms = (flood_ms.1 - flood_ms.0).max(1_000) as f64;
    let per_day = refusal_bytes as f64 * DAY_MS / lasted_ms;
    let free = bytes(free_bytes as f64);
    if per_day < 1.0 {
        return Disk {
            free_bytes,
            bytes_per_day: 0.0,
            full_at: None,
            sentence: format!("The refusals take no space to speak of; {free} are free."),
        };
    }
    let lasts_ms = free_bytes as f64 / per_day * DAY_MS;
    let a_day = bytes(per_day);
    let at_that_rate = format!("At the flood's rate ({a_day} a day) the {free} that are free last");
    let lasts = span((lasts_ms / 1_000.0) as u64);
    // Whatever lies further ahead is of no interest.
    let full_at = (lasts_ms < 100.0 * 365.0 * DAY_MS).then(|| end_ms + lasts_ms as i64);
    let sentence = match full_at {
        Some(full_at) => {
            let (time, name) = zone.show_ms(full_at);
            format!(
                "{at_that_rate} {lasts}: had it gone on, the disk would have been full on {time} {name}."
            )
        }
        None => format!("{at_that_rate} for more than a hundred years."),
    };
    Disk {
        free_bytes,
        bytes_per_day: per_day,
        full_at,
        sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_full_when_what_is_free_is_written() {
        let zone = Zone::default();
        let start_ms = 1_798_761_600_000;
        let day_ms = 86_400_000;
        let told = disk(
            20_000_000_000,
            1_600_000_000,
            (start_ms, start_ms + 2 * day_ms),
            start_ms + 2 * day_ms,
            &zone,
        );
        assert_eq!(told.bytes_per_day, 800_000_000.0);
        assert_eq!(told.full_at, Some(start_ms + 27 * day_ms));
        assert_eq!(
            told.sentence,
            "At the flood's rate (800 MB a day) the 20.0 GB that are free last 25 d 0 h: had it gone on, the disk would have been \
             full on 2027-01-28 00:00:00 UTC."
        );
        assert_eq!(disk(1, 0, (0, 0), 0, &zone).full_at, None);
        assert_eq!(disk(u64::MAX, 10, (0, day_ms), 0, &zone).full_at, None);
        assert!(disk(0, 10, (0, day_ms), 0, &zone).full_at == Some(0));
    }
}
