//! The command line of `maxconn report`.

use std::path::{Path, PathBuf};

use clap::Args;
use thiserror::Error;

use super::Options;
use crate::reading::{ReadingArgs, ReadingArgsError};
use crate::summary::{View, ViewArgs};

/// Writes a report of logs: what was refused when, who is behind it, what to do, and whether the load went with it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maxconn report /var/log/mail.log
  maxconn report mail.log.2.gz mail.log.1 mail.log --html report.html
  sar -q -f /var/log/sysstat/sa05 >load.txt; maxconn report mail.log --load load.txt --html report.html
  maxconn report mail.log --json report.json --disk-free 20GB

It reads what `maxconn replay` reads. The page is one file that needs no network. Without --html and --json the report \
goes to standard output as text.

A load (--load) is told by its content: lines of time,value (CSV), what sadf -d, sadf -j and sar say, rrdtool xport --json \
and rrdtool fetch, Prometheus' answers to range queries, collectd's CSV files, Munin's spool.

Exit codes: 0 fine, 1 the report failed, 2 the command line or the configuration is wrong, 130 (Ctrl-C) or 143 (SIGTERM) \
interrupted: the report is of what was read until then. A second signal ends at once.")]
pub struct ReportArgs {
    /// What is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Write the page.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Write the report for programs, - for standard output.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// A load over time, to be set beside the refusals.
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// What is free on the log's disk (df says): when would it have been full? 20GB is 20,000,000,000 bytes, 20G and 20GiB are
    /// 20 × 1024³, as df -h means it.
    #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
    disk_free: Option<u64>,
    #[command(flatten)]
    view: ViewArgs,
}

/// What is wrong with the command line.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ReportArgsError {
    #[error(transparent)]
    Reading(#[from] ReadingArgsError),
    #[error("--html - would write a page to standard output; name a file, such as report.html")]
    HtmlToStdout,
    #[error("--html and --json name the same file; name two")]
    SameFile,
    #[error("{} is read, and would be written over; name another file to write", .0.display())]
    IsRead(PathBuf),
}

impl ReportArgs {
    /// What is to be done, or what is wrong with the command line.
    pub fn options(&self) -> Result<Options, ReportArgsError> {
        if self
            .html
            .as_deref()
            .is_some_and(|path| path.as_os_str() == "-")
        {
            return Err(ReportArgsError::HtmlToStdout);
        }
        if self.html.is_some() && self.html == self.json {
            return Err(ReportArgsError::SameFile);
        }
        let reading = self.reading.reading()?;
        // What is not there yet is nobody's, and what can't be looked at can't be read either.
        let same = |one: &Path, other: &Path| {
            let (one, other) = (one.canonicalize(), other.canonicalize());
            one.is_ok_and(|one| other.is_ok_and(|other| one == other))
        };
        let is_read = |written: &Path| {
            let mut read = reading.files().chain(self.load.as_deref());
            read.any(|read| same(read, written))
        };
        let mut written = self.html.iter().chain(&self.json);
        if let Some(written) = written.find(|written| is_read(written)) {
            return Err(ReportArgsError::IsRead(written.clone()));
        }
        Ok(Options {
            reading,
            html: self.html.clone(),
            json: self.json.clone(),
            load: self.load.clone(),
            disk_free_bytes: self.disk_free,
            view: View {
                verdict: true,
                ..self.view.view()
            },
            trusted: Vec::new(),
        })
    }
}

/// A size: a number, and a unit of powers of 1000 (kB, MB …) or of 1024 (K, KiB, M …).
fn size(text: &str) -> Result<u64, &'static str> {
    const HELP: &str = "write a size, such as 20GB, 512MiB or 1.5T";
    let text = text.trim();
    let digits = text
        .find(|it: char| !it.is_ascii_digit() && it != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| HELP)?;
    let unit = unit.trim().to_ascii_lowercase();
    let (power, rest) = match unit.split_at_checked(1) {
        None => (0, ""),
        Some(("b", "")) => (0, "b"),
        Some((prefix, rest)) => ("kmgtp".find(prefix).map(|at| at + 1).ok_or(HELP)?, rest),
    };
    let base: f64 = match rest {
        "b" => 1_000.0,
        "" | "ib" | "i" => 1_024.0,
        _ => return Err(HELP),
    };
    let bytes = number * base.powi(i32::try_from(power).map_err(|_| HELP)?);
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_df_and_people_write_them() {
        for (text, bytes) in [
            ("20GB", 20_000_000_000),
            ("20G", 20 << 30),
            ("20 GiB", 20 << 30),
            ("1.5T", 3 << 39),
            ("512MiB", 512 << 20),
            ("700kB", 700_000),
            ("1234", 1_234),
            ("0", 0),
            ("12B", 12),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "20X", "20GBs", "-1", "1.2.3G", "a lot"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
