//! User names that try to forge what a line says. Dovecot doesn't escape them: it cuts them to 80 bytes
//! and writes control bytes as `?`.

use maxconn_core::event::{Endpoint, Event, Scope, Security};
use maxconn_core::head;
use maxconn_core::recognisers::recognise;
use maxconn_core::time::TimeZone;
use proptest::prelude::*;
use test_support::data::rows;
use test_support::hostile::TABLE;

fn event(line: &str) -> Option<Event<'_>> {
    let head = head::parse(line, &TimeZone::utc(), Some(1_795_379_175_354));
    recognise(line, head.body)
}

fn ip(end: Option<Endpoint>) -> String {
    end.map_or(String::new(), |end| end.ip.to_string())
}

/// Holds a refusal of `user` to say just that, whatever stands around it.
#[track_caller]
fn check(
    prefix: &str,
    (reason, remarks): &(String, String),
    user: &str,
    (elements, session): &(String, Option<String>),
) {
    let text = &TABLE.text;
    let line = format!("{prefix}imap-login: {reason}{text}{remarks}: user=<{user}>, {elements}");
    let event = event(&line).unwrap_or_else(|| panic!("not recognised: {line}"));
    let user = Some(user).filter(|user| !user.is_empty());
    assert_eq!(
        (event.user, event.session),
        (user, session.as_deref()),
        "{line}"
    );
    let ends = [ip(event.source), ip(event.destination)];
    assert_eq!(ends, ["203.0.113.9", "2001:db8::1"], "{line}");
    let limit = (event.scope, event.limit_value);
    assert_eq!(limit, (Scope::UserIp, Some(10)), "{line}");
}

#[test]
fn names_stay_names() {
    for user in &TABLE.names {
        for prefix in &TABLE.prefixes {
            for wording in &TABLE.wordings {
                for tail in &TABLE.tails {
                    check(prefix, wording, user, tail);
                }
            }
        }
    }
}

#[test]
fn names_stay_names_with_elements_first() {
    let tail = "method=PLAIN, rip=203.0.113.9, lip=2001:db8::1, secured";
    let text = &TABLE.text;
    for user in &TABLE.names {
        let line = format!(
            "Nov 22 20:28:02 imap-login: Info: user=<{user}>, {tail} - Disconnected: {text}"
        );
        let event = event(&line).unwrap_or_else(|| panic!("not recognised: {line}"));
        assert_eq!(event.user, Some(user.as_str()), "{line}");
        assert_eq!(ip(event.source), "203.0.113.9", "{line}");
        assert_eq!(event.security, Security::Secured);
    }
}

/// Lines in which only the user name speaks of a limit.
#[test]
fn other_lines_are_no_events_whatever_the_name() {
    let tail = "method=PLAIN, rip=203.0.113.9, lip=203.0.113.1";
    for name in TABLE.fakes.iter().chain(&TABLE.names) {
        for prefix in &TABLE.prefixes {
            for other in &TABLE.others {
                let line = other.replace("{tail}", tail).replace("{name}", name);
                let line = format!("{prefix}{line}");
                assert_eq!(event(&line), None, "{line}");
            }
        }
    }
}

#[test]
fn an_unclear_end_of_the_name_is_no_event() {
    // A session that only a trusted client can set; it looks like elements behind the real ones.
    let text = &TABLE.text;
    let line = format!(
        "imap-login: Disconnected: {text}: user=<t6@example.org>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, secured, session=<AAAA>, rip=192.0.2.66, x=<>"
    );
    assert_eq!(event(&line), None);
}

#[test]
fn lost_brackets_and_masked_addresses() {
    let text = &TABLE.text;
    for [user, has_source, elements] in rows(
        "
        -                    | true  | user=, method=PLAIN, rip=203.0.113.9, lip=203.0.113.1, TLS
        alice                | true  | user=alice, method=PLAIN, rip=203.0.113.9, lip=203.0.113.1, session=
        alice                | false | user=alice, method=PLAIN, rip=XXX.xxx.XXX.xxx, lip=XXX.xxx.XXX.xxx
        alice                | false | user=<alice>, method=PLAIN, rip=XXX.xxx.XXX.xxx, lip=XXX.xxx.XXX.xxx, TLS
        a, rip=192.0.2.66, b | true  | user=a, rip=192.0.2.66, b, method=PLAIN, rip=203.0.113.9, lip=::1
        a>, rip=192.0.2.66   | true  | rip=203.0.113.9, lip=::1, user=<a>, rip=192.0.2.66>
        alice                | false | user=<alice>, method=PLAIN
        -                    | true  | user=<>, rip=fe80::1%eth0, lip=fe80::2",
    ) {
        let line = format!("Jan  1 00:00:00 mail dovecot: imap-login: {text}: {elements}");
        let event = event(&line).unwrap_or_else(|| panic!("not recognised: {line}"));
        assert_eq!(event.user.unwrap_or("-"), user, "{line}");
        assert_eq!(event.source.is_some().to_string(), has_source, "{line}");
        assert_ne!(ip(event.source), "192.0.2.66", "{line}");
    }
}

fn hostile_name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => prop::sample::select(TABLE.parts.clone()),
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
        prefix in prop::sample::select(TABLE.prefixes.clone()),
        wording in prop::sample::select(TABLE.wordings.clone()),
        tail in prop::sample::select(TABLE.tails.clone()),
    ) {
        check(&prefix, &wording, &name, &tail);
    }

    /// No bytes make it panic, wherever the body is said to begin.
    #[test]
    fn any_text_is_survived(parts in prop::collection::vec(hostile_name(), 0..6), body in 0usize..600) {
        let line = parts.concat();
        let _ = event(&line);
        let _ = recognise(&line, body);
        let _ = event(&format!("imap-login: {}{line}", TABLE.text));
        let _ = event(&format!("master: Warning: service(imap){line}"));
    }
}
