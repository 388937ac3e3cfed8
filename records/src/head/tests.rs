use super::*;
use crate::time::{parse_rfc3339, write_rfc3339_ms};
use alloc::string::String;
use alloc::vec::Vec;

fn read(text: &str) -> (String, Option<&str>, &str) {
    let zone = TimeZone::utc();
    let reference = parse_rfc3339(b"2026-11-23T00:00:00Z", &zone);
    let head = parse(text, &zone, reference);
    assert_eq!(time(text, &zone, reference), head.time_ms, "{text}");
    let untimed = parse_untimed(text, &zone);
    assert_eq!(
        (untimed.host, untimed.body),
        (head.host, head.body),
        "{text}"
    );
    let mut out = Vec::new();
    if let Some(time_ms) = head.time_ms {
        write_rfc3339_ms(time_ms, &mut out);
    }
    let time = String::from_utf8(out).expect("ASCII");
    (time, head.host, text.get(head.body..).expect("within"))
}

#[test]
fn heads_that_occur() {
    let at = "2026-11-22T20:13:51.000Z";
    let fine = "2026-11-22T20:13:51.722Z";
    let body = "imap-login: Login: user=<a>";
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("", "", None),
        ("Info: ", "", None),
        ("dovecot: ", "", None),
        ("Nov 22 20:13:51 ", at, None),
        ("Sun Nov 22 20:13:51 ", at, None),
        ("Nov 22 20:13:51 Info: ", at, None),
        ("dovecot: Nov 22 20:13:51 Info: ", at, None),
        ("<22>Nov 22 20:13:51 dovecot: ", at, None),
        ("<22>Nov 22 20:13:51 mydovecot[17]: ", at, None),
        ("Nov 22 20:13:51 vm dovecot: ", at, Some("vm")),
        (
            "Nov 22 20:13:51 fe80::1 dovecot[20515]: ",
            at,
            Some("fe80::1"),
        ),
        ("Nov 22 20:13:51 - dovecot: ", at, None),
        ("2026-11-22 20:13:51.722599 ", fine, None),
        ("2026-11-22T20:13:51.722599+0000 ", fine, None),
        (
            "2026-11-22T20:13:51.722599+00:00 vm dovecot[7]: ",
            fine,
            Some("vm"),
        ),
        (
            "<22>1 2026-11-22T20:13:51.722834+00:00 vm dovecot - - -  ",
            fine,
            Some("vm"),
        ),
        (
            "<22>1 - - dovecot 1 ID [a b=\"x] \\\" y\"][c] \u{feff}",
            "",
            None,
        ),
        ("2026-11-22T20:13:51.722794202Z stdout F ", fine, None),
        (
            "2026-11-22T20:13:51.722794202Z stderr P Nov 21 20:13:51 vm dovecot: ",
            fine,
            Some("vm"),
        ),
        (
            "Nov 22 20:13:51 outer 4e62d58591fd[1972]: Jun 15 18:43:47 mail dovecot: ",
            at,
            Some("outer"),
        ),
        ("22/11/2026 20:13:51 ", at, None),
        ("[22/11/2026:20:13:51] ", at, None),
        ("1795378431.722 ", fine, None),
    ];
    for (prefix, time, host) in cases {
        let text = [prefix, body].concat();
        assert_eq!(read(&text), (String::from(*time), *host, body), "{prefix}");
    }
}

#[test]
fn names_of_users_are_no_part_of_a_head() {
    let at = String::from("2026-11-22T20:13:51.000Z");
    for body in [
        "imap(x dovecot: imap-login: Maximum)<1><A>: Info: Disconnected",
        "imap-login: Info: Login: user=<Nov 22 20:13:51 vm dovecot: imap-login: >",
        "master: Warning: service(imap): process_limit (3) reached",
        "(x) dovecot: imap-login: ",
    ] {
        let text = ["Nov 22 20:13:51 ", body].concat();
        assert_eq!(read(&text), (at.clone(), None, body));
    }
}

#[test]
fn broken_heads_are_left_alone() {
    for text in [
        "<",
        "<22",
        "<2222>x",
        "<22>",
        "<22>1 ",
        "<22>1 2026",
        "Nov",
        "2026-11-22",
        "[",
        "dovecot",
        "\u{feff}",
    ] {
        let head = parse(text, &TimeZone::utc(), Some(0));
        assert!(
            text.get(head.body..).is_some() && head.host.is_none(),
            "{text}"
        );
    }
    let deep = "<1>".repeat(100);
    assert_eq!(parse(&deep, &TimeZone::utc(), None).body, 3 * PARTS_MAX);
    let without_year = parse("Nov 22 20:13:51 vm dovecot: x", &TimeZone::utc(), None);
    assert_eq!(
        without_year,
        Head {
            time_ms: None,
            host: Some("vm"),
            body: 28,
            stamp: Stamp {
                start: 0,
                len: 15,
                is_rfc5424: false
            }
        }
    );
}

/// Heads as daemons, containers and tools write them: each is skipped whole, and its host is told.
#[test]
fn parts_in_any_order() {
    let at = "2026-11-22T20:13:51.000Z";
    let (none, mail) = (None, Some("mail"));
    let cases: &[(&str, &str, Option<&str>)] = &[
        // Priorities, before the host and behind it.
        ("Nov 22 20:13:51 mail mail.info dovecot: ", at, mail),
        ("Nov 22 20:13:51 mail.info mail dovecot: ", at, mail),
        ("Nov 22 20:13:51 <mail.info> mail dovecot[7]: ", at, mail),
        ("Nov 22 20:13:51 <2.6> mail dovecot: ", at, mail),
        ("Nov 22 20:13:51 mail <22> dovecot: ", at, mail),
        ("Nov 22 20:13:51 mail [info] mydovecot: ", at, mail),
        ("Nov 22 20:13:51 mail (info) dovecot: ", at, mail),
        ("Nov 22 20:13:51 mail INFO dovecot: ", at, mail),
        ("Nov 22 20:13:51 mail mail.info<22> dovecot: ", at, mail),
        ("Nov 22 20:13:51 mail local7.notice: mydovecot: ", at, mail),
        ("Nov 22 20:13:51 mail mail.info ", at, mail),
        ("Nov 22 20:13:51 mail ", at, mail),
        ("Sun Nov 22 20:13:51 2026 mail.info dovecot[7]: ", at, none),
        (
            "Nov 22 20:13:51 mail dovecot: [ID 583609 mail.info] ",
            at,
            mail,
        ),
        (
            "2026-11-22 20:13:51\tMail.Info\t192.0.2.5\tdovecot: ",
            at,
            Some("192.0.2.5"),
        ),
        // Containers.
        ("dovecot-1  | ", "", none),
        ("dovecot    |", "", none),
        (
            "\u{1b}[36mdovecot-mailcow-1  | \u{1b}[0mNov 22 20:13:51 mail dovecot: ",
            at,
            mail,
        ),
        (
            "mail_dovecot.1.x2k9v7m3q1zc@node1    | Nov 22 20:13:51 ",
            at,
            none,
        ),
        (
            "2026-11-22T20:13:51Z mail_dovecot.1.x2k9@node1 | ",
            at,
            none,
        ),
        (
            "[pod/mail-0/dovecot] 2026-11-22T20:13:51Z Nov 21 20:13:51 ",
            at,
            none,
        ),
        ("mail-0 dovecot Nov 22 20:13:51 ", at, none),
        (
            "\u{1b}[32mmail-0\u{1b}[0m \u{1b}[34mdovecot\u{1b}[0m Nov 22 20:13:51 ",
            at,
            none,
        ),
        ("mailu-imap[12]: Nov 22 20:13:51 ", at, none),
        (
            "mx docker/mailu-imap/0123456789ab[12]: Nov 22 20:13:51 ",
            at,
            Some("mx"),
        ),
        (
            "2026-11-22T20:13:51Z mail/i-0abc Nov 22 20:13:51 mail dovecot: ",
            at,
            mail,
        ),
        (
            "2026-11-22 20:13:51.000000000  mail.info: Nov 22 20:13:51 dovecot: ",
            at,
            none,
        ),
        (
            "2026-11-22_20:13:51.00000 192.0.2.5: mail.info: dovecot: ",
            at,
            Some("192.0.2.5"),
        ),
        ("Nov 22 20:13:51 [dovecot] ", at, none),
        // A host and a tag without a time; a tag twice.
        ("mail dovecot: ", "", mail),
        ("mail mailu[7]: ", "", mail),
        ("<22>2001:db8::5 dovecot[7]: ", "", Some("2001:db8::5")),
        ("Nov 22 20:13:51 mail dovecot[7]: dovecot: ", at, mail),
        ("Nov 22 20:13:51 mail dovecot[xxxx]: ", at, mail),
        ("Nov 22 20:13:51 <redacted> dovecot: ", at, none),
        // journalctl.
        (
            "Sun 2026-11-22 20:13:51 UTC mail dovecot.service[7]: ",
            at,
            mail,
        ),
        ("Sun 2026-11-22 20:13:51 NZDT mail dovecot[7]: ", at, mail),
        ("So 2026-11-22 21:13:51 CET mail dovecot[7]: ", at, mail),
        ("1795378431.000000 mail dovecot[7]: ", at, mail),
        ("[12345.678901] mail dovecot[7]: ", "", mail),
        ("[   12.678901 <    0.000001 >] mail dovecot[7]: ", "", mail),
        ("    MESSAGE=", "", none),
        // What a search, a letter or an editor puts in front.
        ("mail.log:Nov 22 20:13:51 mail dovecot: ", at, mail),
        (
            "/var/log/mail.log.2.gz:12:Nov 22 20:13:51 mail dovecot: ",
            at,
            mail,
        ),
        ("maillog:mail dovecot[7]: ", "", mail),
        ("12:", "", none),
        ("(standard input):dovecot: ", "", none),
        (">> Nov 22 20:13:51 mail dovecot: ", at, mail),
        ("&gt; dovecot-1 | Nov 22 20:13:51 mail dovecot: ", at, mail),
        ("    12\tNov 22 20:13:51 mail dovecot: ", at, mail),
        (
            "178 <22>1 2026-11-22T20:13:51Z mail dovecot 7 - - ",
            at,
            mail,
        ),
        ("Okt 22 20:13:51 mail dovecot: ", "", mail),
        ("m\u{e4}r. 22 20:13:51 mail dovecot: ", "", mail),
    ];
    for (prefix, time, host) in cases {
        for body in [
            "imap-login: Login: user=<a>",
            "master: Warning: service(imap): x",
        ] {
            let text = [prefix, body].concat();
            assert_eq!(read(&text), (String::from(*time), *host, body), "{prefix}");
        }
    }
}

/// What other programs say begins with words, too, and then with what somebody chose.
#[test]
fn words_of_a_sentence_are_no_head() {
    for text in [
        "Invalid user Nov 22 20:13:51 mail dovecot: imap-login: x",
        "User dovecot: imap-login: x",
        "User |imap-login: x",
        "unknown user 22/11 20:13:51 dovecot: imap-login: x",
        "user imap-login: x",
        "user mail.info dovecot: imap-login: x",
        "user:imap-login: x",
        "user:Nov 22 20:13:51 dovecot: imap-login: x",
        "login failed: imap-login: x",
        "error: imap-login: x",
        "failed[x y]: imap-login: x",
        "failed[a]",
        "(x): imap-login: x",
        "<x> imap-login: x",
        "\"imap-login: x",
        "- imap-login: x",
        "a.b:c.d:imap-login: x",
    ] {
        let head = parse(text, &TimeZone::utc(), Some(0));
        assert_eq!((head.body, head.host), (0, None), "{text}");
    }
}

#[test]
fn times_of_one_server_alone_are_read() {
    for (line, time_ms, body) in [
        (
            "1795886598: Client connection",
            1_795_886_598_000,
            "Client connection",
        ),
        (
            "20261128 16:36:32,srv1,alice",
            1_795_883_792_000,
            "srv1,alice",
        ),
        (
            "26/11/28@17:24:13: FAIL: echo",
            1_795_886_653_000,
            ": FAIL: echo",
        ),
        (
            "26/1/8@17:24:13: FAIL: echo",
            1_767_893_053_000,
            ": FAIL: echo",
        ),
    ] {
        let head = parse(line, &TimeZone::utc(), None);
        assert_eq!(
            (head.time_ms, line.get(head.body..)),
            (Some(time_ms), Some(body)),
            "{line}"
        );
    }
    for line in [
        "179588659: x",
        "20261328 16:36:32,x",
        "26/11/28@17:24:1: x",
        "26/11/@17:24:13: x",
    ] {
        assert_eq!(parse(line, &TimeZone::utc(), None).time_ms, None, "{line}");
    }
}
