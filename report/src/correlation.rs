//! Sets a load beside the refusals, and says in figures and words how far the two go together.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::load::Load;
use crate::timeline::Timeline;
use crate::words::pause;
use crate::zone::Zone;

/// No lag is longer, in ms.
const LAG_MAX_MS: i64 = 3_600_000;
/// A lag is told of where it makes so much of a difference.
const LAG_MATTERS: f64 = 0.02;
/// Less is no going together.
const WEAK: f64 = 0.3;
/// Less points may go together by chance.
const POINTS_MIN: usize = 30;
/// As many that do not depend on each other.
const INDEPENDENT_MIN: f64 = 10.0;
/// Refusals are the same all the time where they deviate by less than this share of their mean.
const SAME: f64 = 0.05;
/// At so many distances it is looked at how slowly points change.
const DISTANCES: usize = 100;
/// Floods that take more of the time than this hold most of any load.
const MOST: f64 = 0.9;

/// How a load and the refusals go together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Together {
    /// Pearson's coefficient, of the same time.
    pub correlation: Option<f64>,
    /// So many seconds after the refusals the load fits best; before them, if negative.
    pub lag_s: Option<i64>,
    /// The coefficient then.
    pub lag_correlation: Option<f64>,
    /// The share of the high load that lies inside floods.
    pub high_share: Option<f64>,
    /// Load is high above this.
    pub high_threshold: Option<f64>,
    /// The share of all points that lies inside floods.
    pub flood_share: Option<f64>,
    /// How many points were compared, and how far they are apart.
    pub points: usize,
    /// In seconds.
    pub step_s: i64,
    /// All of that in words.
    pub sentences: Vec<String>,
    /// What it is worth.
    pub caveat: Option<String>,
}

/// What a load is set beside.
pub struct Beside<'a> {
    /// The refusals.
    pub timeline: &'a Timeline,
    /// From when until when the logs tell.
    pub period_ms: (i64, i64),
    /// When floods were open; in order, none overlaps.
    pub floods: &'a [(i64, i64)],
    /// Times are shown in it.
    pub zone: &'a Zone,
}

impl Together {
    /// Sets a load beside the refusals.
    pub fn of(load: &Load, beside: &Beside<'_>) -> Together {
        let steps = Steps::of(load, beside);
        let inside = steps.within(beside.period_ms);
        let (start, end) = beside.period_ms;
        let zone = beside.zone;
        let period = zone.from_until(zone.show_ms(start), zone.show_ms(end));
        if inside.is_empty() {
            let sentence = format!("The load has no point in the time of the logs, {period}.");
            let caveat = "Does it name another zone, or another day? See --timezone.";
            return Together {
                sentences: vec![sentence],
                caveat: Some(caveat.to_string()),
                ..Together::default()
            };
        }
        let mut caveats = Vec::new();
        let mut pairs = inside;
        let refusals: Vec<f64> = pairs.iter().map(|pair| pair.refusals).collect();
        if is_same(&refusals) && pairs.len() < steps.pairs.len() {
            // All the log is one flood: what there was before and after it, it does not tell.
            pairs.clone_from(&steps.pairs);
            caveats.push(format!(
                "The logs tell of the time {period} alone; before and after it there were taken to be no refusals."
            ));
        }
        let mut together = Together {
            points: pairs.len(),
            step_s: steps.step_ms / 1_000,
            ..Together::default()
        };
        together.correlate(&pairs);
        together.lag(&pairs, steps.step_ms);
        together.high(&pairs);
        together.say(&mut caveats, &pairs);
        together
    }

    fn correlate(&mut self, pairs: &[Pair]) {
        let both = pairs.iter().map(|pair| (pair.refusals, pair.load));
        self.correlation = pearson(both);
    }

    fn lag(&mut self, pairs: &[Pair], step_ms: i64) {
        let Some(correlation) = self.correlation else {
            return;
        };
        let loads = Dense::of(pairs);
        let quarter = i64::try_from(pairs.len() / 4).unwrap_or(0);
        let most = (LAG_MAX_MS / step_ms.max(1)).min(quarter);
        let mut best = (0, correlation);
        for distance in 1..=most {
            for lag in [distance, -distance] {
                let both = pairs
                    .iter()
                    .filter_map(|pair| Some((pair.refusals, loads.at(pair.step + lag)?)));
                if let Some(found) = pearson(both).filter(|found| *found > best.1) {
                    best = (lag, found);
                }
            }
        }
        if best.1 < (correlation + LAG_MATTERS).max(WEAK) {
            best = (0, correlation);
        }
        self.lag_s = Some(best.0 * step_ms / 1_000);
        self.lag_correlation = Some(best.1);
    }

    /// High is what lies above the middle between quiet and busy times.
    fn high(&mut self, pairs: &[Pair]) {
        let mut sorted: Vec<f64> = pairs.iter().map(|pair| pair.load).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
            sorted.get(index).copied().unwrap_or(0.0)
        };
        let share = |pairs: &mut dyn Iterator<Item = &Pair>| {
            let (mut all, mut inside) = (0_u64, 0_u64);
            for pair in pairs {
                all += 1;
                inside += u64::from(pair.is_in_flood);
            }
            (all > 0).then(|| inside as f64 / all as f64)
        };
        let (quiet, busy) = (at(0.1), at(0.95));
        self.flood_share = share(&mut pairs.iter());
        if busy - quiet > SAME * busy.abs() {
            let threshold = f64::midpoint(quiet, busy);
            self.high_threshold = Some(threshold);
            self.high_share = share(&mut pairs.iter().filter(|pair| pair.load > threshold));
        }
    }

    fn say(&mut self, caveats: &mut Vec<String>, pairs: &[Pair]) {
        let Together {
            points,
            step_s,
            correlation,
            ..
        } = *self;
        let every = pause(step_s.unsigned_abs());
        let Some(found) = correlation else {
            let what = match is_same(&pairs.iter().map(|pair| pair.refusals).collect::<Vec<_>>()) {
                true => "The refusals are as many all the time",
                false => "The load is the same all the time",
            };
            self.sentences
                .push(format!("{what}: nothing can be compared."));
            self.caveat = joined(caveats);
            return;
        };
        let how = match found {
            it if it >= 0.8 => "The load goes closely with the refusals",
            it if it >= 0.5 => "The load goes with the refusals",
            it if it >= 0.3 => "The load goes weakly with the refusals",
            it if it > -0.3 => "The load does not go with the refusals",
            _ => "The load is lower when there are refusals",
        };
        self.sentences.push(format!(
            "{how}: correlation {found:.2}, over {points} points of {every}."
        ));
        if let (Some(lag_s), Some(better)) =
            (self.lag_s.filter(|lag| *lag != 0), self.lag_correlation)
        {
            let lag = pause(lag_s.unsigned_abs());
            let which = match lag_s > 0 {
                true => "the load comes",
                false => "the refusals come",
            };
            self.sentences.push(format!(
                "It fits best where {which} {lag} later: correlation {better:.2}."
            ));
        }
        if let (Some(share), Some(threshold), Some(all)) =
            (self.high_share, self.high_threshold, self.flood_share)
        {
            let [share, time] = [share, all].map(|it| it * 100.0);
            self.sentences.push(format!(
                "{share:.0} % of the high load (above {threshold:.2}) lies inside floods, which take {time:.0} % of the time."
            ));
            if all > MOST {
                caveats.push(
                    "Floods take nearly all of the time, so that any load lies inside them."
                        .to_string(),
                );
            }
        }
        let independent = independent(pairs);
        if points < POINTS_MIN {
            caveats.push(format!(
                "{points} points are few: this may be chance. A longer log and load would tell more."
            ));
        } else if independent < INDEPENDENT_MIN {
            caveats.push(format!(
                "Both change slowly, so that {points} points say no more than about {:.0} that do not depend on each other: this may be \
                 chance. A longer log and load would tell more.",
                independent.max(2.0)
            ));
        }
        if found >= 0.5 {
            caveats.push("What goes together need not be cause and effect.".to_string());
        }
        self.caveat = joined(caveats);
    }
}

fn joined(caveats: &[String]) -> Option<String> {
    (!caveats.is_empty()).then(|| caveats.join(" "))
}

/// A step of time in which the load is known.
#[derive(Clone, Copy, Debug)]
struct Pair {
    step: i64,
    refusals: f64,
    load: f64,
    is_in_flood: bool,
}

/// Loads by their steps.
struct Dense {
    first: i64,
    values: Vec<f64>,
}

impl Dense {
    /// Steps without a load are gaps; the rest of a load with gaps that are longer than all of it is left out.
    fn of(pairs: &[Pair]) -> Dense {
        let first = pairs.first().map_or(0, |pair| pair.step);
        let most = pairs.len() * 4;
        let mut values = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let at = usize::try_from(pair.step - first).unwrap_or(usize::MAX);
            if at >= most {
                break;
            }
            values.resize(at, f64::NAN);
            values.push(pair.load);
        }
        Dense { first, values }
    }

    fn at(&self, step: i64) -> Option<f64> {
        let at = usize::try_from(step - self.first).ok()?;
        self.values.get(at).copied().filter(|load| !load.is_nan())
    }
}

/// Steps of the same length, of refusals and load.
struct Steps {
    step_ms: i64,
    pairs: Vec<Pair>,
}

impl Steps {
    fn of(load: &Load, beside: &Beside<'_>) -> Steps {
        let finest_ms = beside.timeline.step_ms();
        // As long as the load's, in whole steps of the timeline.
        let load_ms = load.step_ms();
        let step_ms = finest_ms * load_ms.div_euclid(finest_ms).max(1)
            + if load_ms > finest_ms && load_ms % finest_ms > 0 {
                finest_ms
            } else {
                0
            };
        let mut refusals: BTreeMap<i64, f64> = BTreeMap::new();
        for (at_ms, amount) in beside.timeline.steps() {
            let step = at_ms.div_euclid(step_ms);
            *refusals.entry(step).or_default() += amount.count as f64;
        }
        let mut loads: BTreeMap<i64, (f64, u32)> = BTreeMap::new();
        // A mean is of the time before it.
        let back_ms = if load.is_mean { load_ms / 2 } else { 0 };
        for (at_ms, value) in &load.points {
            let step = loads
                .entry((at_ms - back_ms).div_euclid(step_ms))
                .or_default();
            *step = (step.0 + value, step.1 + 1);
        }
        let mut floods = beside.floods.iter().peekable();
        let pairs = loads.into_iter().map(|(step, (sum, points))| {
            let (start_ms, end_ms) = (step * step_ms, (step + 1) * step_ms);
            while floods.next_if(|(_, last_ms)| *last_ms < start_ms).is_some() {}
            Pair {
                step,
                refusals: refusals.get(&step).copied().unwrap_or(0.0),
                load: sum / f64::from(points),
                is_in_flood: floods
                    .peek()
                    .is_some_and(|(first_ms, _)| *first_ms < end_ms),
            }
        });
        Steps {
            step_ms,
            pairs: pairs.collect(),
        }
    }

    /// Those that lie whole within a time; those that touch it, where there are none.
    fn within(&self, (start_ms, end_ms): (i64, i64)) -> Vec<Pair> {
        let all = |first: i64, last: i64| {
            let pairs = self
                .pairs
                .iter()
                .filter(move |pair| (first..=last).contains(&pair.step));
            pairs.copied().collect::<Vec<Pair>>()
        };
        let (first, last) = (
            start_ms.div_euclid(self.step_ms),
            end_ms.div_euclid(self.step_ms),
        );
        let whole = all(
            first + i64::from(start_ms.rem_euclid(self.step_ms) > 0),
            last - 1,
        );
        match whole.len() {
            0..=2 => all(first, last),
            _ => whole,
        }
    }
}

fn is_same(values: &[f64]) -> bool {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / count).sqrt() <= SAME * mean.abs()
}

/// Pearson's coefficient; `None` where one of both never changes.
fn pearson(both: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
    for (x, y) in both.clone() {
        (count, sum_x, sum_y) = (count + 1.0, sum_x + x, sum_y + y);
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in both {
        let (dx, dy) = (x - mean_x, y - mean_y);
        (xx, yy, xy) = (xx + dx * dx, yy + dy * dy, xy + dx * dy);
    }
    // What differs by rounding alone is the same.
    let varies = |squares: f64, mean: f64| squares > 1e-9 * (mean * mean).max(1e-12) * count;
    (count >= 3.0 && varies(xx, mean_x) && varies(yy, mean_y))
        .then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}

/// How many points that do not depend on each other these are worth (Bartlett): what changes slowly goes together by chance
/// more often.
fn independent(pairs: &[Pair]) -> f64 {
    let count = pairs.len();
    let along = |value: fn(&Pair) -> f64, distance: usize| {
        let later = pairs.iter().skip(distance);
        let both = pairs.iter().zip(later);
        pearson(both.map(|(one, other)| (value(one), value(other)))).unwrap_or(0.0)
    };
    // A few distances stand for those around them.
    let (most, stride) = (count / 4, (count / 4).div_ceil(DISTANCES).max(1));
    let mut sum = 1.0;
    for distance in (1..=most).step_by(stride) {
        let product = along(|pair| pair.refusals, distance) * along(|pair| pair.load, distance);
        // From where they no longer go with themselves it is chance.
        if product < 0.01 {
            break;
        }
        sum += 2.0 * stride as f64 * (1.0 - distance as f64 / count as f64) * product;
    }
    count as f64 / sum
}
