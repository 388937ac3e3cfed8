//! Every limit of the configuration, by name and with its unit.
//!
//! They keep a guest's memory and the meaning of its numbers bounded: a value outside is an error when
//! the configuration is read, never a surprise at run time.

use core::ops::RangeInclusive;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// The JSON form of a configuration, in bytes. Baked-in room is smaller still.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Keys that may hold the message, and as many for the time. Each is compared with every key of a record that may hold an
/// event.
pub const RECORD_KEYS_MAX: usize = 32;
/// The length of such a key, in bytes: with dots in it, it leads through at most half as many objects.
pub const RECORD_KEY_BYTES_MAX: usize = 64;
/// How far back an event may be and still count, in ms.
pub const ALLOWED_LATENESS_MS: RangeInclusive<i64> = 0..=HOUR;
/// Keys that are remembered, over all rules. Each rule may see one event, and none of their keys may push another's out.
pub const KEYS: RangeInclusive<u64> = RULES_MAX as u64..=1_000_000;
/// Floods that are open at once. Each costs about a KiB, hence fewer than keys.
pub const FLOODS: RangeInclusive<u64> = 1..=100_000;
/// `max_keys` where nothing else is said.
pub const MAX_KEYS: u32 = 10_000;
/// `max_floods` where nothing else is said.
pub const MAX_FLOODS: u32 = 1_000;
/// Time between statistics, in ms; 0 is allowed besides and means never.
pub const STATISTICS_EVERY_MS: RangeInclusive<i64> = SECOND..=7 * DAY;
/// Networks of one's own.
pub const TRUSTED_NETWORKS_MAX: usize = 256;
/// The length of `redact_key`, in bytes: a shorter one can be guessed, and with it the names.
pub const REDACT_KEY_BYTES: RangeInclusive<usize> = 16..=256;
/// The length of `tick_tag`, in bytes.
pub const TICK_TAG_BYTES: RangeInclusive<usize> = 1..=128;

/// Rules in force, built-in ones included. Every event is counted by each that applies.
pub const RULES_MAX: usize = 43;
/// Patterns of one's own.
pub const PATTERNS_MAX: usize = 64;
/// The length of the name of a rule, a pattern or a limit, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Events that open a flood. A window's slots count in 16 bits.
pub const THRESHOLD: RangeInclusive<u64> = 1..=65_535;
/// The window, in ms. Its sixteen slots must not be finer than timestamps are.
pub const WITHIN_MS: RangeInclusive<i64> = SECOND..=DAY;
/// The silence that ends a flood, in ms.
pub const QUIET_MS: RangeInclusive<i64> = SECOND..=7 * DAY;
/// The pauses between alerts of an open flood, in ms.
pub const UPDATE_MS: RangeInclusive<i64> = SECOND..=7 * DAY;
/// Different values that a rule may ask for. They are kept exactly, so the set must stay small.
pub const DISTINCT_AT_LEAST: RangeInclusive<u64> = 2..=64;
/// Under `policy = "sample"` one event in so many goes on.
pub const SAMPLE_EVERY: RangeInclusive<u64> = 2..=1_000_000;

/// The length of a pattern's `contains`, in bytes. Shorter ones would be found everywhere.
pub const CONTAINS_BYTES: RangeInclusive<usize> = 3..=128;
/// The length of a pattern's `regex`, in bytes.
pub const REGEX_BYTES: RangeInclusive<usize> = 1..=2_048;
