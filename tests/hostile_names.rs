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
        (event.user, event.session_text()),
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
    let heads = &TABLE.heads;
    let parts_of_heads = [
        &heads.fronts,
        &heads.words,
        &heads.times,
        &heads.hosts,
        &heads.priorities,
        &heads.tags,
        &heads.other_tags,
        &heads.ends,
        &TABLE.fakes,
    ];
    let parts_of_heads: Vec<String> = parts_of_heads
        .into_iter()
        .flatten()
        .map(|part| part.replace(char::is_control, "?"))
        .collect();
    let part = prop_oneof![
        3 => prop::sample::select(TABLE.parts.clone()),
        2 => prop::sample::select(parts_of_heads),
        1 => "[^\\p{Cc}]{0,12}",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// A head by its grammar, and whether it ends with a tag.
fn head_of_a_line() -> impl Strategy<Value = (String, bool)> {
    fn one(parts: &[String]) -> impl Strategy<Value = String> + use<> {
        prop::sample::select(parts.to_vec())
    }
    fn maybe(parts: &[String]) -> impl Strategy<Value = String> + use<> {
        prop_oneof![Just(String::new()), one(parts)]
    }
    let heads = &TABLE.heads;
    let bare_time = one(&heads.times).prop_filter("it is of the line's start", |time| {
        !time.starts_with("[1") && !time.starts_with("Okt")
    });
    let bare_time = bare_time.boxed();
    let time = (maybe(&heads.words), one(&heads.times)).prop_map(|(words, time)| {
        // A month of another language is a word, too, and the time since the start is no time.
        let is_word = time.starts_with("Okt") || time.starts_with("[1");
        if is_word { time } else { words + &time }
    });
    let time = time.boxed();
    let stamped = |time: &BoxedStrategy<String>| {
        let parts = (
            time.clone(),
            maybe(&heads.priorities),
            one(&heads.hosts),
            maybe(&heads.priorities),
            prop_oneof![one(&heads.tags), one(&heads.other_tags)],
        );
        let parts = parts
            .prop_map(|(time, before, host, behind, tag)| time + &before + &host + &behind + &tag);
        parts.boxed()
    };
    let (inner, stamped) = (stamped(&bare_time), stamped(&time));
    let tagged = prop_oneof![
        2 => one(&heads.tags),
        2 => (prop::sample::select(vec!["mail ", "192.0.2.50 ", "<22>mail "]), one(&heads.tags))
            .prop_map(|(host, tag)| host.to_string() + &tag),
        1 => (time.clone(), one(&heads.tags)).prop_map(|(time, tag)| time + &tag),
        4 => stamped.clone(),
        2 => (stamped, inner).prop_map(|(outer, inner)| outer + &inner),
    ];
    let body = prop_oneof![
        1 => Just((String::new(), false)),
        2 => time.clone().prop_map(|time| (time, false)),
        1 => (time.clone(), time.clone()).prop_map(|(outer, inner)| (outer + &inner, false)),
        1 => (one(&heads.other_tags), bare_time).prop_map(|(tag, time)| (tag + &time, false)),
        6 => tagged.prop_map(|head| (head, true)),
    ];
    (maybe(&heads.fronts), body).prop_map(|(front, (head, is_tagged))| {
        // What a search puts in front must be followed by a time or a tag.
        let words = TABLE
            .heads
            .words
            .iter()
            .any(|words| head.starts_with(words));
        let is_file = front.ends_with(':') && (head.is_empty() || words || head.starts_with("[1"));
        let front = if is_file { String::new() } else { front };
        (front + &head, is_tagged)
    })
}

/// As web pages have it in their source.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// So many cases, or as many as PROPTEST_CASES says.
fn cases(number: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let number = asked.and_then(|text| text.parse().ok()).unwrap_or(number);
    ProptestConfig {
        // Some heads are no prefix of a line; of millions there are many.
        max_local_rejects: number.saturating_add(65_536),
        ..ProptestConfig::with_cases(number)
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    /// Whatever the name, behind whatever head: time and host are the head's, all else is the line's own.
    #[test]
    fn nothing_in_a_name_passes_for_a_head(
        (head, _) in head_of_a_line(),
        name in hostile_name(),
        wording in prop::sample::select(TABLE.wordings.clone()),
        tail in prop::sample::select(TABLE.tails.clone()),
        end in prop::sample::select(TABLE.heads.ends.clone()),
    ) {
        let (zone, reference) = (TimeZone::utc(), Some(1_795_379_175_354));
        let expected = head::parse(&head, &zone, reference);
        let (elements, session) = tail;
        let (reason, remarks) = &wording;
        let text = &TABLE.text;
        let line = format!("{head}imap-login: {reason}{text}{remarks}: user=<{name}>, {elements}{end}");
        let found = head::parse(&line, &zone, reference);
        prop_assert_eq!(found.body, head.len(), "{}", line);
        prop_assert_eq!(found.time_ms, expected.time_ms, "{}", line);
        prop_assert_eq!(found.host, expected.host, "{}", line);
        check(&head, &wording, &name, &(elements.clone() + &end, session.clone()));

        let first = format!("{head}imap-login: Info: user=<{name}>, method=PLAIN, rip=203.0.113.9, lip=::1, secured - Disconnected: {text}{end}");
        let event = event(&first);
        prop_assert_eq!(event.as_ref().and_then(|event| event.user).unwrap_or_default(), name.as_str(), "{}", first);
        prop_assert_eq!(ip(event.and_then(|event| event.source)), "203.0.113.9", "{}", first);
    }

    /// Lines in which only a name speaks of a limit, of Dovecot and of others, are no events, and no head reaches it.
    #[test]
    fn no_other_line_is_an_event_behind_any_head(
        (head, is_tagged) in head_of_a_line(),
        name in hostile_name(),
        other in prop::sample::select(TABLE.others.clone()),
        program in prop::sample::select(TABLE.programs.clone()),
        tail in prop::sample::select(TABLE.tails.clone()),
        end in prop::sample::select(TABLE.heads.ends.clone()),
    ) {
        let mut texts = vec![other.replace("{tail}", &tail.0)];
        if is_tagged || head.is_empty() {
            texts.push(program);
        }
        for text in texts {
            let line = format!("{head}{}{end}", text.replace("{name}", &name));
            prop_assert_eq!(event(&line), None, "{}", line);
            let found = head::parse(&line, &TimeZone::utc(), None);
            let before = head.len() + text.find("{name}").unwrap_or_default();
            prop_assert!(found.body <= before, "{}", line);
        }
    }

    /// The same as a web page's source has it: the name stays the name, brackets and all.
    #[test]
    fn names_in_a_page_stay_names(
        (head, _) in head_of_a_line(),
        name in hostile_name(),
        wording in prop::sample::select(TABLE.wordings.clone()),
        (elements, session) in prop::sample::select(TABLE.tails.clone()),
    ) {
        let (name, elements) = (escaped(&name), escaped(&elements));
        let (reason, remarks) = wording;
        let line = format!("{head}imap-login: {reason}{}{remarks}: user=&lt;{name}&gt;, {elements}", TABLE.text);
        let event = event(&line).unwrap_or_else(|| panic!("not recognised: {line}"));
        prop_assert_eq!(event.user.unwrap_or_default(), name.as_str(), "{}", line);
        prop_assert_eq!(ip(event.source), "203.0.113.9", "{}", line);
        prop_assert_eq!(event.session_text(), session.as_deref(), "{}", line);
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

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
