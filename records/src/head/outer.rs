//! What others have put before a program's own line: syslog's time, host and tag, and a container's.
//!
//! [`super::parse`] takes all of what may be a head, for Dovecot's service follows, which ends it. Of servers whose lines
//! begin with a time of their own, or with a name that somebody has chosen, more than that is not believed.

use super::parts::{is_host, priority_len, structured_data_len, tag};
use crate::bytes::{find, split_at};
use crate::recognisers::table::behind;
use crate::time::{Reference, TimeZone, read_log_time};

/// A line without what others have put before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer<'a> {
    /// The host.
    pub host: Option<&'a str>,
    /// The program, as it calls itself.
    pub tag: Option<&'a str>,
    /// The program's line.
    pub text: &'a str,
}

/// What a container's output has before a line: `MESSAGE=`, `[pod/mail-0/mail] `, `2026-11-28T17:00:00Z stderr F `, `name-1  | `.
const CONTAINER: &str = "%[MESSAGE=%]%[[pod/%t] %]%[%0-%0-%0T%w%[+%w%] std%w %w %]%[%w % | %]";

/// Takes what others have put before the line that `message` is, or no more than its tag, if it begins with one.
pub fn outer(message: &str, is_tagged: bool) -> Outer<'_> {
    let text = behind(CONTAINER, message).unwrap_or(message);
    let found = match is_tagged {
        true => tagged(None, text),
        false => syslog(text),
    };
    found.unwrap_or(Outer {
        host: None,
        tag: None,
        text,
    })
}

fn syslog(text: &str) -> Option<Outer<'_>> {
    let with_priority = behind("<%0>", text);
    let text = with_priority.unwrap_or(text);
    if with_priority.is_some()
        && let Some(rest) = text.strip_prefix("1 ")
    {
        return rfc5424(rest);
    }
    let Some((_, len)) = read_log_time(text.as_bytes(), &TimeZone::utc(), Reference::NotNeeded)
    else {
        // The kernel's own messages have a priority and no more.
        let (host, tag) = (None, None);
        return with_priority.map(|text| Outer { host, tag, text });
    };
    // Programs write a blank there, or begin with a year of two digits.
    if !text.as_bytes().first()?.is_ascii_uppercase() && text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let rest = behind("% ", text.get(len..)?)?;
    // On its own machine a program names none.
    if with_priority.is_some()
        && let tagged @ Some(_) = tagged(None, rest)
    {
        return tagged;
    }
    let (host, rest) = split_at(rest, " ").filter(|(host, _)| is_host(host))?;
    // A relay may name it again.
    let again = rest
        .strip_prefix(host)
        .and_then(|rest| rest.strip_prefix(' '));
    let rest = behind("% ", again.unwrap_or(rest))?;
    // `mail.info `, as BusyBox writes it between host and tag.
    let rest = rest.get(priority_len(rest.as_bytes(), false)..)?;
    tagged(Some(host), behind("% ", rest)?)
}

/// A line that begins with a tag: `db[7]: ` and `db: `.
fn tagged<'a>(host: Option<&'a str>, text: &'a str) -> Option<Outer<'a>> {
    let len = tag(text.as_bytes())?.len;
    let (tag, rest) = text.split_at_checked(len)?;
    let end = find(tag.as_bytes(), b'[').unwrap_or(len - 2);
    Some(Outer {
        host,
        tag: tag.get(..end),
        text: behind("% ", rest)?,
    })
}

/// `TIME HOST APP PROCID MSGID DATA TEXT`.
fn rfc5424(text: &str) -> Option<Outer<'_>> {
    let (mut words, mut rest) = ([""; 5], text);
    for word in &mut words {
        (*word, rest) = split_at(rest, " ")?;
    }
    let [_, host, app, ..] = words;
    let text = rest.get(structured_data_len(rest.as_bytes())?..)?;
    let is_there = |word: &&str| is_host(word);
    Some(Outer {
        host: Some(host).filter(is_there),
        tag: Some(app).filter(|app| *app != "-"),
        text: behind("% %[\u{feff}%]", text)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::data::rows;

    #[test]
    fn what_others_put_before_a_line_is_taken_and_no_more() {
        // A bar would end a cell.
        let compose = "db_1-1  | 2026-11-28 17:00:00 UTC [7] x";
        let compose = [compose, "", "", "2026-11-28 17:00:00 UTC [7] x"];
        let others = rows(
            r#"
            Nov 28 17:00:00 srv1 db[7]: [9-1] x               | srv1 | db         | [9-1] x
            <27>Nov 28 17:00:00 srv1 db: x                    | srv1 | db         | x
            2026-11-28T17:00:00.1+00:00 srv1 srv1 web: x      | srv1 | web        | x
            2026-11-28T17:00:00+0000 srv1 mail/smtpd[7]: x    | srv1 | mail/smtpd | x
            Nov 28 17:00:00 srv1 daemon.err db[7]: x          | srv1 | db         | x
            <27>1 2026-11-28T17:00:00Z srv1 db 7 - -  x       | srv1 | db         | x
            <27>1 2026-11-28T17:00:00Z srv1 - - - [a b="]"] x | srv1 |            | x
            <6>[ 6759.369821] x                               |      |            | [ 6759.369821] x
            2026-11-28T17:00:00.1Z stderr F x                 |      |            | x
            2026-11-28 17:00:00 evil db[7]: x                 |      |            | 2026-11-28 17:00:00 evil db[7]: x
            2026-11-28 17:00:00 UTC [7] LOG C-0x1: x          |      |            | 2026-11-28 17:00:00 UTC [7] LOG C-0x1: x
            Nov 28 17:00:00 srv1 other db[7]: x               |      |            | Nov 28 17:00:00 srv1 other db[7]: x
            x                                                 |      |            | x"#,
        );
        for [message, host, tag, text] in others.chain([compose]) {
            let found = outer(message, false);
            let [found_host, found_tag] = [found.host, found.tag].map(Option::unwrap_or_default);
            assert_eq!(
                [found_host, found_tag, found.text],
                [host, tag, text],
                "{message}"
            );
        }
    }
}
