//! User names that try to say what a line says. Dovecot does not escape them: it cuts them to 80 bytes and
//! writes control bytes as `?`.

use arbitrary::Unstructured;
use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Kind, Output, Source, Verdict};
use serde_json::{Value, json};

const NAME_MAX_BYTES: usize = 80;
const TEXT: &str =
    "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)";
const REMARKS: &str =
    " (connection limit reached, 1/1 successful auths in 0 secs) (connection_limit)";

const PREFIXES: [&str; 8] = [
    "",
    "Info: ",
    "Nov 22 20:13:51 ",
    "dovecot: Nov 22 20:13:51 Info: ",
    "Nov 22 20:26:15 vm dovecot: ",
    "<22>1 2026-11-22T20:26:15.354684+00:00 vm dovecot - - -  ",
    "2016-10-06T00:17:09.669794202Z stdout F ",
    "Nov 22 20:13:51 outer 4e62d58591fd[1972]: Nov 22 20:13:51 mail dovecot: ",
];

const WORDINGS: [(&str, &str); 4] = [
    ("", ""),
    ("Disconnected: ", ""),
    ("Info: Disconnected: ", ""),
    ("Info: Login aborted: ", REMARKS),
];

const TAILS: [(&str, Option<&str>); 4] = [
    (
        "method=PLAIN, rip=203.0.113.9, lip=2001:db8::1, TLS, session=<zz/8iz1M1AB/AAAB>",
        Some("zz/8iz1M1AB/AAAB"),
    ),
    ("method=PLAIN, rip=203.0.113.9, lip=2001:db8::1", None),
    ("rip=203.0.113.9, lip=2001:db8::1, secured", None),
    (
        "method=PLAIN, rip=203.0.113.9, rport=51678, lip=2001:db8::1, lport=143, secured, session=<S>",
        Some("S"),
    ),
];

/// How many bytes choose the shape of the line.
const CHOICE_BYTES: usize = 8;

pub fn run(data: &[u8]) {
    let (choice, name) = data.split_at(data.len().min(CHOICE_BYTES));
    let u = &mut Unstructured::new(choice);
    let name = written(&String::from_utf8_lossy(name));
    let prefix = of(u, &PREFIXES);
    let (reason, remarks) = of(u, &WORDINGS);
    let (elements, session) = of(u, &TAILS);
    let shape: u8 = u.arbitrary().unwrap_or_default();
    let first = u.arbitrary().unwrap_or(0_u8) % 4 == 1;
    let refusal = match first {
        // The name before the text, as administrators have it in `login_log_format`.
        true => {
            format!("{prefix}imap-login: Info: user=<{name}>, {elements} - Disconnected: {TEXT}")
        }
        false => format!("{prefix}imap-login: {reason}{TEXT}{remarks}: user=<{name}>, {elements}"),
    };
    // A session behind the elements may look like anything; only servers set it.
    if !(first && session.is_some()) {
        refused(&record(&refusal, shape), &name, session);
    }
    for line in others(&name, elements, remarks) {
        let record = record(&format!("{prefix}{line}"), shape);
        let mut out = Output::default();
        let verdict = engine().push(&Source::default(), &record, Some(0), None, &mut out);
        assert_eq!(
            verdict,
            Verdict::Passed,
            "{}",
            String::from_utf8_lossy(&record)
        );
    }
}

fn of<T: Copy>(u: &mut Unstructured<'_>, all: &[T]) -> T {
    let at = usize::from(u.arbitrary().unwrap_or(0_u8)) % all.len();
    all.get(at)
        .copied()
        .unwrap_or_else(|| panic!("there is none"))
}

fn engine() -> Engine {
    Engine::new(Config::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// A name as Dovecot writes it.
fn written(name: &str) -> String {
    let mut name: String = name
        .chars()
        .map(|char| if char < ' ' { '?' } else { char })
        .collect();
    if name.len() > NAME_MAX_BYTES {
        let end = (0..=NAME_MAX_BYTES - 3)
            .rev()
            .find(|at| name.is_char_boundary(*at));
        name.truncate(end.unwrap_or(0));
        name += "...";
    }
    name
}

/// The record that a shipper makes of a line.
fn record(line: &str, shape: u8) -> Vec<u8> {
    match shape % 4 {
        0 => line.to_string(),
        1 => json!({ "message": line }).to_string(),
        2 => json!({ "log": format!("{line}\n"), "stream": "stderr" }).to_string(),
        _ => json!({ "MESSAGE": line.as_bytes(), "_HOSTNAME": "vm" }).to_string(),
    }
    .into_bytes()
}

/// Holds a refusal to say just what the server said.
fn refused(record: &[u8], name: &str, session: Option<&str>) {
    let shown = String::from_utf8_lossy(record);
    let mut out = Output::default();
    let verdict = engine().push(&Source::default(), record, Some(0), None, &mut out);
    assert_eq!(verdict, Verdict::Enriched, "{shown}");
    let enriched = out
        .segments
        .iter()
        .find(|segment| segment.kind == Kind::Enriched);
    let piece = enriched.and_then(|it| {
        out.bytes
            .get(it.start as usize..(it.start + it.len) as usize)
    });
    let document: Value = serde_json::from_slice(piece.unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {shown}"));
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    for (pointer, expected) in [
        ("/user/name", Some(name).filter(|name| !name.is_empty())),
        ("/source/ip", Some("203.0.113.9")),
        ("/destination/ip", Some("2001:db8::1")),
        ("/maxconn/session/id", session),
        ("/service/name", Some("imap-login")),
        ("/event/action", Some("connection-limit-exceeded")),
        ("/maxconn/limit/name", Some("mail_max_userip_connections")),
    ] {
        assert_eq!(text(pointer), expected, "{pointer} of {shown}");
    }
    assert_eq!(document.pointer("/maxconn/flood"), None, "{shown}");
}

/// Lines in which only the name speaks of a limit.
fn others(name: &str, tail: &str, remarks: &str) -> [String; 7] {
    [
        format!("imap-login: Info: Login: user=<{name}>, {tail}, mpid=7, TLS, session=<S>"),
        format!("imap-login: Login: user=<{name}>, {tail}, mpid=7"),
        format!(
            "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 4 secs): user=<{name}>, {tail}"
        ),
        format!(
            "imap({name})<21186><e9MRiONgy6V/AAEO>: Disconnected: Connection closed in=0 out=404"
        ),
        format!("imap({name}): Info: Disconnected: Logged out bytes=9/404{remarks}"),
        format!("auth: Info: passwd-file({name},203.0.113.9,<S>): unknown user"),
        format!("lmtp({name})<1><S>: msgid=<a>: saved mail to INBOX"),
    ]
}

pub fn seeds() -> Vec<Vec<u8>> {
    let names = [
        "alice@example.org",
        "",
        "<evil>",
        "user,with=comma",
        "x>, method=PLAIN, rip=192.0.2.66, lip=192.0.2.1, TLS, session=<AAAAAAAAAAAAAAAA>",
        "a, rip=192.0.2.66, lip=192.0.2.1, session=<A>, b",
        "z): user=<victim@example.org>, rip=192.0.2.66",
        "imap-login: Info: Disconnected: Maximum number of connections from user+IP ex...",
        " - Maximum number of connections from user+IP exceeded",
        "x>, secured - Maximum number of connections from user+IP exceeded",
        "service(imap): process_limit (3) reached, client connections are being dropped",
        "back\\slash\"quote'",
        "rtl\u{202e}evil \u{1f600}",
    ];
    let mut all: Vec<Vec<u8>> = names
        .iter()
        .enumerate()
        .map(|(number, name)| [&[number as u8; CHOICE_BYTES][..], name.as_bytes()].concat())
        .collect();
    all.extend(super::seeds::files("fuzz/forging"));
    all
}
