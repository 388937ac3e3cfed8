//! Tells floods once: one that came again and again is an entry, and so is one that several rules counted.

use std::collections::HashMap;

use crate::words::pause;
use crate::written::{Distinct, Flood};

/// Two rules counted the same where what they count differs by no more than this share …
const SAME_COUNT: f64 = 0.1;
/// … and where their floods begin and end no further apart, in ms.
const SAME_TIME_MS: i64 = 300_000;
/// Pauses are even that differ by no more than this share of the middle one.
const EVEN: f64 = 0.1;
const HOUR_S: u64 = 3_600;

/// Floods of one key under one rule.
#[derive(Clone, Debug, Default)]
pub struct Entry<'a> {
    /// In the order of time; never empty.
    pub floods: Vec<&'a Flood>,
    /// Other rules that counted the same, or parts of it.
    pub also: Vec<&'a str>,
    /// What they counted of single clients, where it is a part.
    pub parts: Vec<&'a Flood>,
}

impl<'a> Entry<'a> {
    /// How many refusals all of them had.
    pub fn count(&self) -> u64 {
        self.floods.iter().map(|it| it.count).sum()
    }

    /// Whether one went on at the end.
    pub fn is_open(&self) -> bool {
        self.floods.iter().any(|it| it.is_open)
    }

    /// The one that went on at the end, else the largest.
    pub fn main(&self) -> Option<&'a Flood> {
        let floods = self.floods.iter().copied();
        floods.max_by_key(|it| (it.is_open, it.count, std::cmp::Reverse(it.start)))
    }

    /// How often the flood came again: `hourly`, `daily`, `weekly`, `every 15 min`; `None` where that is not even.
    pub fn rhythm(&self) -> Option<String> {
        let starts = self.floods.iter().map(|it| it.start);
        let mut pauses: Vec<i64> = starts
            .clone()
            .zip(starts.skip(1))
            .map(|(one, next)| next - one)
            .collect();
        if pauses.len() < 2 {
            return None;
        }
        pauses.sort_unstable();
        let middle = pauses.get(pauses.len() / 2).copied().unwrap_or(0);
        let is_even = |pause: &i64| (pause - middle).abs() as f64 <= EVEN * middle as f64;
        if !pauses.iter().all(is_even) {
            return None;
        }
        // Beginnings shift by what a flood needs to open: to the minute is as exact as it gets.
        let minutes = (middle.unsigned_abs() + 30_000) / 60_000;
        let near = |seconds: u64| minutes.abs_diff(seconds / 60) * 50 <= seconds / 60;
        Some(match () {
            () if near(HOUR_S) => "hourly".to_string(),
            () if near(24 * HOUR_S) => "daily".to_string(),
            () if near(7 * 24 * HOUR_S) => "weekly".to_string(),
            () => format!("every {}", pause(minutes.max(1) * 60)),
        })
    }
}

/// The entries of floods: those that went on at the end first, then by their refusals.
pub fn entries(floods: &[Flood]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    // The same rule under the same key is the same entry.
    let mut known: HashMap<_, usize> = HashMap::new();
    // What can be counted under two rules is looked for among these only.
    let mut near: HashMap<_, Vec<usize>> = HashMap::new();
    let mut by_time: Vec<&Flood> = floods.iter().collect();
    by_time.sort_by_key(|it| it.start);
    for flood in by_time {
        let what = (&flood.server, &flood.service, &flood.limit);
        let at = *known
            .entry((what, &flood.rule, &flood.key, &flood.host))
            .or_insert_with(|| {
                entries.push(Entry::default());
                near.entry((&flood.server, &flood.limit))
                    .or_default()
                    .push(entries.len() - 1);
                entries.len() - 1
            });
        if let Some(entry) = entries.get_mut(at) {
            entry.floods.push(flood);
        }
    }
    let mut gone = vec![false; entries.len()];
    for alike in near.values() {
        // Each is held against the larger ones, of which the first says the most: rules stand in that order.
        let mut told: Vec<usize> = Vec::new();
        let mut alike = alike.clone();
        alike.sort_by_key(|at| std::cmp::Reverse(entries.get(*at).map_or(0, Entry::count)));
        for at in alike {
            let Some(entry) = entries.get(at).cloned() else {
                continue;
            };
            let larger = told.iter().take(SEARCHED_MAX).find_map(|other| {
                let larger = entries.get(*other)?;
                Some((*other, overlap(larger, &entry)?))
            });
            let Some((larger, overlap)) = larger else {
                told.push(at);
                continue;
            };
            if let (Some(larger), Some(gone)) = (entries.get_mut(larger), gone.get_mut(at)) {
                *gone = true;
                let rule = entry.floods.first().map(|it| it.rule.as_str());
                larger
                    .also
                    .extend(rule.filter(|rule| !larger.also.contains(rule)));
                if overlap == Overlap::Part {
                    larger.parts.extend(entry.main());
                }
            }
        }
    }
    let mut gone = gone.into_iter();
    entries.retain(|_| !gone.next().unwrap_or(false));
    entries.sort_by_key(|it| std::cmp::Reverse((it.is_open(), it.count())));
    entries
}

/// So many larger entries are looked through, so that thousands of floods stay cheap.
const SEARCHED_MAX: usize = 200;

/// How what one rule counted is in what another did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overlap {
    Same,
    Part,
}

fn overlap(larger: &Entry<'_>, smaller: &Entry<'_>) -> Option<Overlap> {
    let rule = |it: &Entry<'_>| it.floods.first().map(|it| it.rule.clone());
    if rule(larger) == rule(smaller) {
        return None;
    }
    let each = larger.floods.iter().zip(&smaller.floods);
    if larger.floods.len() == smaller.floods.len()
        && each.clone().all(|(one, other)| is_same(one, other))
    {
        return Some(Overlap::Same);
    }
    let is_in_one = |part: &&Flood| larger.floods.iter().any(|whole| is_part(whole, part));
    smaller
        .floods
        .iter()
        .all(is_in_one)
        .then_some(Overlap::Part)
}

fn is_same(one: &Flood, other: &Flood) -> bool {
    let [most, least] = [one.count.max(other.count), one.count.min(other.count)];
    (most - least) as f64 <= SAME_COUNT * most as f64
        && (one.start - other.start).abs() <= SAME_TIME_MS
        && (one.end - other.end).abs() <= SAME_TIME_MS
        && are_same(&one.users, &other.users)
        && are_same(&one.ips, &other.ips)
        && are_same(&one.hosts, &other.hosts)
}

/// Whether one client is among several: one of the users of an address, one of the addresses of a user.
fn is_part(whole: &Flood, part: &Flood) -> bool {
    let is_one = |it: &Distinct| it.count == 1 && it.names.len() == 1;
    let is_shared =
        |it: &Distinct, other: &Distinct| is_one(it) && is_one(other) && it.names == other.names;
    let of_address =
        is_shared(&whole.ips, &part.ips) && whole.users.count > 1 && is_one(&part.users);
    let of_user = is_shared(&whole.users, &part.users) && whole.ips.count > 1 && is_one(&part.ips);
    (of_address || of_user)
        && whole.count >= part.count
        && part.start >= whole.start - SAME_TIME_MS
        && part.end <= whole.end + SAME_TIME_MS
}

/// Whether both are of the same names.
fn are_same(one: &Distinct, other: &Distinct) -> bool {
    one.count == 0 || other.count == 0 || (one.names.first() == other.names.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn one(name: &str) -> Distinct {
        Distinct {
            count: 1,
            is_estimate: false,
            names: vec![name.to_string()],
        }
    }

    fn flood(rule: &str, user: &str, ip: &str, start: i64, count: u64) -> Flood {
        Flood {
            rule: rule.to_string(),
            server: "dovecot".to_string(),
            limit: "mail_max_userip_connections".to_string(),
            key: format!("{user} {ip}"),
            users: one(user),
            ips: one(ip),
            start,
            end: start + 60_000,
            count,
            ..Flood::default()
        }
    }

    #[test]
    fn a_flood_that_came_again_is_one_entry_with_its_rhythm() {
        for (step, rhythm) in [
            (HOUR, Some("hourly")),
            (HOUR + 20_000, Some("hourly")),
            (24 * HOUR, Some("daily")),
            (168 * HOUR, Some("weekly")),
            (15 * 60_000, Some("every 15 min")),
        ] {
            let floods: Vec<Flood> = (0..6)
                .map(|it| flood("userip", "bob", "192.0.2.7", it * step, 40))
                .collect();
            let entries = entries(&floods);
            assert_eq!(entries.len(), 1);
            assert_eq!((entries[0].floods.len(), entries[0].count()), (6, 240));
            assert_eq!(entries[0].rhythm().as_deref(), rhythm);
        }
        let uneven = [0, 1, 5].map(|it| flood("userip", "bob", "192.0.2.7", it * HOUR, 40));
        assert_eq!(entries(&uneven)[0].rhythm(), None);
    }

    #[test]
    fn what_two_rules_counted_is_told_once() {
        let mut by_ip = flood("mine", "bob", "192.0.2.7", 0, 41);
        by_ip.key = "192.0.2.7".to_string();
        let floods = [flood("userip", "bob", "192.0.2.7", 0, 40), by_ip];
        let told = entries(&floods);
        assert_eq!((told.len(), &told[0].also[..]), (1, &["userip"][..]));
        // Others at the same time are others.
        let floods = [
            flood("userip", "bob", "192.0.2.7", 0, 40),
            flood("mine", "kim", "192.0.2.7", 0, 40),
        ];
        assert_eq!(entries(&floods).len(), 2);
    }

    #[test]
    fn one_of_many_users_of_an_address_is_a_part_of_their_flood() {
        let mut whole = flood("many-users-one-ip", "", "192.0.2.7", 0, 400);
        whole.users = Distinct {
            count: 12,
            ..Distinct::default()
        };
        let floods = [
            whole,
            flood("userip", "bob", "192.0.2.7", 10_000, 90),
            flood("userip", "kim", "192.0.2.7", 10_000, 80),
            flood("userip", "eve", "192.0.2.8", 10_000, 70),
        ];
        let told = entries(&floods);
        let parts: Vec<&str> = told[0].parts.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(
            (told.len(), parts),
            (2, vec!["bob 192.0.2.7", "kim 192.0.2.7"])
        );
    }
}
