//! Time zones: fixed offsets and POSIX TZ rules. Names of the IANA database are the host's matter: a
//! guest has no database, so a host hands over the POSIX rule behind the name.

use core::fmt;

use super::{DAY_S, date_from_days, days_from_date, days_of_month, is_leap, read_offset};

/// A time zone: a fixed offset or a POSIX TZ rule with daylight saving time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone {
    /// Seconds east of Greenwich, in standard time.
    standard_s: i32,
    daylight: Option<Daylight>,
}

/// Daylight saving time: its offset, and when it starts and ends in each year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Daylight {
    offset_s: i32,
    start: Change,
    end: Change,
}

/// When a clock changes: seconds from the start of a day, by the wall clock that holds until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    time_s: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `Mm.w.d`: the `week`th (5: the last) such weekday (0: Sunday) of the month.
    Weekday { month: u8, week: u8, weekday: u8 },
    /// `Jn`: day 1 to 365, February 29th not counted.
    WithoutLeap(u16),
    /// `n`: day 0 to 365, February 29th counted.
    WithLeap(u16),
}

impl fmt::Display for TimeZone {
    /// The zone as [`TimeZone::parse`] reads it; a POSIX rule in canonical form, its names left out.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(daylight) = &self.daylight else {
            return match self.standard_s {
                0 => write!(out, "UTC"),
                east_s => write!(
                    out,
                    "{}",
                    Clock {
                        s: east_s,
                        plus: "+"
                    }
                ),
            };
        };
        // POSIX counts offsets westward.
        let west = |east_s: i32| Clock {
            s: -east_s,
            plus: "",
        };
        write!(
            out,
            "STD{}DST{}",
            west(self.standard_s),
            west(daylight.offset_s)
        )?;
        for change in [&daylight.start, &daylight.end] {
            match change.day {
                Day::Weekday {
                    month,
                    week,
                    weekday,
                } => write!(out, ",M{month}.{week}.{weekday}")?,
                Day::WithoutLeap(day) => write!(out, ",J{day}")?,
                Day::WithLeap(day) => write!(out, ",{day}")?,
            }
            write!(
                out,
                "/{}",
                Clock {
                    s: change.time_s,
                    plus: ""
                }
            )?;
        }
        Ok(())
    }
}

/// Hours, minutes and, where there are any, seconds.
struct Clock {
    s: i32,
    plus: &'static str,
}

impl fmt::Display for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.s < 0 { "-" } else { self.plus };
        let s = self.s.unsigned_abs();
        write!(out, "{sign}{:02}:{:02}", s / 3_600, s / 60 % 60)?;
        if s.is_multiple_of(60) {
            Ok(())
        } else {
            write!(out, ":{:02}", s % 60)
        }
    }
}

impl TimeZone {
    /// UTC.
    pub const fn utc() -> TimeZone {
        TimeZone::fixed(0)
    }

    /// That many seconds east of Greenwich, always.
    pub(crate) const fn fixed(standard_s: i32) -> TimeZone {
        TimeZone {
            standard_s,
            daylight: None,
        }
    }

    /// The zone of a text: `UTC`, `Z`, an offset (`+02:00`, `-0330`) or a POSIX TZ string
    /// (`CET-1CEST,M3.5.0,M10.5.0/3`).
    pub fn parse(text: &str) -> Option<TimeZone> {
        if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("gmt") {
            return Some(TimeZone::utc());
        }
        let bytes = text.as_bytes();
        if let Some((standard_s, len)) = read_offset(bytes) {
            return (len == bytes.len()).then_some(TimeZone {
                standard_s,
                daylight: None,
            });
        }
        let mut posix = Posix(bytes);
        let zone = posix.zone()?;
        posix.0.is_empty().then_some(zone)
    }

    /// The offset, in seconds east of Greenwich, that holds when the wall clock shows `wall_s` (seconds
    /// since the epoch, as if it were UTC).
    ///
    /// Where a clock is put forward, times that it skips, and where it is put back, times that it shows
    /// twice, take the offset from before the change. So a skipped time comes out later and one that is
    /// shown twice is its first showing (what calendars call "compatible"), and times in a log don't run
    /// backwards before the clock does.
    #[inline]
    pub fn offset_seconds_at_local(&self, wall_s: i64) -> i32 {
        match &self.daylight {
            None => self.standard_s,
            Some(daylight) if self.is_daylight(daylight, wall_s) => daylight.offset_s,
            Some(_) => self.standard_s,
        }
    }

    fn is_daylight(&self, daylight: &Daylight, wall_s: i64) -> bool {
        let (year, ..) = date_from_days(wall_s.div_euclid(DAY_S));
        let gain_s = i64::from(daylight.offset_s) - i64::from(self.standard_s);
        // The old offset holds through what the clock skips.
        let start_s = |year| daylight.start.wall_seconds(year) + gain_s.max(0);
        let end_s = |year| daylight.end.wall_seconds(year) + (-gain_s).max(0);
        // The period that began the year before counts, too: in the south all are of that kind.
        [year - 1, year].into_iter().any(|year| {
            let start_s = start_s(year);
            let end_s = match end_s(year) {
                end if end > start_s => end,
                _ => end_s(year + 1),
            };
            (start_s..end_s).contains(&wall_s)
        })
    }
}

impl Change {
    fn wall_seconds(&self, year: i64) -> i64 {
        let year = year.clamp(1, 9_998);
        let new_year = days_from_date(year, 1, 1).unwrap_or(0);
        let day = match self.day {
            Day::Weekday {
                month,
                week,
                weekday,
            } => {
                let month = i64::from(month);
                let first = days_from_date(year, month, 1).unwrap_or(0);
                // The epoch was a Thursday.
                let until = (i64::from(weekday) - (first + 4)).rem_euclid(7);
                let mut date = until + 7 * (i64::from(week) - 1);
                if date >= days_of_month(year, month) {
                    date -= 7;
                }
                first + date
            }
            Day::WithoutLeap(day) => {
                new_year + i64::from(day) - 1 + i64::from(day >= 60 && is_leap(year))
            }
            Day::WithLeap(day) => new_year + i64::from(day),
        };
        day * DAY_S + i64::from(self.time_s)
    }
}

/// What is still to be read of a POSIX TZ string.
struct Posix<'a>(&'a [u8]);

impl Posix<'_> {
    fn zone(&mut self) -> Option<TimeZone> {
        self.name()?;
        // POSIX counts westwards.
        let standard_s = -self.time(24)?;
        if self.0.is_empty() {
            return Some(TimeZone {
                standard_s,
                daylight: None,
            });
        }
        self.name()?;
        let offset_s = match self.0.first()? {
            b',' => standard_s + 3_600,
            _ => -self.time(24)?,
        };
        let daylight = Daylight {
            offset_s,
            start: self.change()?,
            end: self.change()?,
        };
        Some(TimeZone {
            standard_s,
            daylight: Some(daylight),
        })
    }

    /// An abbreviation: three letters or more, or anything such between angle brackets.
    fn name(&mut self) -> Option<()> {
        let quoted = self.eat(b'<');
        let is_part =
            |byte: &u8| byte.is_ascii_alphabetic() || (quoted && b"+-0123456789".contains(byte));
        let len = self.0.iter().take_while(|byte| is_part(byte)).count();
        self.0 = self.0.get(len..)?;
        (len >= 3 && (!quoted || self.eat(b'>'))).then_some(())
    }

    /// `[+-]h[h[h]][:mm[:ss]]` in seconds.
    fn time(&mut self, hours_max: i32) -> Option<i32> {
        let negative = self.eat(b'-');
        if !negative {
            self.eat(b'+');
        }
        let mut seconds = self.number(hours_max)? * 3_600;
        if self.eat(b':') {
            seconds += self.number(59)? * 60;
            if self.eat(b':') {
                seconds += self.number(59)?;
            }
        }
        Some(if negative { -seconds } else { seconds })
    }

    /// `,rule[/time]`: at two o'clock if nothing else is said, up to a week before or after the day.
    fn change(&mut self) -> Option<Change> {
        if !self.eat(b',') {
            return None;
        }
        let day = if self.eat(b'M') {
            let month = self.number(12)? as u8;
            let week = self.eat(b'.').then(|| self.number(5))?? as u8;
            let weekday = self.eat(b'.').then(|| self.number(6))?? as u8;
            if month == 0 || week == 0 {
                return None;
            }
            Day::Weekday {
                month,
                week,
                weekday,
            }
        } else if self.eat(b'J') {
            match self.number(365)? {
                0 => return None,
                day => Day::WithoutLeap(day as u16),
            }
        } else {
            Day::WithLeap(self.number(365)? as u16)
        };
        let time_s = if self.eat(b'/') {
            self.time(167)?
        } else {
            7_200
        };
        Some(Change { day, time_s })
    }

    fn number(&mut self, max: i32) -> Option<i32> {
        let len = self
            .0
            .iter()
            .take(3)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let number = digits
            .iter()
            .fold(0, |number, digit| number * 10 + i32::from(digit - b'0'));
        (len > 0 && number <= max).then_some(number)
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_rfc3339;
    use super::*;
    use alloc::string::ToString;

    #[track_caller]
    fn check(zone: &str, cases: &[(&str, &str)]) {
        let zone = TimeZone::parse(zone).expect(zone);
        assert_eq!(TimeZone::parse(&zone.to_string()), Some(zone));
        for (wall, utc) in cases {
            let time = parse_rfc3339(wall.as_bytes(), &zone);
            assert_eq!(
                time,
                parse_rfc3339(utc.as_bytes(), &TimeZone::utc()),
                "{wall}"
            );
        }
    }

    #[test]
    fn berlin() {
        let cases = [
            ("2026-01-15 12:00:00", "2026-01-15 11:00:00"),
            ("2026-07-15 12:00:00", "2026-07-15 10:00:00"),
            ("2026-03-29 01:59:59", "2026-03-29 00:59:59"),
            // Skipped: taken with the old offset, so it comes out as 03:30 in the new one.
            ("2026-03-29 02:30:00", "2026-03-29 01:30:00"),
            ("2026-03-29 03:00:00", "2026-03-29 01:00:00"),
            // Shown twice: the first time.
            ("2026-10-25 02:30:00", "2026-10-25 00:30:00"),
            ("2026-10-25 03:00:00", "2026-10-25 02:00:00"),
        ];
        check("CET-1CEST,M3.5.0,M10.5.0/3", &cases);
    }

    #[test]
    fn the_south_and_odd_rules() {
        let sydney = [
            ("2026-01-01 12:00:00", "2026-01-01 01:00:00"),
            ("2026-07-01 12:00:00", "2026-07-01 02:00:00"),
        ];
        check("AEST-10AEDT,M10.1.0,M4.1.0/3", &sydney);
        // Ireland's winter time is the one that deviates.
        let dublin = [
            ("2026-01-01 12:00:00", "2026-01-01 12:00:00"),
            ("2026-07-01 12:00:00", "2026-07-01 11:00:00"),
        ];
        check("IST-1GMT0,M10.5.0,M3.5.0/1", &dublin);
        let nuuk = [
            ("2026-03-28 21:59:59", "2026-03-28 23:59:59"),
            ("2026-03-29 00:00:00", "2026-03-29 01:00:00"),
        ];
        check("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", &nuuk);
        let always = [
            ("2026-01-01 00:30:00", "2026-01-01 04:30:00"),
            ("2026-12-31 23:30:00", "2027-01-01 03:30:00"),
        ];
        check("EST5EDT,0/0,J365/25", &always);
        check("NST3:30", &[("2026-01-01 00:00:00", "2026-01-01 03:30:00")]);
        check("-0330", &[("2026-01-01 00:00:00", "2026-01-01 03:30:00")]);
        check("+02:00", &[("2026-01-01 02:00:00", "2026-01-01 00:00:00")]);
    }

    #[test]
    fn what_is_no_zone() {
        for text in [
            "",
            "Europe/Berlin",
            "CET",
            "+2",
            "CET-1CEST",
            "CET-1CEST,M13.1.0,M1.1.0",
            "CET-1,",
            "+25:00",
        ] {
            assert_eq!(TimeZone::parse(text), None, "{text}");
        }
        assert_eq!(TimeZone::parse("Z"), Some(TimeZone::utc()));
        assert_eq!(TimeZone::parse("utc"), Some(TimeZone::utc()));
    }
}
