//! Says what is wrong with a configuration, so that it can be mended without reading the manual.

use alloc::string::String;

use maxconn_records::bytes::split_at;

use super::limits::{CONFIG_BYTES_MAX, NAME_BYTES_MAX, RULES_MAX};
use super::{ConfigError, Problem, Type};
use crate::patterns::COST_MAX;
use crate::sentence::Part::{Duration, List, Number, Quoted, Text};
use crate::sentence::{Part, say};
use crate::text::ip_text;

impl Problem {
    /// What is wrong, and what to write instead.
    #[inline(never)]
    pub fn say(&self) -> (String, String) {
        let number = |number: &usize| Number(*number as u64);
        let mut utf8 = [0; 4];
        // The problem, and the mend on a line of its own.
        let (template, parts): (&str, &[Part<'_>]) = match self {
            Problem::TooLong { bytes } => (
                "the configuration has %0 bytes\nkeep it to %1 bytes",
                &[number(bytes), number(&CONFIG_BYTES_MAX)],
            ),
            Problem::NoRoom => (
                "it is longer than the room for it\nwrite at most 8,192 bytes",
                &[],
            ),
            Problem::NotJson { line, column } => (
                "this is not JSON: it goes wrong at line %0, column %1\nwrite one JSON object",
                &[number(line), number(column)],
            ),
            Problem::NoTable { found, keys } => (
                "this is %0, but a table belongs here\nwrite key = value pairs, of the keys %1",
                &[Text(found.name()), List(keys)],
            ),
            Problem::WrongType {
                found,
                expected,
                key,
            } => (
                match (expected, found) {
                    (Type::Flag, _) => {
                        "this is %0, but true or false belongs here\nwrite true or false, without quotes"
                    }
                    (Type::Duration, _) => {
                        "this is %0, but a duration belongs here\nwrite e.g. \"5s\""
                    }
                    (Type::List, Type::Table) => {
                        "this is %0, but a list belongs here\nwrite [[%1]], with two brackets"
                    }
                    (Type::List, _) => {
                        "this is %0, but a list belongs here\nput it in square brackets"
                    }
                    _ => "this is %0, but a text belongs here\nwrite it in quotes",
                },
                &[Text(found.name()), Text(key)],
            ),
            Problem::UnknownKey { near, keys } => (
                match near {
                    Some(_) => "there is no such key\ndid you mean `%0`?",
                    None => "there is no such key\nuse one of %1",
                },
                &[Text(near.unwrap_or_default()), List(keys)],
            ),
            Problem::UnknownWord { word, near, words } => (
                match near {
                    Some(_) => "%2 is not known here\ndid you mean \"%0\"?",
                    None => "%2 is not known here\nuse one of %1",
                },
                &[Text(near.unwrap_or_default()), List(words), Quoted(word)],
            ),
            Problem::Missing { key, example } => (
                "this key is missing\nwrite it, e.g. %0 = \"%1\"",
                &[Text(key), Text(example)],
            ),
            Problem::MissingInDistinct => (
                "this key is missing\nwrite e.g. { field = \"user\", at_least = 10 }",
                &[],
            ),
            Problem::Length { bytes, least, most } => (
                "it has %0 bytes\nwrite %1 to %2 bytes",
                &[number(bytes), number(least), number(most)],
            ),
            Problem::Integer { value, least, most } => (
                match value {
                    Some(value) if value < least => {
                        "%0 is too small\nwrite a whole number from %1 to %2"
                    }
                    Some(_) => "%0 is too large\nwrite a whole number from %1 to %2",
                    None => "it is negative or has a fraction\nwrite a whole number from %1 to %2",
                },
                &[value.unwrap_or_default(), *least, *most].map(Number),
            ),
            Problem::NoNumber { found, least, most } => (
                "this is %0, but a number belongs here\nwrite a whole number from %1 to %2",
                &[Text(found.name()), Number(*least), Number(*most)],
            ),
            Problem::NoUnit { number } => (
                "a number has no unit\nwrite it with a unit and in quotes, e.g. \"%0s\"",
                &[Number(*number)],
            ),
            Problem::DurationForm(text) => (
                "%0 is no duration\nwrite whole numbers with units d, h, m, s or ms, the largest first, e.g. \"1h30m\"",
                &[Quoted(text)],
            ),
            Problem::DurationDigits(text) => (
                "%0 is no duration\nwrite a smaller number with a larger unit, e.g. \"7d\"",
                &[Quoted(text)],
            ),
            Problem::Duration {
                ms,
                least_ms,
                most_ms,
                or_zero,
            } => (
                match (ms < least_ms, or_zero) {
                    (true, true) => "%0 is too short\nwrite %1 to %2, or \"0s\" for never",
                    (true, false) => "%0 is too short\nwrite %1 to %2",
                    (false, true) => "%0 is too long\nwrite %1 to %2, or \"0s\" for never",
                    (false, false) => "%0 is too long\nwrite %1 to %2",
                },
                &[Duration(*ms), Duration(*least_ms), Duration(*most_ms)],
            ),
            Problem::TooMany { count, most } => (
                "%0 entries are too many\nwrite at most %1",
                &[number(count), number(most)],
            ),
            Problem::EmptyList => (
                "the list is empty\nwrite at least one entry or leave the key out",
                &[],
            ),
            Problem::Twice(text) => ("%0 is there twice\nremove one of them", &[Quoted(text)]),
            Problem::Name(name) => (
                "%0 is not a name\nuse 1 to %1 of the characters a-z, 0-9, `.`, `_` and `-`",
                &[Quoted(name), number(&NAME_BYTES_MAX)],
            ),
            Problem::NameTaken { name, list, first } => (
                "%0 is the name of %1[%2] already\ngive each %1 a name of its own",
                &[Quoted(name), Text(list), number(first)],
            ),
            Problem::BuiltInName(name) => (
                "%0 is the name of the built-in recogniser\nchoose another name: documents say by it where an event comes from",
                &[Quoted(name)],
            ),
            Problem::LimitName(name) => (
                "%0 is no name of a limit\nuse 1 to %1 letters, digits, `.`, `_`, `-` and `/`, e.g. \"role_connection_limit\"",
                &[Quoted(name), number(&NAME_BYTES_MAX)],
            ),
            Problem::Tag(tag) => (
                "%0 is no tag\nuse ASCII characters without blanks",
                &[Quoted(tag)],
            ),
            Problem::EmptyName => (
                "a name of the path is empty, so no record has it\nwrite names with one dot between them, e.g. \"event.original\"",
                &[],
            ),
            Problem::EscapableKey(character) => (
                "encoders of JSON may escape %0, so the key would not be found\nlet the shipper rename that key",
                &[Quoted(character.encode_utf8(&mut utf8))],
            ),
            Problem::EscapableText(character) => (
                "encoders of JSON may escape %0, so a search for it would miss records\ntake a part of the message without that character",
                &[Quoted(character.encode_utf8(&mut utf8))],
            ),
            Problem::TimeZone(text) => (
                "%0 is no time zone\nwrite \"UTC\", an offset as \"+02:00\", or a POSIX TZ string",
                &[Quoted(text)],
            ),
            Problem::TimeZoneName(text) => (
                "%0 is a name that only a time zone database knows\nlet the `maxconn` command read the configuration, which resolves names, or write a \
                 POSIX TZ string, e.g. \"CET-1CEST,M3.5.0,M10.5.0/3\"",
                &[Quoted(text)],
            ),
            Problem::Network(text) => (
                "%0 is no network\nwrite an address or a network in CIDR form, e.g. \"10.0.0.0/8\"",
                &[Quoted(text)],
            ),
            Problem::Prefix { prefix, most } => (
                "/%0 is longer than the address\nwrite /0 to /%1",
                &[Number(*prefix), Number(*most)],
            ),
            Problem::InsideNetwork {
                address,
                start,
                prefix,
            } => (
                "%0 lies inside the network /%2, it does not start it\nwrite \"%1/%2\", or \"%0\" for the one address",
                &[
                    Text(&ip_text(*address)),
                    Text(&ip_text(*start)),
                    Number(u64::from(*prefix)),
                ],
            ),
            Problem::FloodsAboveKeys { floods, keys } => (
                "`max_floods` (%0) is above `max_keys` (%1)\nset `max_floods` to %1 or less",
                &[number(floods), number(keys)],
            ),
            Problem::TooManyRules { count } => (
                "%0 rules are too many, built-in ones included\nkeep at most %1 in force",
                &[number(count), number(&RULES_MAX)],
            ),
            Problem::Shorter {
                longer,
                longer_ms,
                shorter,
                shorter_ms,
            } => (
                "`%0` (%1) is shorter than `%2` (%3)\nset `%0` to %3 or longer",
                &[
                    Text(longer),
                    Duration(*longer_ms),
                    Text(shorter),
                    Duration(*shorter_ms),
                ],
            ),
            Problem::NeverDistinct { field } => (
                "all events of one key have the same %0, so it is never distinct\ntake %0 out of `key`, or count another field",
                &[Text(field)],
            ),
            Problem::NoSample => (
                "only the policy \"sample\" knows it\nset policy = \"sample\" or remove `sample_every`",
                &[],
            ),
            Problem::Expression { why, left } => (
                "this is no expression of regex-lite, or larger than the %1 bytes that are left of %2 for all patterns (%0)\ncorrect it there: look-around and back-references don't exist; `+` is smaller than `{1,64}`",
                &[Text(why), number(left), number(&COST_MAX)],
            ),
            Problem::Group { name, fields } => (
                "the group \"%0\" is no field\nname it as one of %1, or leave its name out",
                &[Text(name), List(fields)],
            ),
            Problem::Host { problem, mend } => ("%0\n%1", &[Text(problem), Text(mend)]),
            Problem::NoPatterns => (
                "this module was built without patterns\nleave them out, or take a module built with the feature `patterns`",
                &[],
            ),
        };
        let (problem, mend) = split_at(template, "\n").unwrap_or_default();
        (say(problem, parts), say(mend, parts))
    }
}

impl ConfigError {
    /// All of it in one line: `PLACE: PROBLEM; MEND`.
    pub fn sentence(&self) -> String {
        let (problem, mend) = self.problem.say();
        let place = if self.path.is_empty() { "" } else { ": " };
        [&self.path, place, &problem, "; ", &mend].concat()
    }
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(&self.sentence())
    }
}

impl core::error::Error for ConfigError {}
