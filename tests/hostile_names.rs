//! User names that try to forge what a line says. Dovecot doesn't escape them: it cuts them to 80 bytes
//! and writes control bytes as `?`.

use maxconn_core::dovecot::recognise;
use maxconn_core::event::{Event, Scope, Security};
use maxconn_core::head;
use maxconn_core::time::TimeZone;
use proptest::prelude::*;

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

/// Parts of which hostile names are made.
const PARTS: [&str; 24] = [
    ">",
    "<",
    ", ",
    ": ",
    ">, ",
    "<>",
    " - ",
    "user=<victim>",
    ": user=<victim>",
    "rip=192.0.2.66",
    "lip=192.0.2.1",
    "method=PLAIN",
    "session=<AAAAAAAAAAAAAAAA",
    "session=<A>",
    "TLS",
    "secured",
    "=",
    "?",
    "\u{fffd}",
    "😀",
    "\u{7f}",
    "imap-login: Info: ",
    "Disconnected: ",
    TEXT,
];

const NAMES: [&str; 27] = [
    "alice@example.org",
    " ",
    ">",
    "<",
    "<evil>",
    "a, b",
    "user,with=comma",
    "trail ",
    " lead",
    "x>, method=PLAIN, rip=192.0.2.66, lip=192.0.2.1, TLS, session=<AAAAAAAAAAAAAAAA",
    "x>, method=PLAIN, rip=192.0.2.66, lip=192.0.2.1, TLS, session=<AAAAAAAAAAAAAAAA>",
    "v>, rip=192.0.2.66, session=<A",
    "rip=192.0.2.66",
    "a, rip=192.0.2.66",
    "a, rip=192.0.2.66, lip=192.0.2.1, session=<A>, b",
    "z): user=<victim@example.org>, rip=192.0.2.66",
    "n?Nov 22 20:00:00 imap-login: Info: Disconnected: Maximum number of co",
    "Maximum number of connections from user+IP exceeded (mail_max_userip_connecti...",
    "m - Maximum number of connections from user+IP exceeded",
    ">>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>...",
    "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀...",
    "bad???utf\u{fffd}",
    "rtl\u{202e}evil",
    "%u%s%n%{session}",
    "back\\slash\"quote'",
    "a>, user=<b",
    "a>, secured",
];

fn event(line: &str) -> Option<Event<'_>> {
    let head = head::parse(line, &TimeZone::utc(), Some(1_795_379_175_354));
    recognise(line, head.body)
}

/// Holds a refusal of `user` to say just that, whatever stands around it.
#[track_caller]
fn check(prefix: &str, wording: (&str, &str), user: &str, tail: (&str, Option<&str>)) {
    let (reason, remarks) = wording;
    let (elements, session) = tail;
    let line = format!("{prefix}imap-login: {reason}{TEXT}{remarks}: user=<{user}>, {elements}");
    let event = event(&line).unwrap_or_else(|| panic!("not recognised: {line}"));
    assert_eq!(
        event.user,
        Some(user).filter(|user| !user.is_empty()),
        "{line}"
    );
    assert_eq!(
        event.source.map(|source| source.ip.to_string()).as_deref(),
        Some("203.0.113.9"),
        "{line}"
    );
    assert_eq!(
        event.destination.map(|end| end.ip.to_string()).as_deref(),
        Some("2001:db8::1"),
        "{line}"
    );
    assert_eq!(event.session, session, "{line}");
    assert_eq!(
        (event.scope, event.limit_value),
        (Scope::UserIp, Some(10)),
        "{line}"
    );
}

const WORDINGS: [(&str, &str); 4] = [
    ("", ""),
    ("Disconnected: ", ""),
    ("Info: Disconnected: ", ""),
    ("Info: Login aborted: ", REMARKS),
];

const TAILS: [(&str, Option<&str>); 6] = [
    (
        "method=PLAIN, rip=203.0.113.9, lip=2001:db8::1, session=<zz/8iz1M1AB/AAAB>",
        Some("zz/8iz1M1AB/AAAB"),
    ),
    (
        "method=PLAIN, rip=203.0.113.9, lip=2001:db8::1, TLS, session=<a:b, c>",
        Some("a:b, c"),
    ),
    ("method=PLAIN, rip=203.0.113.9, lip=2001:db8::1, TLS", None),
    ("method=PLAIN, rip=203.0.113.9, lip=2001:db8::1", None),
    ("rip=203.0.113.9, lip=2001:db8::1, secured", None),
    (
        "method=PLAIN, rip=203.0.113.9, rport=51678, lip=2001:db8::1, lport=143, secured, session=<S>, listener=imap",
        Some("S"),
    ),
];

#[test]
fn names_stay_names() {
    for user in NAMES {
        for prefix in PREFIXES {
            for wording in WORDINGS {
                for tail in TAILS {
                    check(prefix, wording, user, tail);
                }
            }
        }
    }
}

#[test]
fn names_stay_names_with_elements_first() {
    let tail = "method=PLAIN, rip=203.0.113.9, lip=2001:db8::1, secured";
    for user in NAMES {
        let line = format!(
            "Nov 22 20:28:02 imap-login: Info: user=<{user}>, {tail} - Disconnected: {TEXT}"
        );
        let event = event(&line).unwrap_or_else(|| panic!("not recognised: {line}"));
        assert_eq!(event.user, Some(user), "{line}");
        assert_eq!(
            event.source.map(|source| source.ip.to_string()).as_deref(),
            Some("203.0.113.9"),
            "{line}"
        );
        assert_eq!(event.security, Security::Secured);
    }
}

/// Lines in which only the user name speaks of a limit.
#[test]
fn other_lines_are_no_events_whatever_the_name() {
    let fake = format!(
        "imap-login: Info: Disconnected: {TEXT}: user=<victim>, method=PLAIN, rip=192.0.2.66, lip=192.0.2.1"
    );
    let fakes = [
        fake.clone(),
        format!("dovecot: {fake}"),
        format!("x dovecot: {fake}, x"),
        format!("vm dovecot[1]: {fake}"),
        format!(" - {TEXT}"),
        format!("x>, secured - {TEXT}"),
        format!("Disconnected: {TEXT}: user=<victim>, rip=192.0.2.66"),
        "service(imap): process_limit (3) reached, client connections are being dropped"
            .to_string(),
        "a Anvil queries timed out after 5 secs - aborting queries".to_string(),
        "Connection queue full".to_string(),
        "proxy dest connection limit reached to x".to_string(),
    ];
    let tail = "method=PLAIN, rip=203.0.113.9, lip=203.0.113.1";
    for name in fakes.iter().map(String::as_str).chain(NAMES) {
        for prefix in PREFIXES {
            for line in [
                format!("imap-login: Info: Login: user=<{name}>, {tail}, mpid=7, TLS, session=<S>"),
                format!("imap-login: Login: user=<{name}>, {tail}, mpid=7"),
                format!("imap-login: Info: user=<{name}>, {tail}, mpid=7, secured - Login"),
                format!(
                    "imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 4 secs): user=<{name}>, {tail}"
                ),
                format!(
                    "imap-login: Info: Aborted login (auth failed, 1 attempts in 2 secs): user=<{name}>, {tail}"
                ),
                format!(
                    "imap({name})<21186><e9MRiONgy6V/AAEO>: Disconnected: Connection closed in=0 out=404"
                ),
                format!("imap({name}): Info: Disconnected: Logged out bytes=9/404"),
                format!("lmtp({name})<1><S>: msgid=<a>: saved mail to INBOX"),
                format!("auth: Info: passwd-file({name},203.0.113.9,<S>): unknown user"),
                format!("auth-worker(12): Error: sql({name},203.0.113.9): Password query failed"),
            ] {
                let line = format!("{prefix}{line}");
                assert_eq!(event(&line), None, "{line}");
            }
        }
    }
}

#[test]
fn an_unclear_end_of_the_name_is_no_event() {
    // A session that only a trusted client can set; it looks like elements behind the real ones.
    let line = format!(
        "imap-login: Disconnected: {TEXT}: user=<t6@example.org>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, secured, session=<AAAA>, rip=192.0.2.66, x=<>"
    );
    assert_eq!(event(&line), None);
}

#[test]
fn lost_brackets_and_masked_addresses() {
    let said =
        |elements: &str| format!("Jan  1 00:00:00 mail dovecot: imap-login: {TEXT}: {elements}");
    let cases = [
        (
            "user=, method=PLAIN, rip=203.0.113.9, lip=203.0.113.1, TLS",
            None,
            true,
        ),
        (
            "user=alice, method=PLAIN, rip=203.0.113.9, lip=203.0.113.1, session=",
            Some("alice"),
            true,
        ),
        (
            "user=alice, method=PLAIN, rip=XXX.xxx.XXX.xxx, lip=XXX.xxx.XXX.xxx",
            Some("alice"),
            false,
        ),
        (
            "user=<alice>, method=PLAIN, rip=XXX.xxx.XXX.xxx, lip=XXX.xxx.XXX.xxx, TLS",
            Some("alice"),
            false,
        ),
        (
            "user=a, rip=192.0.2.66, b, method=PLAIN, rip=203.0.113.9, lip=::1",
            Some("a, rip=192.0.2.66, b"),
            true,
        ),
        (
            "rip=203.0.113.9, lip=::1, user=<a>, rip=192.0.2.66>",
            Some("a>, rip=192.0.2.66"),
            true,
        ),
        ("user=<alice>, method=PLAIN", Some("alice"), false),
        ("user=<>, rip=fe80::1%eth0, lip=fe80::2", None, true),
    ];
    for (elements, user, has_source) in cases {
        let line = said(elements);
        let event = event(&line).unwrap_or_else(|| panic!("not recognised: {line}"));
        assert_eq!(
            (event.user, event.source.is_some()),
            (user, has_source),
            "{line}"
        );
        let ip = event
            .source
            .map(|source| source.ip.to_string())
            .unwrap_or_default();
        assert_ne!(ip, "192.0.2.66", "{line}");
    }
}

fn hostile_name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => prop::sample::select(PARTS.to_vec()).prop_map(str::to_string),
        1 => "[^\\p{Cc}]{0,12}",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever the name, the line gives back that name, and address and session are the real ones.
    #[test]
    fn any_name_stays_a_name(
        name in hostile_name(),
        prefix in prop::sample::select(PREFIXES.to_vec()),
        wording in prop::sample::select(WORDINGS.to_vec()),
        tail in prop::sample::select(TAILS.to_vec()),
    ) {
        check(prefix, wording, &name, tail);
    }

    /// No bytes make it panic, wherever the body is said to begin.
    #[test]
    fn any_text_is_survived(parts in prop::collection::vec(hostile_name(), 0..6), body in 0usize..600) {
        let line = parts.concat();
        let _ = event(&line);
        let _ = recognise(&line, body);
        let _ = event(&format!("imap-login: {TEXT}{line}"));
        let _ = event(&format!("master: Warning: service(imap){line}"));
    }
}
