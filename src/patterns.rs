//! Limit messages of one's own: `[[pattern]]` of the configuration.
//!
//! A pattern's `contains` is looked for first, so that its expression is tried only on messages that are
//! likely its own. Without the feature `patterns` there is no engine for expressions, and a configuration
//! that has patterns is refused rather than obeyed in part.

/// What all expressions together may cost, as bytes of compiled expressions. A match takes time in proportion to
/// it and to the bytes that are searched, and a message may be likely every pattern's own.
pub(crate) const COST_MAX: usize = 64 * 1024;

#[cfg(feature = "patterns")]
pub use compiled::compile;
#[cfg(not(feature = "patterns"))]
pub use refused::compile;

#[cfg(feature = "patterns")]
mod compiled {
    use alloc::boxed::Box;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use core::fmt::Display;

    use maxconn_records::bytes;
    use regex_lite::{Regex, RegexBuilder};

    use super::COST_MAX;
    use crate::config::{ConfigError, Pattern, Problem};
    use crate::event::{Endpoint, Event, Scope};
    use crate::ip::{parse_ip, parse_port};
    use crate::recognisers::{Entry, Said};
    use crate::sentence::Part::Number;
    use crate::sentence::say;

    /// So many groups double an expression's cost: a match carries along where each begins and ends.
    const GROUPS_PER_COST: usize = 16;
    /// The size of a compiled expression is found out up to so many bytes.
    const SIZE_STEP: usize = 256;
    /// How deep groups may nest.
    const NESTING_MAX: u32 = 32;
    /// How much of a message is searched, in bytes before and behind the place where `contains` is found first.
    const REACH_BYTES: usize = 1024;
    /// The groups that are fields.
    const GROUPS: [&str; 10] = [
        "user", "ip", "rip", "port", "lip", "lport", "service", "session", "value", "method",
    ];

    struct Compiled {
        name: String,
        limit: String,
        scope: Scope,
        contains: Box<str>,
        regex: Regex,
        /// The number of the group behind each of [`GROUPS`].
        groups: [Option<usize>; GROUPS.len()],
    }

    /// Compiles `patterns`; an error names the one that can't be compiled, or that is more than they may cost together.
    pub fn compile(patterns: &[Pattern]) -> Result<Vec<Box<dyn Entry>>, ConfigError> {
        let mut entries: Vec<Box<dyn Entry>> = Vec::new();
        let mut left = COST_MAX;
        for (index, pattern) in patterns.iter().enumerate() {
            entries.push(Box::new(Compiled::new(index, pattern, &mut left)?));
        }
        Ok(entries)
    }

    impl Compiled {
        #[inline(never)]
        fn new(index: usize, pattern: &Pattern, left: &mut usize) -> Result<Compiled, ConfigError> {
            let error = |problem| {
                let path = say("pattern[%0].regex", &[Number(index as u64)]);
                ConfigError { path, problem }
            };
            let refused = |why: &dyn Display, left: usize| {
                let why = why.to_string();
                error(Problem::Expression { why, left })
            };
            let build = |size| {
                let mut builder = RegexBuilder::new(&pattern.regex);
                builder.size_limit(size).nest_limit(NESTING_MAX).build()
            };
            let regex = build(*left).map_err(|error| refused(&error, *left))?;
            let (mut too_small, mut size) = (0, *left);
            while size - too_small > SIZE_STEP {
                let middle = too_small.midpoint(size);
                match build(middle) {
                    Ok(_) => size = middle,
                    Err(_) => too_small = middle,
                }
            }
            let cost = size + size * regex.captures_len() / GROUPS_PER_COST;
            *left = left
                .checked_sub(cost)
                .ok_or_else(|| refused(&"its groups count, too", *left))?;
            let mut groups = [None; GROUPS.len()];
            for (number, name) in regex.capture_names().enumerate() {
                let Some(name) = name else { continue };
                let Some(place) = GROUPS.iter().position(|group| *group == name) else {
                    let (name, fields) = (name.to_string(), &GROUPS);
                    return Err(error(Problem::Group { name, fields }));
                };
                groups[place] = Some(number);
            }
            Ok(Compiled {
                name: pattern.name.clone(),
                limit: pattern.limit.clone(),
                scope: pattern.scope,
                contains: pattern.contains.as_str().into(),
                regex,
                groups,
            })
        }
    }

    impl Entry for Compiled {
        fn needles(&self) -> Vec<&str> {
            Vec::from([&*self.contains])
        }

        /// A KiB before and behind the first place of `contains` is searched, head or no head.
        fn recognise<'a>(&'a self, said: &Said<'a>) -> Option<Event<'a>> {
            let message = said.message;
            let (before, behind) = bytes::split_at(message, &self.contains)?;
            let start = message.ceil_char_boundary(before.len().saturating_sub(REACH_BYTES));
            let end = message.len() - behind.len() + behind.floor_char_boundary(REACH_BYTES);
            // The head stays, so that `^` matches there and nowhere else.
            let captures = self.regex.captures_at(message.get(..end)?, start)?;
            let values = self.groups.map(|group| {
                let value = captures.get(group?)?.as_str();
                (!value.is_empty()).then_some(value)
            });
            let [
                user,
                ip,
                rip,
                port,
                lip,
                lport,
                service,
                session,
                value,
                method,
            ] = values;
            let endpoint = |ip: Option<&str>, port: Option<&str>| {
                let port = port.and_then(parse_port);
                Some(Endpoint {
                    ip: parse_ip(ip?)?,
                    port,
                })
            };
            Some(Event {
                limit_value: value.and_then(|value| value.parse().ok()),
                service,
                user,
                auth_method: method,
                source: endpoint(ip.or(rip), port),
                destination: endpoint(lip, lport),
                session: session.map(str::as_bytes),
                ..Event::new(&self.name, &self.limit, self.scope)
            })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The message alone, without a head.
        fn said(message: &str) -> Said<'_> {
            Said::text(message, 0)
        }

        fn pattern(regex: &str) -> Result<Box<dyn Entry>, ConfigError> {
            let mut entries = compile(&[Pattern {
                name: "myapp".to_string(),
                contains: "session limit reached for role".to_string(),
                regex: regex.to_string(),
                limit: "session_limit".to_string(),
                scope: Scope::User,
            }])?;
            Ok(entries.remove(0))
        }

        #[test]
        fn a_server_s_prefilter_lets_all_its_messages_through() {
            for server in maxconn_records::recognisers::SERVERS {
                let regexes = server.prefilter.iter().map(|it| Regex::new(it).unwrap());
                let regexes: Vec<Regex> = regexes.collect();
                // Between its parts a message has numbers, most often.
                let all = server.texts.iter().map(|parts| parts.join("5.000"));
                for text in all {
                    let is_let_through = regexes.iter().any(|it| it.is_match(&text));
                    assert!(is_let_through, "{}: {text}", server.name);
                }
            }
        }

        #[test]
        fn groups_are_fields() {
            let regex = r#"host=(?<ip>[0-9a-f.:]+) port=(?<port>\d+).*role "(?<user>[^"]+)"(?: \((?<value>\d+)\))?"#;
            let pattern = pattern(regex).expect("compiles");
            assert_eq!(pattern.needles(), ["session limit reached for role"]);
            let message =
                "host=192.0.2.7 port=99999 FATAL: session limit reached for role \"web\" (10)";
            let event = pattern.recognise(&said(message)).expect("matches");
            assert_eq!(
                (event.module, event.limit, event.scope),
                ("myapp", "session_limit", Scope::User)
            );
            assert_eq!(
                (event.user, event.limit_value, event.service),
                (Some("web"), Some(10), None)
            );
            let source = event.source.expect("an address");
            assert_eq!(
                (source.ip.to_string(), source.port),
                ("192.0.2.7".to_string(), None)
            );
            assert_eq!(
                pattern.recognise(&said("session limit reached for role")),
                None
            );
        }

        #[test]
        fn a_pattern_sees_a_kib_on_both_sides() {
            let far = |before: usize, between: usize| {
                let message = [
                    "ä".repeat(before / 2),
                    "port=1 ".to_string(),
                    " ".repeat(between),
                    "session limit reached for role".to_string(),
                ];
                message.concat()
            };
            let reaching = pattern("port=(?<port>1).*role").expect("compiles");
            assert!(reaching.recognise(&said(&far(100_000, 1_000))).is_some());
            assert!(reaching.recognise(&said(&far(0, 1_018))).is_none());
            // An anchor is where the message begins, not where the search does.
            let anchored = pattern("^[^x]*role").expect("compiles");
            assert!(anchored.recognise(&said(&far(100, 0))).is_some());
            assert!(anchored.recognise(&said(&far(2_000, 0))).is_none());
            let ending = pattern("role(?<user>[^!]*)!").expect("compiles");
            let behind = |bytes: usize| far(0, 0) + &" ".repeat(bytes) + "!";
            assert!(ending.recognise(&said(&behind(1_023))).is_some());
            assert!(ending.recognise(&said(&behind(1_024))).is_none());
        }

        /// Compiled bytes times searched bytes are what a match takes: at most so many for a record, whatever is
        /// accepted.
        #[test]
        fn all_patterns_together_are_bounded() {
            let pattern = |number: usize, regex: &str| Pattern {
                name: number.to_string(),
                contains: "too many".to_string(),
                regex: regex.to_string(),
                limit: "x".to_string(),
                scope: Scope::User,
            };
            let usual =
                r"^\S+ \S+: limit exceeded: (?<value>\d+) from \S+\[(?<ip>[0-9a-f.:]+)\] for";
            let many: Vec<Pattern> = (0..20).map(|number| pattern(number, usual)).collect();
            assert!(compile(&many).is_ok());
            let groups = "()".repeat(500);
            for (regex, accepted) in [
                ("(?:a?){100}b", 5),
                ("(?:[a-z]?){1000}x", 0),
                (&*(groups + "(?:a?){1000}b"), 0),
                (&*".*".repeat(200), 3),
            ] {
                let many: Vec<Pattern> = (0..64).map(|number| pattern(number, regex)).collect();
                let error = compile(&many).map(|_| ()).expect_err(regex);
                assert_eq!(
                    error.path,
                    ["pattern[", &accepted.to_string(), "].regex"].concat()
                );
                assert!(matches!(error.problem, Problem::Expression { .. }));
            }
        }

        #[test]
        fn what_does_not_compile_says_where() {
            for regex in ["(", r"(?<name>a)", r"(a)\1", "((a{100}){100}){100}"] {
                let error = pattern(regex).map(|_| ()).expect_err(regex);
                assert_eq!(error.path, "pattern[0].regex");
            }
        }
    }
}

#[cfg(not(feature = "patterns"))]
mod refused {
    use alloc::boxed::Box;
    use alloc::string::String;
    use alloc::vec::Vec;

    use crate::config::{ConfigError, Pattern, Problem};
    use crate::recognisers::Entry;

    /// Accepts an empty list.
    pub fn compile(patterns: &[Pattern]) -> Result<Vec<Box<dyn Entry>>, ConfigError> {
        if patterns.is_empty() {
            return Ok(Vec::new());
        }
        let path = String::from("pattern");
        let problem = Problem::NoPatterns;
        Err(ConfigError { path, problem })
    }
}
