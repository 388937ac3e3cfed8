//! Figures against their targets, as Markdown.

use std::fmt::Write as _;

/// What a figure is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// Exactly so much.
    Exactly(f64),
    /// Said for the record only.
    None,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub measured: f64,
    /// The unit behind the figure, with a leading space where it wants one.
    pub unit: &'static str,
    /// What it should be.
    pub target: Target,
}

impl Row {
    /// A figure and what it is held to.
    pub fn new(what: impl Into<String>, measured: f64, unit: &'static str, target: Target) -> Row {
        Row {
            what: what.into(),
            measured,
            unit,
            target,
        }
    }

    /// Several.
    pub fn all<const COUNT: usize>(rows: [(&str, f64, &'static str, Target); COUNT]) -> Vec<Row> {
        let row = |(what, measured, unit, target)| Row::new(what, measured, unit, target);
        rows.map(row).to_vec()
    }

    fn verdict(&self) -> &'static str {
        let reached = match self.target {
            Target::AtLeast(least) => self.measured >= least,
            Target::AtMost(most) => self.measured <= most,
            Target::Exactly(value) => self.measured == value,
            Target::None => return "",
        };
        if reached { "reached" } else { "**missed**" }
    }
}

/// The table of figures, targets and verdicts.
pub fn verdicts(rows: &[Row]) -> String {
    let mut table = String::from("| what | measured | target | |\n|---|---:|---:|---|\n");
    for row in rows {
        let target = match row.target {
            Target::AtLeast(value) => format!("≥ {}{}", number(value), row.unit),
            Target::AtMost(value) => format!("≤ {}{}", number(value), row.unit),
            Target::Exactly(value) => format!("{}{}", number(value), row.unit),
            Target::None => String::new(),
        };
        // Writing to a string can't fail.
        let _ = writeln!(
            table,
            "| {} | {}{} | {target} | {} |",
            row.what,
            number(row.measured),
            row.unit,
            row.verdict()
        );
    }
    table
}

/// A figure as people read it: three digits that count, thousands grouped.
pub fn number(value: f64) -> String {
    if value.fract() != 0.0 && value.abs() < 100.0 {
        let decimals = if value.abs() < 1.0 { 3 } else { 2 };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The machine in general terms: enough to judge a figure, nothing to tell machines apart.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{cores} cores, {} on {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// The middle value; of an even number the lower one of the two.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_and_rounded() {
        assert_eq!(number(9_316_085.0), "9,316,085");
        assert_eq!(number(999.6), "1,000");
        assert_eq!(number(0.1234), "0.123");
        assert_eq!(number(3.456), "3.46");
        assert_eq!(number(12.0), "12");
    }

    #[test]
    fn verdicts_say_what_was_missed() {
        let row = |measured, target| Row::new("x", measured, "", target).verdict();
        assert_eq!(row(4.0, Target::AtLeast(4.0)), "reached");
        assert_eq!(row(4.1, Target::AtMost(4.0)), "**missed**");
        assert_eq!(row(4.1, Target::None), "");
    }

    #[test]
    fn medians_do_not_mind_the_order() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    }
}
