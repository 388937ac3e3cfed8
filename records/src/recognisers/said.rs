//! What an entry is asked about: a message, and what it came in.

use alloc::borrow::Cow;
use core::cell::OnceCell;

use crate::bytes::split_at;
use crate::head::{Outer, outer};
use crate::json::string::decode;
use crate::record::{Unescaped, member};

/// Where parsers put the name of the program that they take out of a head, the last one that is there first.
const TAGS: &str = "syslog.appname syslog.identifier log.syslog.appname process.name appname programname program ident SYSLOG_IDENTIFIER ";

/// How often a message may have another reading: JSON behind a tag.
pub const READINGS_MAX: usize = 2;

/// A message, and what it came in.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// The whole of it.
    pub message: &'a str,
    /// Where the program's own text begins ([`crate::head::Head::body`]).
    pub body: usize,
    /// The record, if it is JSON.
    pub json: Option<&'a [u8]>,
    /// Where names can be kept that stand escaped in it.
    pub unescaped: Option<&'a Unescaped>,
    /// The message begins with a program's tag.
    is_tagged: bool,
    /// As [`Said::outer`] and [`Said::tag`]: many entries ask for them.
    outer: OnceCell<Outer<'a>>,
    tag: OnceCell<Option<&'a str>>,
}

impl<'a> Said<'a> {
    /// A message of which no more is known.
    pub fn text(message: &'a str, body: usize) -> Said<'a> {
        Said {
            message,
            body,
            json: None,
            unescaped: None,
            is_tagged: false,
            outer: OnceCell::new(),
            tag: OnceCell::new(),
        }
    }

    /// The same in a record.
    pub fn within(self, json: Option<&'a [u8]>, unescaped: &'a Unescaped) -> Said<'a> {
        Said {
            json,
            unescaped: Some(unescaped),
            ..self
        }
    }

    /// As [`member`], of its record.
    #[inline(never)]
    pub fn member(&self, path: &str) -> Option<&'a str> {
        member(self.json?, path)
    }

    /// Another reading of a message that is none of an event as it is: a record that is the text of another, as a program writes it
    /// that logs JSON to a container's output or to syslog; or a tag and what follows it, of which a parser took time and host.
    #[inline(never)]
    pub fn other(&self) -> Option<Said<'a>> {
        let text = self.outer().text;
        if !text.starts_with('{') {
            let host = self.member("hostname").or_else(|| self.member("host"));
            let is_split = host.is_some() && self.tag().is_none();
            return is_split.then(|| Said {
                json: self.json,
                unescaped: self.unescaped,
                is_tagged: true,
                ..Said::text(self.message, self.body)
            });
        }
        let mut keys = ["msg", "message"].iter();
        let message = keys.find_map(|key| member(text.as_bytes(), key))?;
        let message = match decode(message.as_bytes()) {
            Cow::Borrowed(message) => message,
            Cow::Owned(message) => self.unescaped?.message.get_or_init(|| message),
        };
        Some(Said {
            json: Some(text.as_bytes()),
            unescaped: self.unescaped,
            ..Said::text(message, 0)
        })
    }

    /// The program that says it, as it calls itself, as the head has it or as a parser has taken it out of there.
    #[inline(never)]
    pub fn tag(&self) -> Option<&'a str> {
        *self.tag.get_or_init(|| {
            let mut found = None;
            // Not an array: a loop over one is unrolled.
            let mut paths = TAGS;
            while let Some((path, rest)) = split_at(paths, " ") {
                found = self.member(path).or(found);
                paths = rest;
            }
            self.outer().tag.or(found)
        })
    }

    /// What follows the head, without what daemons, editors and terminals leave at its end.
    pub fn body(&self) -> &'a str {
        without_end(self.message.get(self.body..).unwrap_or_default())
    }

    /// What others have put before the program's line, and that line, without what they leave at its end.
    #[inline(never)]
    pub fn outer(&self) -> &Outer<'a> {
        self.outer.get_or_init(|| {
            let mut outer = outer(self.message, self.is_tagged);
            outer.text = without_end(outer.text);
            outer
        })
    }
}

/// The line without what daemons, editors and terminals leave at its end.
#[inline]
fn without_end(text: &str) -> &str {
    let mut line = text.as_bytes();
    loop {
        line = match line {
            [before @ .., b'\n' | b'\r' | b' ' | b'\t'] => before,
            [before @ .., b'#', b'0', b'1', b'1' | b'2' | b'5'] => before,
            [before @ .., 0x1b, b'[', b'0', b'm'] => before,
            _ => break,
        };
    }
    text.get(..line.len()).unwrap_or(text)
}
