//! Reads lines of a time and values, as spreadsheets, Grafana, scripts and collectd write them.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use maxconn_core::record::read_stamp;
use maxconn_core::time::{Reference, read_log_time};

use super::error::LoadError;
use super::{Load, Source, best, line_of, number};
use crate::zone::Zone;

/// Of these the first that is in the first line separates.
const DELIMITERS: [char; 4] = [';', '\t', ',', ' '];

pub(super) fn read(text: &str, zone: &Zone) -> Result<Load, LoadError> {
    let first = text.lines().find(|line| !is_skipped(line));
    let first = first.ok_or(LoadError::Empty)?;
    let delimiter = DELIMITERS.into_iter().find(|it| first.contains(*it));
    let delimiter = delimiter.ok_or(LoadError::Unknown)?;
    let mut rows = Rows::of(text, delimiter);
    let mut points = Vec::new();
    let mut columns: Option<Columns> = None;
    while let Some(row) = rows.next()? {
        let cells: Vec<&str> = row.iter().map(|cell| cell.trim()).collect();
        // Where blanks separate, a date and a clock are two cells, and several blanks are one.
        let cells: Vec<&str> = match delimiter {
            ' ' => cells.into_iter().filter(|it| !it.is_empty()).collect(),
            _ => cells,
        };
        let columns = match &mut columns {
            Some(columns) => columns,
            None => {
                let found = Columns::of(&cells, zone);
                let has_header = found.is_header;
                // A first line that is no header and holds no time is no table.
                let columns = columns.insert(found);
                if has_header {
                    continue;
                }
                columns
            }
        };
        let Some((time, rest)) = columns.time_of(&cells) else {
            continue;
        };
        let time_ms = time_ms(&time, zone).ok_or_else(|| match points.is_empty() {
            true if !columns.is_header => LoadError::Unknown,
            _ => LoadError::time(rows.line(), &time),
        })?;
        let cell = rest
            .get(columns.value)
            .ok_or_else(|| LoadError::NoValue { line: rows.line() })?;
        let value = number(cell).ok_or_else(|| LoadError::value(rows.line(), cell))?;
        points.push((time_ms, value));
    }
    let columns = columns.ok_or(LoadError::Empty)?;
    Ok(Load {
        source: match columns.is_collectd {
            true => Source::Collectd,
            false => Source::Csv,
        },
        name: columns.name,
        points,
        left_out: columns.left_out,
        ..Load::default()
    })
}

fn is_skipped(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// A row has no more bytes and cells than this.
const ROW_BYTES_MAX: usize = 64 << 10;
const CELLS_MAX: usize = 1_024;

/// The rows of a table, as csv-core finds them.
struct Rows<'a> {
    text: &'a [u8],
    /// So much of it was read.
    at: usize,
    reader: Reader,
    row: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn of(text: &'a str, delimiter: char) -> Rows<'a> {
        let reader = ReaderBuilder::new()
            .delimiter(u8::try_from(delimiter).unwrap_or(b','))
            .comment(Some(b'#'))
            .build();
        Rows {
            text: text.as_bytes(),
            at: 0,
            reader,
            row: vec![0; ROW_BYTES_MAX],
            ends: vec![0; CELLS_MAX],
        }
    }

    fn next(&mut self) -> Result<Option<Vec<String>>, LoadError> {
        let (mut bytes, mut cells) = (0, 0);
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let row = self.row.get_mut(bytes..).unwrap_or_default();
            let ends = self.ends.get_mut(cells..).unwrap_or_default();
            let (result, read, written, ended) = self.reader.read_record(rest, row, ends);
            self.at += read;
            bytes += written;
            cells += ended;
            match result {
                // Once more, with nothing: that is the end.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(LoadError::Unknown);
                }
            }
        }
        let mut from = 0;
        let ends = self.ends.get(..cells).unwrap_or_default().iter();
        let row = ends.map(|end| {
            let cell = self.row.get(from..*end).unwrap_or_default();
            from = *end;
            String::from_utf8_lossy(cell).into_owned()
        });
        Ok(Some(row.collect()))
    }

    /// The line of the row that was read last; it takes a walk from the start.
    fn line(&self) -> usize {
        line_of(
            self.text
                .get(..self.at)
                .unwrap_or_default()
                .trim_ascii_end(),
        )
    }
}

/// Which cells count.
struct Columns {
    is_header: bool,
    is_collectd: bool,
    /// A date and a clock, rather than one cell.
    is_split: bool,
    /// Of the cells behind the time.
    value: usize,
    name: String,
    left_out: usize,
}

impl Columns {
    fn of(cells: &[&str], zone: &Zone) -> Columns {
        let first = cells.first().copied().unwrap_or_default();
        let both = cells.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let is_split = time_ms(first, zone).is_none() && time_ms(&both, zone).is_some();
        let names = cells.get(1 + usize::from(is_split)..).unwrap_or_default();
        let is_number = |cell: &&str| number(cell).is_some();
        let is_header = !is_split && time_ms(first, zone).is_none() && !names.iter().any(is_number);
        let value = match is_header {
            true => best(names.iter().copied()).unwrap_or(0),
            false => 0,
        };
        let name = names.get(value).filter(|_| is_header);
        Columns {
            is_header,
            is_collectd: is_header && first == "epoch",
            is_split,
            value,
            name: name.map_or("load", |name| *name).to_string(),
            left_out: names.len().saturating_sub(1),
        }
    }

    /// The time, and the cells behind it.
    fn time_of<'a>(&self, cells: &'a [&'a str]) -> Option<(String, &'a [&'a str])> {
        let (first, rest) = cells.split_first()?;
        if first.is_empty() && rest.is_empty() {
            return None;
        }
        match (self.is_split, rest.split_first()) {
            (true, Some((clock, rest))) => Some((format!("{first} {clock}"), rest)),
            _ => Some(((*first).to_string(), rest)),
        }
    }
}

/// A time in any form that logs have, in ms since the Unix epoch.
pub(super) fn time_ms(text: &str, zone: &Zone) -> Option<i64> {
    let text = text.trim();
    let text = text
        .strip_suffix(" UTC")
        .map_or_else(|| text.to_string(), |time| format!("{}Z", time.trim_end()));
    // A number of a few digits is none.
    let is_short = text.len() < 9
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_short {
        return None;
    }
    read_stamp(text.as_bytes(), zone.rule()).or_else(|| {
        let line = format!("{text} ");
        let (time_ms, len) = read_log_time(line.as_bytes(), zone.rule(), Reference::Latest(None))?;
        time_ms.filter(|_| len == text.len())
    })
}
