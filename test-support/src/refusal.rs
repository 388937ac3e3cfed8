//! The lines that Dovecot writes of refusals. Several on one line of code differ by what tests need: users, addresses,
//! times and what stands around the message.

use std::ops::Range;

/// Words that every refusal has.
pub const WORDS: &str = "Maximum number of connections from user+IP exceeded";

/// The message about a user at an address. More elements may follow it.
pub fn message(user: &str, ip: &str) -> String {
    format!(
        "imap-login: {WORDS} (mail_max_userip_connections=10): user=<{user}>, method=PLAIN, rip={ip}, lip=192.0.2.2"
    )
}

/// A line of syslog, whatever the form of its time; newline included.
pub fn line(time: &str, user: &str, ip: &str) -> String {
    format!("{time} mail dovecot: {}\n", message(user, ip))
}

/// A record of JSON with a time in milliseconds, as shippers write it; newline included.
pub fn json(time_ms: i64, user: &str, ip: &str) -> String {
    let message = serde_json::Value::from(message(user, ip));
    format!("{{\"@timestamp\":{time_ms},\"message\":{message}}}\n")
}

/// Refusals of alice, one each second of January 5 from 00:00 on, with a serial number for the session; newlines
/// included.
pub fn each_second(seconds: Range<u32>) -> String {
    let line = |second: u32| {
        let (minutes, seconds) = (second / 60, second % 60);
        let message = message("alice", "192.0.2.7");
        format!(
            "Jan  5 00:{minutes:02}:{seconds:02} mail dovecot: {message}, session=<serial{second}>\n"
        )
    };
    seconds.map(line).collect()
}

/// Records that carry no event, newlines included.
pub fn others(numbers: Range<u32>) -> String {
    numbers
        .map(|number| format!("{{\"message\":\"nothing {number}\"}}\n"))
        .collect()
}
