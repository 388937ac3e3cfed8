//! A log and what rotation has made of it: `mail.log`, before it `mail.log.1` or `mail.log-20260105`.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::tail::Tail;

/// A number of more digits is a date.
const NUMBER_MAX_DIGITS: usize = 4;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// A log, or what one was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) bytes: u64,
    /// By rotation; else it has a date, or is the log itself.
    is_numbered: bool,
    /// When it was last written to, in ns since the Unix epoch.
    pub(super) modified_ns: i64,
}

/// Where reading goes on at the end of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Here,
    Another(LogFile),
}

/// The log and what it was before, oldest first; what was compressed is left out.
pub(super) fn log_files(path: &Path) -> Vec<LogFile> {
    let folder = path.parent().filter(|it| *it != Path::new(""));
    let there = fs::read_dir(folder.unwrap_or(Path::new(".")));
    let name = path.file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let mut old: Vec<_> = there
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let order = order(&name, &entry.file_name().to_string_lossy())?;
            let is_numbered = order.0.is_some();
            Some((order, log_file(entry.path(), is_numbered)?))
        })
        .collect();
    old.sort_by(|(one, _), (other, _)| one.cmp(other));
    let old = old.into_iter().map(|(_, file)| file);
    old.chain(log_file(path.to_path_buf(), false)).collect()
}

/// What sorts before what is younger: dates, then numbers, of which the largest is the oldest. `None`: rotation makes no such name.
fn order(log: &str, name: &str) -> Option<(Option<u32>, String)> {
    let suffix = name.strip_prefix(log)?.strip_prefix(['.', '-'])?;
    let is_date = |it: &str| {
        it.starts_with(|first: char| first.is_ascii_digit())
            && it.chars().all(|it| it.is_ascii_digit() || it == '-')
    };
    match suffix.parse::<u32>() {
        Ok(number) if suffix.len() <= NUMBER_MAX_DIGITS => {
            Some((Some(u32::MAX - number), String::new()))
        }
        _ if is_date(suffix) => Some((None, suffix.to_string())),
        _ => None,
    }
}

fn log_file(path: PathBuf, is_numbered: bool) -> Option<LogFile> {
    let metadata = path.metadata().ok().filter(Metadata::is_file)?;
    Some(LogFile {
        identity: identity(&metadata),
        bytes: metadata.len(),
        is_numbered,
        modified_ns: modified_ns(&metadata),
        path,
    })
}

/// Where reading goes on behind the end of a file.
pub(super) fn next(path: &Path, tail: &Tail) -> Next {
    // Between a rename and the new file there is none for a moment.
    if path
        .metadata()
        .map_or(true, |log| identity(&log) == tail.identity)
    {
        return Next::Here;
    }
    let there = log_files(path);
    let own = there.iter().position(|it| it.identity == tail.identity);
    let younger = match own.and_then(|own| there.get(own..)?.split_first()) {
        // Between names of two kinds only their times tell.
        Some((own, younger)) => younger.iter().find(|it| {
            it.path == path
                || it.is_numbered == own.is_numbered
                || it.modified_ns >= own.modified_ns
        }),
        // Removed, or compressed: only the log itself is surely younger.
        None => there.last().filter(|it| it.path == path),
    };
    younger.map_or(Next::Here, |it| Next::Another(it.clone()))
}

pub(super) fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

pub(super) fn modified_ns(metadata: &Metadata) -> i64 {
    let seconds = metadata.mtime().saturating_mul(1_000_000_000);
    seconds.saturating_add(metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_logs_are_in_their_order_whatever_names_they_were_given() {
        let mut names = [
            "mail.log.1",
            "mail.log.10",
            "mail.log.2",
            "mail.log.2.gz",
            "mail.log",
            "mail.log.swp",
            "mail.log-20260105",
            "mail.log-20260104-1767484800",
            "mail.log.20260103",
            "mail.log.",
            "mail.log-",
            "mail.logs.1",
            "syslog.1",
        ]
        .map(|name| (order("mail.log", name), name))
        .to_vec();
        names.retain(|(order, _)| order.is_some());
        names.sort();
        let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            names,
            [
                "mail.log.20260103",
                "mail.log-20260104-1767484800",
                "mail.log-20260105",
                "mail.log.10",
                "mail.log.2",
                "mail.log.1"
            ]
        );
    }
}
