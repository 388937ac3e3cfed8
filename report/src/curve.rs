//! How a flood went on: its refusals minute by minute, over the day, over the week.

use crate::words::{grouped, rate, span};
use crate::written::halved;
use crate::zone::Zone;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// A shorter flood says nothing of day and night, in ms.
const WHOLE_DAY_MS: i64 = 20 * HOUR_MS;
/// So many minutes say something of how even a flood is.
const MINUTES_MIN: u64 = 5;

/// Counts over time, each step as long as the others; where they would be too many each becomes twice as long.
#[derive(Clone, Debug)]
pub struct Curve {
    /// When the first step begins, in ms since the Unix epoch.
    pub start_ms: i64,
    /// The length of a step, in ms.
    pub step_ms: i64,
    /// What each step holds.
    pub counts: Vec<u64>,
    points_max: usize,
}

impl Curve {
    /// An empty one, which keeps no more points than these.
    pub fn new(start_ms: i64, points_max: usize) -> Curve {
        Curve {
            start_ms,
            step_ms: MINUTE_MS,
            counts: Vec::new(),
            points_max: points_max.max(2),
        }
    }

    /// Adds what came until a time.
    pub fn add_until(&mut self, time_ms: i64, count: u64) {
        let mut at = self.index(time_ms);
        while at >= self.points_max as i64 {
            self.halve();
            at = self.index(time_ms);
        }
        let at = usize::try_from(at).unwrap_or(0);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        if let Some(step) = self.counts.get_mut(at) {
            *step += count;
        }
    }

    /// The step that ends at that time, or within which it lies.
    fn index(&self, time_ms: i64) -> i64 {
        (time_ms - self.start_ms - 1)
            .div_euclid(self.step_ms)
            .max(0)
    }

    /// Makes each step twice as long.
    pub fn halve(&mut self) {
        self.counts = halved(&self.counts);
        self.step_ms *= 2;
    }
}

/// How a flood went on, from the counts that its alerts tell.
#[derive(Clone, Debug)]
pub struct Course {
    /// Minute by minute.
    pub curve: Curve,
    /// Refusals in each of the day's hours.
    pub hours: [u64; 24],
    /// Refusals on each day of the week, Monday first.
    pub weekdays: [u64; 7],
    /// Of whole minutes: how many, the mean of their counts, and the sum of the squares of what they differ by.
    minutes: (u64, f64, f64),
    last_ms: i64,
}

/// How even a flood is.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Regularity {
    /// Whole minutes.
    pub minutes: u64,
    /// Refusals in one.
    pub mean_per_minute: f64,
    /// The standard deviation as a share of the mean.
    pub deviation: f64,
    /// The same in words.
    pub sentence: String,
}

impl Course {
    /// A flood that opens, with the refusals that were counted before.
    pub fn begin(at_ms: i64, count: u64, zone: &Zone, points_max: usize) -> Course {
        let mut course = Course {
            curve: Curve::new(at_ms, points_max),
            hours: [0; 24],
            weekdays: [0; 7],
            minutes: (0, 0.0, 0.0),
            last_ms: at_ms,
        };
        course.curve.add_until(at_ms, count);
        course.note(at_ms, count, zone);
        course
    }

    /// So many more came until then. `is_end`: the flood is over, and the last minute may not be whole.
    pub fn go_on(&mut self, at_ms: i64, count: u64, is_end: bool, zone: &Zone) {
        self.curve.add_until(at_ms, count);
        let lasted_ms = (at_ms - self.last_ms).max(0);
        self.note(self.last_ms + lasted_ms / 2, count, zone);
        let minutes = lasted_ms / MINUTE_MS;
        // No alert is written after a minute without a refusal.
        let minutes = minutes.min(10_000);
        if !is_end && minutes > 0 {
            (1..minutes).for_each(|_| self.minute(0));
            self.minute(count);
        }
        self.last_ms = at_ms;
    }

    fn note(&mut self, time_ms: i64, count: u64, zone: &Zone) {
        let wall_ms = zone.wall_ms(time_ms);
        let hour = wall_ms.div_euclid(HOUR_MS).rem_euclid(24);
        // The epoch began on a Thursday.
        let weekday = (wall_ms.div_euclid(DAY_MS) + 3).rem_euclid(7);
        if let Some(hour) = self.hours.get_mut(hour as usize) {
            *hour += count;
        }
        if let Some(weekday) = self.weekdays.get_mut(weekday as usize) {
            *weekday += count;
        }
    }

    /// Welford's sums.
    fn minute(&mut self, count: u64) {
        let (minutes, mean, squares) = self.minutes;
        let (minutes, differs) = (minutes + 1, count as f64 - mean);
        let mean = mean + differs / minutes as f64;
        self.minutes = (minutes, mean, squares + differs * (count as f64 - mean));
    }

    /// How even it is; `None` where it is too short to tell.
    pub fn regularity(&self) -> Option<Regularity> {
        let (minutes, mean, squares) = self.minutes;
        if minutes < MINUTES_MIN || mean <= 0.0 {
            return None;
        }
        let deviation = (squares / minutes as f64).sqrt() / mean;
        let a_minute = match mean >= 10.0 {
            true => grouped(mean.round() as u64),
            false => rate(mean),
        };
        let says = match deviation {
            it if it <= 0.1 => "no person keeps such a pace, a program does",
            it if it <= 0.5 => "fairly even, as a program that is slowed down now and then",
            it if it <= 1.5 => "uneven: several clients, or one that comes and goes",
            _ => "in bursts, with pauses between",
        };
        let percent = (deviation * 100.0).round();
        Some(Regularity {
            minutes,
            mean_per_minute: mean,
            deviation,
            sentence: format!(
                "{a_minute} a minute, ±{percent:.0} % from one minute to the next: {says}."
            ),
        })
    }

    /// What the hours of the day say, of a flood between these times.
    pub fn rhythm(&self, start_ms: i64, end_ms: i64, zone: &Zone) -> String {
        let lasted_ms = end_ms - start_ms;
        if lasted_ms < WHOLE_DAY_MS {
            let lasted = span(lasted_ms.max(0).unsigned_abs() / 1_000);
            return format!("It lasted {lasted}, too short to tell day from night.");
        }
        // How often a minute, in the hours as the clocks show them.
        let mut rates = [0.0_f64; 24];
        let (start, end) = (zone.wall_ms(start_ms), zone.wall_ms(end_ms));
        for (hour, (rate, count)) in (0_i64..).zip(rates.iter_mut().zip(self.hours)) {
            *rate = count as f64 / hour_ms(hour, start, end).max(MINUTE_MS) as f64;
        }
        let mean = rates.iter().sum::<f64>() / 24.0;
        let of = |hours: std::ops::Range<usize>| {
            let len = hours.len().max(1) as f64;
            rates.get(hours).into_iter().flatten().sum::<f64>() / len
        };
        let (night, day) = (of(0..6), of(8..20));
        let weekend: u64 = self.weekdays.iter().skip(5).sum();
        let all: u64 = self.weekdays.iter().sum();
        let whole_week = lasted_ms >= 7 * DAY_MS;
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        match () {
            () if least >= mean / 2.0 => {
                "All day and night alike: a program that nobody watches.".to_string()
            }
            () if night < day / 10.0 && whole_week && weekend * 20 < all => {
                "On working days and hardly at night: a person's program at work.".to_string()
            }
            () if night < day / 10.0 => {
                "By day and hardly at night: a program that runs while somebody is there."
                    .to_string()
            }
            () if day < night / 10.0 => {
                "At night and hardly by day: a task that is run at a fixed time.".to_string()
            }
            () => "Not at all hours alike, and at none alone: see the hours.".to_string(),
        }
    }
}

/// How much of an hour of the day lies between two times of the clock, in ms.
fn hour_ms(hour: i64, start_ms: i64, end_ms: i64) -> i64 {
    let until = |time_ms: i64| {
        let (days, rest_ms) = (time_ms.div_euclid(DAY_MS), time_ms.rem_euclid(DAY_MS));
        days * HOUR_MS + (rest_ms - hour * HOUR_MS).clamp(0, HOUR_MS)
    };
    until(end_ms) - until(start_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flood that has so many refusals in each minute.
    fn course(minutes: i64, count: impl Fn(i64) -> u64) -> Course {
        let zone = Zone::default();
        let mut course = Course::begin(0, 30, &zone, 2_000);
        for minute in 1..=minutes {
            let count = count(minute);
            if count > 0 {
                course.go_on(minute * MINUTE_MS, count, false, &zone);
            }
        }
        course.go_on(minutes * MINUTE_MS + 1_000, 7, true, &zone);
        course
    }

    #[test]
    fn a_curve_holds_all_and_no_more_points_than_are_kept() {
        let course = course(5_000, |_| 3_000);
        let Curve {
            step_ms, counts, ..
        } = &course.curve;
        assert_eq!((*step_ms, counts.len()), (240_000, 1_251));
        assert_eq!(counts.iter().sum::<u64>(), 30 + 5_000 * 3_000 + 7);
        assert_eq!((counts[0], counts[1]), (12_030, 12_000));
        assert_eq!(course.hours.iter().sum::<u64>(), 15_000_037);
        assert_eq!(course.weekdays.iter().sum::<u64>(), 15_000_037);
    }

    #[test]
    fn how_even_a_flood_is_tells_a_program_from_people() {
        let even = course(100, |_| 3_000).regularity().unwrap();
        assert_eq!(
            even.sentence,
            "3,000 a minute, ±0 % from one minute to the next: no person keeps such a pace, a program does."
        );
        assert_eq!((even.minutes, even.mean_per_minute), (100, 3_000.0));
        // Minutes without a refusal count, too.
        let bursts = course(100, |minute| if minute % 5 == 0 { 36 } else { 0 });
        let bursts = bursts.regularity().unwrap();
        assert_eq!(bursts.minutes, 100);
        let differs = (bursts.mean_per_minute - 7.2).abs() + (bursts.deviation - 2.0).abs();
        assert!(differs < 1e-9, "{bursts:?}");
        assert!(bursts.sentence.contains("in bursts"));
        assert_eq!(course(3, |_| 9).regularity(), None);
    }

    #[test]
    fn the_hours_tell_when_somebody_is_there() {
        let days = 8 * 1_440;
        let hour = |minute: i64| (minute - 1) / 60 % 24;
        let weekday = |minute: i64| ((minute - 1) / 1_440 + 3) % 7;
        let rhythm = |minutes: i64, count: &dyn Fn(i64) -> u64| {
            let course = course(minutes, count);
            course.rhythm(0, minutes * MINUTE_MS, &Zone::default())
        };
        for (said, expected) in [
            (rhythm(1_600, &|_| 50), "All day and night alike"),
            (rhythm(600, &|_| 50), "It lasted 10 h 0 min, too short"),
            (
                rhythm(days, &|at| u64::from((8..18).contains(&hour(at))) * 9),
                "By day and hardly at night",
            ),
            (
                rhythm(days, &|at| {
                    u64::from((8..18).contains(&hour(at)) && weekday(at) < 5) * 9
                }),
                "On working days",
            ),
            (
                rhythm(days, &|at| u64::from((1..3).contains(&hour(at))) * 9),
                "At night and hardly by day",
            ),
            (
                rhythm(days, &|at| if hour(at) % 2 == 0 { 9 } else { 1 }),
                "Not at all hours alike",
            ),
        ] {
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
