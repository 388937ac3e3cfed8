//! The time zone in which people are shown times.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use maxconn_core::time::TimeZone as Rule;

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone {
    rule: Rule,
    shown: TimeZone,
    name: String,
}

impl Zone {
    /// The zone of a rule: an offset or a POSIX TZ string, `None` if it is neither. `name` is what it is called where that is
    /// known.
    pub fn of_rule(rule: &str, name: Option<&str>) -> Option<Zone> {
        let parsed = Rule::parse(rule)?;
        // What is no rule is an offset, the same all the year.
        let east_s = parsed.offset_seconds_at_local(0);
        let fixed = || TimeZone::fixed(Offset::from_seconds(east_s).unwrap_or(Offset::UTC));
        let shown = match east_s == 0 && rule.eq_ignore_ascii_case("utc") {
            true => TimeZone::UTC,
            false => TimeZone::posix(rule).unwrap_or_else(|_| fixed()),
        };
        Some(Zone {
            rule: parsed,
            shown,
            name: name.unwrap_or(rule).to_string(),
        })
    }

    /// What it is called: `Europe/Berlin`, `+02:00`, `UTC`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its clocks.
    pub fn clocks(&self) -> &TimeZone {
        &self.shown
    }

    /// For times that name no zone.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// A time (RFC 3339) as people write it, and what the clocks of the zone are called then: `2026-01-05 04:12:45`, `CET`.
    pub fn show(&self, time: &str) -> (String, String) {
        match time.parse::<Timestamp>() {
            Ok(time) => self.show_time(time),
            Err(_) => (time.to_string(), String::new()),
        }
    }

    /// The same of ms since the Unix epoch.
    pub fn show_ms(&self, time_ms: i64) -> (String, String) {
        Timestamp::from_millisecond(time_ms).map_or_else(
            |_| (time_ms.to_string(), String::new()),
            |time| self.show_time(time),
        )
    }

    fn show_time(&self, time: Timestamp) -> (String, String) {
        let name = self.shown.to_offset_info(time).abbreviation().to_string();
        let shown = time.to_zoned(self.shown.clone());
        (shown.strftime("%Y-%m-%d %H:%M:%S").to_string(), name)
    }

    /// `from 2026-01-05 03:12:45 until 2026-01-05 04:00:00 UTC`.
    pub fn from_until(&self, (start, first): (String, String), end: (String, String)) -> String {
        let (end, last) = end;
        // Over a change of the clock the zone has two names.
        let first = match first == last {
            true => String::new(),
            false => format!(" {first}"),
        };
        format!("from {start}{first} until {end} {last}")
    }

    /// What the clocks show at a time, in ms.
    pub fn wall_ms(&self, time_ms: i64) -> i64 {
        let time = Timestamp::from_millisecond(time_ms).unwrap_or_default();
        time_ms + i64::from(self.shown.to_offset(time).seconds()) * 1_000
    }
}

impl Default for Zone {
    /// UTC.
    fn default() -> Zone {
        Zone {
            rule: Rule::utc(),
            shown: TimeZone::UTC,
            name: "UTC".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_of_a_zone_show_its_time() {
        let zone = Zone::of_rule("CET-1CEST,M3.5.0,M10.5.0/3", Some("Europe/Berlin")).unwrap();
        for (time_ms, hours, shown) in [
            (1_767_582_765_000, 1, "2026-01-05 04:12:45 CET"),
            (1_783_221_165_000, 2, "2026-07-05 05:12:45 CEST"),
        ] {
            assert_eq!(zone.wall_ms(time_ms) - time_ms, hours * 3_600_000);
            let (time, name) = zone.show_ms(time_ms);
            assert_eq!(format!("{time} {name}"), shown);
        }
        let offset = Zone::of_rule("+05:30", None).unwrap();
        assert_eq!((offset.wall_ms(0), offset.name()), (19_800_000, "+05:30"));
        assert!(Zone::of_rule("Europe/Berlin", None).is_none());
    }
}
