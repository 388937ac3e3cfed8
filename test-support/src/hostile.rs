//! User names that try to forge what a line says. Dovecot does not escape them: it cuts them to 80 bytes and writes
//! control bytes as `?`.

use std::sync::LazyLock;

use serde::Deserialize;

/// What such names and the lines around them are made of.
#[derive(Deserialize)]
pub struct Table {
    /// Dovecot's words, which every refusal has.
    pub text: String,
    /// What stands before a line.
    pub prefixes: Vec<String>,
    /// What stands before the words and behind them.
    pub wordings: Vec<(String, String)>,
    /// What stands behind the name, and the session that it tells.
    pub tails: Vec<(String, Option<String>)>,
    /// Names.
    pub names: Vec<String>,
    /// Parts of which names are made.
    pub parts: Vec<String>,
    /// Names, too, longer than Dovecot writes them.
    pub fakes: Vec<String>,
    /// Lines that are no refusals, with `{name}` and `{tail}` in them.
    pub others: Vec<String>,
    /// Parts of heads.
    pub heads: Heads,
    /// What programs other than Dovecot write, with `{name}` in it.
    pub programs: Vec<String>,
}

/// The parts of heads, by where they may stand.
#[derive(Deserialize)]
pub struct Heads {
    /// At the start of a line.
    pub fronts: Vec<String>,
    /// Before a time.
    pub words: Vec<String>,
    /// Times.
    pub times: Vec<String>,
    /// Hosts.
    pub hosts: Vec<String>,
    /// Facilities and severities.
    pub priorities: Vec<String>,
    /// Dovecot's tags.
    pub tags: Vec<String>,
    /// Tags of containers, and of other programs.
    pub other_tags: Vec<String>,
    /// At the end of a line.
    pub ends: Vec<String>,
}

/// `testdata/hostile_names.json`.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let table = include_str!("../../testdata/hostile_names.json");
    serde_json::from_str(table).unwrap_or_else(|error| panic!("hostile_names.json: {error}"))
});
