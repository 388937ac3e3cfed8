//! Records that stand for others: what syslog daemons write in the place of a message that repeats.
//!
//! | who | what |
//! |---|---|
//! | rsyslog | `message repeated 3 times: [ MESSAGE]` |
//! | BSD, Solaris, macOS, sysklogd | `HOST last message repeated 3 times`, of the record before it |
//! | syslog-ng | `Last message 'ITS FIRST CHARACTERS' repeated 3 times, suppressed by syslog-ng on HOST`, too |
//!
//! Each is the whole of what follows the head, so that nothing a message quotes can pass for one.

use crate::bytes::{split_at, split_at_last};

/// Texts of which every such record without a message in it contains one; as [`crate::recognisers::Entry::needles`].
pub const NEEDLES: [&str; 2] = ["last message repeated ", " suppressed by syslog"];
/// A record that claims to stand for more messages than this is not believed.
pub const COUNT_MAX: u32 = 1_000_000;

/// The longest name of a host, in bytes.
const HOST_MAX: usize = 255;

/// What a record says of the messages that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats<'a> {
    /// How many; `None` if none, or more than [`COUNT_MAX`].
    pub count: Option<u32>,
    /// The message, or how it begins. Empty: the record before has it.
    pub said: &'a str,
    /// Whether that is all of the message.
    pub is_whole: bool,
    /// The host, where it stands directly before the words.
    pub host: Option<&'a str>,
}

/// Reads such a record; `text` is what follows its head.
#[inline(never)]
pub fn read(text: &str) -> Option<Repeats<'_>> {
    // rsyslog writes a carriage return as `#015`.
    let text = text.trim_ascii_end();
    let text = text.strip_suffix("#015").unwrap_or(text);
    if let Some(rest) = text.strip_prefix("Last message '") {
        let (said, rest) = split_at_last(rest, "' repeated ")?;
        let (count, rest) = times(rest)?;
        let is_all = rest.is_empty() || rest.starts_with(", suppressed by syslog-ng on ");
        return is_all.then_some(Repeats {
            count,
            said,
            is_whole: false,
            host: None,
        });
    }
    let (before, rest) = split_at(text, "message repeated ")?;
    let (count, rest) = times(rest)?;
    if before.is_empty() {
        let said = rest.strip_prefix(": [")?.strip_suffix(']')?;
        return Some(Repeats {
            count,
            said: said.strip_prefix(' ').unwrap_or(said),
            is_whole: true,
            host: None,
        });
    }
    let host = match before.strip_suffix("last ")? {
        "" | "--- " => None,
        host => Some(host.strip_suffix(' ').filter(|host| is_host(host))?),
    };
    matches!(rest, "" | " ---").then_some(Repeats {
        count,
        said: "",
        is_whole: false,
        host,
    })
}

/// `3 times`.
fn times(text: &str) -> Option<(Option<u32>, &str)> {
    let (mut count, mut digits) = (0_u32, 0);
    for byte in text.bytes().take_while(u8::is_ascii_digit) {
        count = count
            .saturating_mul(10)
            .saturating_add(u32::from(byte - b'0'));
        digits += 1;
    }
    let rest = text.get(digits..)?.strip_prefix(" time")?;
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    let is_believed = (1..=COUNT_MAX).contains(&count);
    (digits > 0).then_some((is_believed.then_some(count), rest))
}

fn is_host(text: &str) -> bool {
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    text.len() <= HOST_MAX && !text.ends_with(':') && text.bytes().all(is_name)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    fn read(text: &str) -> Option<(Option<u32>, &str, Option<&str>)> {
        let repeats = super::read(text)?;
        Some((repeats.count, repeats.said, repeats.host))
    }

    #[test]
    fn every_daemon_is_understood() {
        type Row = (String, Option<u32>, String, Option<String>);
        let rows: Vec<Row> = serde_json::from_str(include_str!("repeats.json")).expect("rows");
        for (text, count, said, host) in &rows {
            assert_eq!(
                read(text),
                Some((*count, &**said, host.as_deref())),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "message repeated 3 times: [ x",
            "message repeated times: [ x]",
            "message repeated 3 times: [ x] and more",
            "message repeated -3 times: [ x]",
            "a message repeated 3 times: [ x]",
            "sshd: last message repeated 3 times",
            "imap-login: user=<last message repeated 3 times",
            "user last message repeated 3 times>, rip=192.0.2.1",
            "two words last message repeated 3 times",
            "last message repeated 3 times: [ x]",
            "Last message 'x' repeated 3 times, and more",
            "last message repeated  times",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
