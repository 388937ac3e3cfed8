//! Fills the fields of servers' lines, of which [`Shown`](maxconn_core::recognisers::Shown) has the list.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;

/// What the fields of a line are filled with.
#[derive(Clone, Debug)]
pub struct Values<'v> {
    /// When it is said.
    pub time: Timestamp,
    /// Who is refused.
    pub user: Cow<'v, str>,
    /// Where they would go.
    pub database: Cow<'v, str>,
    /// The client's address …
    pub ip: Cow<'v, str>,
    /// … and its port.
    pub port: u16,
    /// The process that says it.
    pub pid: u64,
    /// What grows from line to line.
    pub number: u64,
    /// What a client writes.
    pub text: Cow<'v, str>,
}

impl Values<'_> {
    /// Those of the documentation.
    pub fn usual() -> Values<'static> {
        Values {
            time: Timestamp::constant(1_795_885_200, 0),
            user: "web".into(),
            database: "shop".into(),
            ip: "192.0.2.7".into(),
            port: 41_285,
            pid: 77,
            number: 35,
            text: String::new().into(),
        }
    }
}

/// The program that says a line to syslog, and what it says; none if the line goes elsewhere.
pub fn program(template: &str) -> (Option<&str>, &str) {
    let named = template
        .strip_prefix("«syslog ")
        .and_then(|rest| rest.split_once('»'));
    named.map_or((None, template), |(program, text)| (Some(program), text))
}

/// A line as the documentation shows it, syslog's in its traditional form.
pub fn example(template: &str) -> String {
    let values = Values::usual();
    let (program, text) = program(template);
    let mut line = String::new();
    if let Some(program) = program {
        let _ = write!(line, "{} srv1 ", values.time.strftime("%b %e %T"));
        tag(program, &values, &mut line);
        line.push_str(": ");
    }
    fill(text, &values, &mut line);
    line
}

/// Appends the program, with its process where syslog has that.
pub fn tag(program: &str, values: &Values<'_>, out: &mut String) {
    match program.strip_suffix("[]") {
        Some(program) => {
            let _ = write!(out, "{program}[{}]", values.pid);
        }
        None => out.push_str(program),
    }
}

/// Appends a line, its fields filled. A field that is not known stays as it is.
pub fn fill(template: &str, values: &Values<'_>, out: &mut String) {
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('«') {
        out.push_str(before);
        let (field, behind) = behind.split_once('»').unwrap_or((behind, ""));
        rest = behind;
        // Writing to a `String` can't fail.
        let _ = match field {
            "user" => out.write_str(&values.user),
            "database" => out.write_str(&values.database),
            "ip" => out.write_str(&values.ip),
            "port" => write!(out, "{}", values.port),
            "pid" => write!(out, "{}", values.pid),
            "n" => write!(out, "{}", values.number),
            "text" | "text:t" => out.write_str(&values.text),
            "text:h" => out.write_str(&as_hex(&values.text)),
            "text:j" => out.write_str(&as_json(&values.text)),
            time if time.starts_with('%') => write!(out, "{}", values.time.strftime(time)),
            unknown => write!(out, "«{unknown}»"),
        };
    }
    out.push_str(rest);
}

/// As HAProxy writes what it must not write: `#22`.
fn as_hex(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        let _ = match char {
            '"' | '#' | '{' | '|' | '}' | '\0'..' ' | '\x7f' => {
                write!(out, "#{:02X}", u32::from(char))
            }
            other => write!(out, "{other}"),
        };
    }
    out
}

/// As it stands in a JSON string.
pub fn as_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_string()
}
