//! The commands that an administrator can run now. Names come from logs and so from attackers: each stays one word of the shell,
//! and one that might steer a terminal, an option or a pattern stands in none.

use std::net::IpAddr;

use maxconn_core::recognisers::run_now;

use crate::written::{Distinct, Flood};

/// The commands for a flood, comments (`# …`) among them.
pub fn commands(flood: &Flood) -> Vec<String> {
    let only = |distinct: &Distinct| match (distinct.count, distinct.names.as_slice()) {
        (1, [name]) => Some(name.clone()),
        _ => None,
    };
    let user = only(&flood.users).filter(|_| flood.stage.as_deref() != Some("before-auth"));
    let ip = only(&flood.ips).and_then(|ip| ip.parse::<IpAddr>().ok());
    let service = flood.service.as_deref().and_then(plain).unwrap_or("NAME");
    let place = |name: char| match name {
        'i' => ip.map(|ip| ip.to_string()),
        's' => ip.map(socket),
        'u' => user.as_deref().and_then(word),
        'n' => Some(service.to_string()),
        'p' => Some(protocol(service).to_string()),
        'l' => plain(&flood.limit).map(str::to_string),
        'm' => Some(
            flood
                .limit_value
                .map_or("N".to_string(), |value| value.saturating_mul(2).to_string()),
        ),
        _ => None,
    };
    // In one go, so that no name can bring a place of its own.
    let filled = |template: &&str| {
        let mut parts = template.split('%');
        let mut line = parts.next().unwrap_or_default().to_string();
        for part in parts {
            let mut rest = part.chars();
            line.push_str(&place(rest.next()?)?);
            line.push_str(rest.as_str());
        }
        Some(line)
    };
    let lines = run_now(&flood.server, &flood.limit).iter();
    let ask = ask(flood, user.as_deref().and_then(word), ip);
    lines.filter_map(filled).chain(ask).collect()
}

/// Whom to ask what, as a comment.
fn ask(flood: &Flood, user: Option<String>, ip: Option<IpAddr>) -> Option<String> {
    let user = user.unwrap_or_else(|| "the user".to_string());
    let ip = ip.map_or("the address".to_string(), |ip| ip.to_string());
    let question = match flood.cause.hint.as_str() {
        "retry-storm" => {
            format!(
                "{user}: which devices and programs read this mailbox, and what changed on them when it began?"
            )
        }
        "many-folders" => {
            format!(
                "{user}: which program is it, and how many folders does it keep open (IDLE, cached connections)?"
            )
        }
        "many-addresses" => format!("{user}: were all of these logins yours?"),
        "shared-address" => format!("whoever runs {ip}: how many people share it?"),
        "webmail-or-proxy" => {
            format!("whoever runs the machine at {ip}: what there opens connections?")
        }
        "pool-retry" => format!(
            "whoever runs the application at {ip}: how large is its pool, and does it pause before it tries again?"
        ),
        _ => return None,
    };
    Some(format!("# Ask {question}"))
}

/// A name of a service or limit, which no shell and no configuration takes for more.
fn plain(name: &str) -> Option<&str> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    (!name.is_empty() && name.len() <= 64 && !name.starts_with('-') && name.chars().all(is_plain))
        .then_some(name)
}

/// The protocol of a service of Dovecot's.
fn protocol(service: &str) -> &str {
    match service {
        "NAME" => "imap",
        service => service.strip_suffix("-login").unwrap_or(service),
    }
}

/// What a shell makes of a command; `None` if it is not complete.
pub fn words(command: &str) -> Option<Vec<String>> {
    shlex::split(command)
}

/// An address as `ss` takes it.
fn socket(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        // It would take the last part for a port.
        IpAddr::V6(ip) => shlex::try_quote(&format!("[{ip}]")).map_or(String::new(), Into::into),
    }
}

/// A longer name may have been cut, and would be somebody else's.
const NAME_MAX_BYTES: usize = 250;

/// A name as a word of the shell; `None` for one that a program or a terminal would take for more than a name.
fn word(name: &str) -> Option<String> {
    let is_option = name.starts_with('-');
    // Masks of users, where a command takes any.
    let is_pattern = name.contains(['*', '?']);
    let is_hidden = |it: char| it.is_control() || is_invisible(it);
    let is_cut = name.len() > NAME_MAX_BYTES;
    if name.is_empty()
        || is_cut
        || is_option
        || is_pattern
        || is_address(name)
        || name.contains(is_hidden)
    {
        return None;
    }
    shlex::try_quote(name).ok().map(Into::into)
}

/// Whether some program would take a name for an address or a network: `0/0`, `1001`, `::/0`.
fn is_address(name: &str) -> bool {
    let is_of_one = |it: char| it.is_ascii_hexdigit() || matches!(it, 'x' | 'X' | '.' | ':' | '/');
    name.chars().all(is_of_one)
        && (name.starts_with(|it: char| it.is_ascii_digit()) || name.contains(':'))
}

/// Characters that turn or hide others, or look like blanks.
fn is_invisible(it: char) -> bool {
    matches!(it, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || (it.is_whitespace() && it != ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_more_than_a_word() {
        for name in [
            "bob",
            "$(reboot)",
            "`reboot`",
            "'; reboot; '",
            "\"; reboot; \"",
            "a b",
            "a\\",
            "!!",
            "^a^b",
            "~root",
            "#",
            "a&b|c>d<e;f",
            "{a,b}",
            "[a]",
            "</script><img src=x onerror=alert(1)>",
            "zażółć gęślą jaźń",
        ] {
            let word = word(name).unwrap();
            let words = shlex::split(&format!("doveadm who -1 {word}")).unwrap();
            assert_eq!(words, ["doveadm", "who", "-1", name], "{word}");
        }
        for name in [
            "",
            "-a",
            "--all",
            "*",
            "bo?",
            "a\nreboot",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "a\u{2028}b",
            "\u{7f}",
            "a\rb",
            "a\tb",
            "\0",
            "0.0.0.0/0",
            "0/0",
            "1001",
            "0x7f.1",
            "::/0",
            "fe80::1",
        ] {
            assert_eq!(word(name), None, "{name:?}");
        }
        assert_eq!(word(&"a".repeat(255)), None, "it may be cut");
    }

    #[test]
    fn a_shell_sees_the_name_and_runs_nothing() {
        let names = [
            "$(echo x)",
            "`echo x`",
            "'; echo x; '",
            "\" ; echo x",
            "a\\'b",
            "!x",
            "~",
            "é",
        ];
        for name in names {
            let script = format!("printf %s {}", word(name).unwrap());
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), name);
        }
    }
}
