//! Refusals over time as one line of bars, and a load below them.

use maxconn_report::Written;
use maxconn_report::words::grouped;
use maxconn_report::written::Points;

use super::View;
use super::page::Page;
use crate::printable::printable;

/// Eighths of a bar.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A bar is as long as one of these, in seconds; from a day on an hour at least.
const STEPS_S: [i64; 14] = [
    60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
];
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// From so many hours on a bar is an hour.
const BY_HOURS: i64 = 8;
/// Fewer bars say nothing.
const BARS_MIN: usize = 2;
const BARS_MAX: usize = 72;

/// Writes the chart, if there is something to see.
pub(super) fn write(written: &Written, view: &View, page: &mut Page) {
    let Points {
        start,
        step_s,
        counts,
        ..
    } = &written.timeline;
    if counts.len() < BARS_MIN || *step_s <= 0 {
        return;
    }
    let width = page.width().saturating_sub(2).min(BARS_MAX);
    let all_s = step_s * counts.len() as i64;
    let is_long = all_s >= BY_HOURS * HOUR_S;
    let fits = |it: &&i64| {
        (!is_long || **it >= HOUR_S) && **it % step_s == 0 && all_s / **it < width as i64
    };
    let bar_s = STEPS_S.iter().find(fits).copied();
    let bar_s = bar_s.unwrap_or((all_s / width as i64 / step_s + 1) * step_s);
    // Bars begin at whole hours, minutes.
    let first = view.zone.shown().wall_ms(*start) / 1_000;
    let skew = first.rem_euclid(bar_s) / step_s;
    let mut bars: Vec<u64> = Vec::new();
    for (at, count) in counts.iter().enumerate() {
        let bar = usize::try_from((at as i64 + skew) * step_s / bar_s).unwrap_or(0);
        if bars.len() <= bar {
            bars.resize(bar + 1, 0);
        }
        if let Some(bar) = bars.get_mut(bar) {
            *bar += count;
        }
    }
    let most = bars.iter().copied().max().unwrap_or(0);
    if most == 0 || bars.len() < BARS_MIN {
        return;
    }
    page.blank();
    let title = format!("Refusals {}, up to {}:", every(bar_s), grouped(most));
    page.whole(&title);
    let heights: Vec<f64> = bars.iter().map(|it| *it as f64).collect();
    page.whole(&format!("  {}", draw(&heights)));
    let begin_ms = (first - skew * step_s) * 1_000 - (view.zone.shown().wall_ms(*start) - start);
    if let Some(load) = &written.load {
        let mut heights = vec![f64::NAN; bars.len()];
        for (time, value) in load.times.iter().zip(&load.values) {
            let at = (time - begin_ms).div_euclid(bar_s * 1_000);
            let height = usize::try_from(at).ok().and_then(|at| heights.get_mut(at));
            if let Some(height) = height {
                *height = height.max(*value);
            }
        }
        let most = heights.iter().copied().filter(|it| !it.is_nan());
        let most = most.fold(f64::NEG_INFINITY, f64::max);
        if most.is_finite() {
            let (name, unit) = (printable(&load.name), load.unit.unwrap_or_default());
            let title = format!("{name}, up to {most:.2} {unit}");
            page.whole(&format!("{}:", title.trim_end()));
            page.whole(&format!("  {}", draw(&heights)));
        }
    }
    // From when until when, below the first bar and the last.
    let zone = view.zone.shown();
    let (from, _) = zone.show_ms(begin_ms);
    let (until, name) = zone.show_ms(begin_ms + bar_s * 1_000 * bars.len() as i64);
    let [from, until] = [&from, &until].map(|it| it.get(..16).unwrap_or(it));
    let gap = bars.len().saturating_sub(from.len());
    let axis = match gap > until.len() + 1 {
        true => format!("  {from}{until:>gap$} {name}"),
        false => format!("  {from} to {until} {name}"),
    };
    page.whole(&axis);
}

/// How long a bar is: `an hour`, `in 10 minutes`.
fn every(seconds: i64) -> String {
    let (length, one, many) = match seconds {
        _ if seconds % DAY_S == 0 => (seconds / DAY_S, "a day", "days"),
        _ if seconds % HOUR_S == 0 => (seconds / HOUR_S, "an hour", "hours"),
        _ => (seconds / 60, "a minute", "minutes"),
    };
    match length {
        1 => one.to_string(),
        length => format!("in {length} {many}"),
    }
}

/// Bars, the highest as high as a line.
fn draw(values: &[f64]) -> String {
    let known = values.iter().copied().filter(|it| !it.is_nan());
    let most = known.fold(0.0, f64::max);
    let bar = |value: &f64| {
        let share = value / most.max(f64::MIN_POSITIVE);
        let eighths = (share * 8.0).ceil().clamp(0.0, 8.0);
        // What is not known is as what is none.
        BARS.get(eighths as usize).copied().unwrap_or(' ')
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_share() {
        assert_eq!(draw(&[0.0, 1.0, 4.0, 8.0, f64::NAN]), " ▁▄█ ");
        assert_eq!(draw(&[0.0, 0.0]), "  ");
    }

    #[test]
    fn steps_are_called_as_people_call_them() {
        let told = [60, 600, 3_600, 10_800, 86_400, 604_800].map(every);
        assert_eq!(
            told,
            [
                "a minute",
                "in 10 minutes",
                "an hour",
                "in 3 hours",
                "a day",
                "in 7 days"
            ]
        );
    }
}
