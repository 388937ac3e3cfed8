//! The time zone of what names none: `replay` reads such times in it, and shows all times in it.

use std::fs;
use std::path::Path;

use maxconn_core::config::ConfigError;
use maxconn_report::zone::Zone as Shown;

use crate::config::zone::{resolve, rule};

/// A zone, as a guest gets it and as times are shown in it.
#[derive(Clone, Debug)]
pub struct Zone {
    rule: String,
    shown: Shown,
}

impl Zone {
    /// The zone of a text: a name such as `Europe/Berlin`, an offset or a POSIX TZ string.
    ///
    /// # Errors
    /// It is none.
    pub fn of(text: &str) -> Result<Zone, ConfigError> {
        let rule = resolve(text)?;
        let name = (rule != text).then_some(text);
        let shown = Shown::of_rule(&rule, name).unwrap_or_default();
        Ok(Zone { rule, shown })
    }

    /// The machine's: that of `TZ`, else of `/etc/localtime`, else UTC.
    pub fn of_machine() -> Zone {
        let of_file = |path: &Path| {
            // What it leads to says its name.
            let target = fs::canonicalize(path).unwrap_or_default();
            let target = target.to_string_lossy();
            let name = target.split_once("zoneinfo/").map(|(_, name)| name);
            let table = fs::read(path).ok()?;
            let of_name = name.and_then(|name| Zone::of(name).ok());
            let rule = rule(&table)?;
            of_name
                .filter(|zone| zone.rule == rule)
                .or_else(|| Zone::of(rule).ok())
        };
        let found = match std::env::var("TZ") {
            Ok(text) => {
                let text = text.strip_prefix(':').unwrap_or(&text);
                match text.starts_with('/') {
                    true => of_file(Path::new(text)),
                    false => Zone::of(text).ok(),
                }
            }
            Err(_) => of_file(Path::new("/etc/localtime")),
        };
        found.unwrap_or_default()
    }

    /// The zone as a configuration has it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// What shows times in it.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }
}

impl Default for Zone {
    /// UTC.
    fn default() -> Zone {
        Zone {
            rule: "UTC".to_string(),
            shown: Shown::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_support::data::rows;

    use super::*;

    #[test]
    fn times_are_shown_in_the_zone_by_its_name() {
        let table = "
            UTC           | 2026-01-05T03:12:45.000Z | 2026-01-05 03:12:45 UTC
            Europe/Berlin | 2026-01-05T03:12:45.000Z | 2026-01-05 04:12:45 CET
            Europe/Berlin | 2026-07-05T03:12:45.000Z | 2026-07-05 05:12:45 CEST
            # The clock is put forward and back.
            Europe/Berlin | 2026-03-29T01:00:00.000Z | 2026-03-29 03:00:00 CEST
            Europe/Berlin | 2026-10-25T01:30:00.000Z | 2026-10-25 02:30:00 CET
            +05:30        | 2026-01-05T03:12:45.000Z | 2026-01-05 08:42:45 +05:30
            Asia/Kolkata  | 2026-01-05T03:12:45.000Z | 2026-01-05 08:42:45 IST
            <+03>-3       | 2026-01-05T03:12:45.000Z | 2026-01-05 06:12:45 +03";
        for [zone, time, shown] in rows(table) {
            let (time, name) = Zone::of(zone).unwrap().shown().show(time);
            assert_eq!(format!("{time} {name}"), shown);
        }
        assert!(Zone::of("Europe/Berln").is_err());
    }
}
