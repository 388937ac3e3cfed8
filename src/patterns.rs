//! Limit messages of one's own: `[[pattern]]` of the configuration.
//!
//! A pattern's `contains` is looked for first, so that its expression is tried only on messages that are
//! likely its own. Without the feature `patterns` there is no engine for expressions, and a configuration
//! that has patterns is refused rather than obeyed in part.

#[cfg(feature = "patterns")]
pub use compiled::Patterns;
#[cfg(not(feature = "patterns"))]
pub use refused::Patterns;

#[cfg(feature = "patterns")]
mod compiled {
    use alloc::boxed::Box;
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::fmt::Write;

    use maxconn_records::words;
    use regex_lite::{Regex, RegexBuilder};

    use crate::alert::append;
    use crate::config::{ConfigError, Pattern};
    use crate::dovecot::parse_ip;
    use crate::event::{Endpoint, Event, Scope, Security};
    use crate::sentence::Part::{Number, Text};
    use crate::sentence::say;

    /// The most memory that one compiled expression takes, in bytes. It bounds the time of a match, too.
    const REGEX_BYTES_MAX: usize = 256 * 1024;
    /// How deep groups may nest.
    const NESTING_MAX: u32 = 32;
    /// How much of a message is read, in bytes: a match takes time in proportion to it.
    const MESSAGE_BYTES_MAX: usize = 8 * 1024;
    /// The groups that are fields.
    const GROUPS: [&str; 10] = [
        "user", "ip", "rip", "port", "lip", "lport", "service", "session", "value", "method",
    ];

    /// Patterns, compiled.
    pub struct Patterns {
        patterns: Vec<Compiled>,
    }

    struct Compiled {
        name: String,
        limit: String,
        scope: Scope,
        contains: Box<str>,
        regex: Regex,
        /// The number of the group behind each of [`GROUPS`].
        groups: [Option<usize>; GROUPS.len()],
    }

    impl Patterns {
        /// Compiles `patterns`; an error names the one that can't be compiled.
        pub fn new(patterns: &[Pattern]) -> Result<Patterns, ConfigError> {
            let mut compiled = Vec::new();
            for (index, pattern) in patterns.iter().enumerate() {
                compiled.push(Compiled::new(index, pattern)?);
            }
            Ok(Patterns { patterns: compiled })
        }

        /// The texts of which every message that a pattern can recognise contains one.
        pub fn needles(&self) -> impl Iterator<Item = &str> {
            self.patterns.iter().map(|pattern| &*pattern.contains)
        }

        /// The event that `message` is by the first pattern that matches. Only the first 8 KiB are read.
        pub fn recognise<'a>(&'a self, message: &'a str) -> Option<Event<'a>> {
            let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
            let message = message.get(..end)?;
            self.patterns
                .iter()
                .find_map(|pattern| pattern.recognise(message))
        }
    }

    impl Compiled {
        #[inline(never)]
        fn new(index: usize, pattern: &Pattern) -> Result<Compiled, ConfigError> {
            let path = || say(&[Text("pattern["), Number(index as u64), Text("].regex")]);
            let regex = RegexBuilder::new(&pattern.regex)
                .size_limit(REGEX_BYTES_MAX)
                .nest_limit(NESTING_MAX)
                .build();
            let regex = regex.map_err(|error| {
                let mut problem = String::from("this is no expression of regex-lite (");
                // Writing to a String can't fail.
                let _ = write!(problem, "{error})");
                ConfigError::new(
                    path(),
                    problem,
                    "correct it there; look-around and back-references don't exist",
                )
            })?;
            let mut groups = [None; GROUPS.len()];
            for (number, name) in regex.capture_names().enumerate() {
                let Some(name) = name else { continue };
                match GROUPS
                    .iter()
                    .zip(&mut groups)
                    .find(|(group, _)| **group == name)
                {
                    Some((_, group)) => *group = Some(number),
                    None => {
                        let problem =
                            say(&[Text("the group \""), Text(name), Text("\" is no field")]);
                        let mut mend = String::from("name it as one of ");
                        for group in GROUPS {
                            append(&mut mend, &[group, ", "]);
                        }
                        mend.push_str("or leave its name out");
                        return Err(ConfigError::new(path(), problem, mend));
                    }
                }
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

        #[inline(never)]
        fn recognise<'a>(&'a self, message: &'a str) -> Option<Event<'a>> {
            words::split_at(message, &self.contains)?;
            let captures = self.regex.captures(message)?;
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
                let port = port.and_then(|port| port.parse().ok());
                Some(Endpoint {
                    ip: parse_ip(ip?)?,
                    port,
                })
            };
            Some(Event {
                module: &self.name,
                limit: &self.limit,
                limit_value: value.and_then(|value| value.parse().ok()),
                scope: self.scope,
                service,
                user,
                auth_method: method,
                source: endpoint(ip.or(rip), port),
                destination: endpoint(lip, lport),
                security: Security::None,
                session,
            })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use alloc::string::ToString;

        fn patterns(regex: &str) -> Result<Patterns, ConfigError> {
            Patterns::new(&[Pattern {
                name: "postgresql".to_string(),
                contains: "too many connections for role".to_string(),
                regex: regex.to_string(),
                limit: "role_connection_limit".to_string(),
                scope: Scope::User,
            }])
        }

        #[test]
        fn groups_are_fields() {
            let regex = r#"host=(?<ip>[0-9a-f.:]+) port=(?<port>\d+).*role "(?<user>[^"]+)"(?: \((?<value>\d+)\))?"#;
            let patterns = patterns(regex).expect("compiles");
            assert_eq!(
                patterns.needles().collect::<Vec<_>>(),
                ["too many connections for role"]
            );
            let message =
                "host=192.0.2.7 port=99999 FATAL: too many connections for role \"web\" (10)";
            let event = patterns.recognise(message).expect("matches");
            assert_eq!(
                (event.module, event.limit, event.scope),
                ("postgresql", "role_connection_limit", Scope::User)
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
            assert_eq!(patterns.recognise("too many connections for role"), None);
            let late = [" ".repeat(MESSAGE_BYTES_MAX).as_str(), message].concat();
            assert_eq!(patterns.recognise(&late), None);
        }

        #[test]
        fn what_does_not_compile_says_where() {
            for regex in ["(", r"(?<name>a)", r"(a)\1", "((a{100}){100}){100}"] {
                let error = patterns(regex).map(|_| ()).expect_err(regex);
                assert_eq!(error.path, "pattern[0].regex");
            }
        }
    }
}

#[cfg(not(feature = "patterns"))]
mod refused {
    use crate::config::{ConfigError, Pattern};
    use crate::event::Event;

    /// No patterns: this module was built without them.
    pub struct Patterns(());

    impl Patterns {
        /// Accepts an empty list.
        pub fn new(patterns: &[Pattern]) -> Result<Patterns, ConfigError> {
            if patterns.is_empty() {
                return Ok(Patterns(()));
            }
            Err(ConfigError::new(
                "pattern",
                "this module was built without patterns",
                "leave them out, or take a module built with the feature `patterns`",
            ))
        }

        /// None.
        pub fn needles(&self) -> impl Iterator<Item = &str> {
            core::iter::empty()
        }

        /// Nothing.
        pub fn recognise<'a>(&'a self, _message: &'a str) -> Option<Event<'a>> {
            None
        }
    }
}
