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
}

/// `testdata/hostile_names.json`.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let table = include_str!("../../testdata/hostile_names.json");
    serde_json::from_str(table).unwrap_or_else(|error| panic!("hostile_names.json: {error}"))
});
