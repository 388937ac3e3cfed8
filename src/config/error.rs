//! Enumerates what can be wrong with a configuration. The sentences for it are in [`super::sentences`].

use alloc::boxed::Box;
use alloc::string::String;
use core::net::IpAddr;

use maxconn_records::named;

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The place, e.g. `rule[1].quiet` (counted from 0); empty for the whole document.
    pub path: String,
    /// What is wrong there.
    pub problem: Problem,
}

impl ConfigError {
    /// What a host finds wrong before the core reads the configuration, in its own words.
    pub fn new(path: &str, problem: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        ConfigError {
            path: String::from(path),
            problem: Problem::Host {
                problem: problem.into(),
                mend: mend.into(),
            },
        }
    }

    /// A problem at a place.
    #[inline(never)]
    pub(crate) fn at(path: String, problem: Problem) -> Fault {
        Box::new(ConfigError { path, problem })
    }
}

/// An error on its way: a pointer, for it passes through every function here.
pub(super) type Fault = Box<ConfigError>;

named! {
    /// What a value is.
    pub enum Type {
        Null = "null",
        Flag = "true or false",
        Number = "a number",
        Duration = "a duration",
        Text = "a text",
        List = "a list",
        Table = "a table",
    }
}

/// What is wrong. The fields are what the sentences name; lengths are in bytes.
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The document is longer than [`CONFIG_BYTES_MAX`](super::limits::CONFIG_BYTES_MAX).
    TooLong { bytes: usize },
    /// The document is longer than the room for it in a module.
    NoRoom,
    /// The document is not JSON from this place on, both counted from 1.
    NotJson { line: usize, column: usize },
    /// A table belongs here.
    NoTable {
        found: Type,
        keys: &'static [&'static str],
    },
    /// Another type belongs here; none of these is a number or a table.
    WrongType {
        found: Type,
        expected: Type,
        key: &'static str,
    },
    /// No key of this table.
    UnknownKey {
        near: Option<&'static str>,
        keys: &'static [&'static str],
    },
    /// None of the words that can stand here.
    UnknownWord {
        word: String,
        near: Option<&'static str>,
        words: &'static [&'static str],
    },
    /// A key that must be there.
    Missing {
        key: &'static str,
        example: &'static str,
    },
    /// A key of `distinct` that must be there.
    MissingInDistinct,
    /// A text of another length.
    Length {
        bytes: usize,
        least: usize,
        most: usize,
    },
    /// Not a whole number in these bounds; `value` where it is one at all.
    Integer {
        value: Option<u64>,
        least: u64,
        most: u64,
    },
    /// What belongs here is a number, in these bounds.
    NoNumber { found: Type, least: u64, most: u64 },
    /// A number without a unit, where a duration belongs; the number, if it may be meant.
    NoUnit { number: u64 },
    /// A duration in another form.
    DurationForm(String),
    /// A duration of too many digits.
    DurationDigits(String),
    /// A duration out of bounds.
    Duration {
        ms: i64,
        least_ms: i64,
        most_ms: i64,
        or_zero: bool,
    },
    /// A list that is too long.
    TooMany { count: usize, most: usize },
    /// A list that must have entries.
    EmptyList,
    /// An entry that the list has already.
    Twice(String),
    /// No name of a rule or pattern.
    Name(String),
    /// The name of another one in this list, which is the `first`.
    NameTaken {
        name: String,
        list: &'static str,
        first: usize,
    },
    /// The name of a built-in recogniser.
    BuiltInName(String),
    /// No name of a limit.
    LimitName(String),
    /// No tag.
    Tag(String),
    /// A path of a record's key with nothing between two dots.
    EmptyName,
    /// A key of records with a character that encoders of JSON may escape.
    EscapableKey(char),
    /// A text to search for with a character that encoders of JSON may escape.
    EscapableText(char),
    /// No time zone.
    TimeZone(String),
    /// A time zone that only a database knows.
    TimeZoneName(String),
    /// No network.
    Network(String),
    /// A prefix that is longer than the address.
    Prefix { prefix: u64, most: u64 },
    /// An address inside a network that starts elsewhere.
    InsideNetwork {
        address: IpAddr,
        start: IpAddr,
        prefix: u8,
    },
    /// More open floods than keys.
    FloodsAboveKeys { floods: usize, keys: usize },
    /// More rules than can be in force.
    TooManyRules { count: usize },
    /// A time that must not be shorter than another one.
    Shorter {
        longer: &'static str,
        longer_ms: i64,
        shorter: &'static str,
        shorter_ms: i64,
    },
    /// A field that is counted and part of the key.
    NeverDistinct { field: &'static str },
    /// `sample_every` under another policy.
    NoSample,
    /// An expression that does not compile, or is larger than the bytes that are left for it.
    Expression { why: String, left: usize },
    /// A group of an expression that is no field.
    Group {
        name: String,
        fields: &'static [&'static str],
    },
    /// Patterns, which this build knows nothing of.
    NoPatterns,
    /// What the host's own reader says.
    Host { problem: String, mend: String },
}
