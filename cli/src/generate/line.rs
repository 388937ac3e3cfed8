//! Writes lines: what Dovecot says, in the frame that each format puts around it.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::random::{Random, mix};
use super::{Cause, Format, From, Spec, Who, Wording};

/// The mail server's address, which it logs as `lip`.
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A client in its network.
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

const NAMES: [&str; 16] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory",
    "niaj", "olivia", "peggy", "rupert", "sybil",
];

/// Writing to a `Vec` can't fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {{
        let _ = write!($out, $($text)*);
    }};
}

/// Appends whole lines in one format and wording.
#[derive(Debug)]
pub(super) struct LineWriter {
    format: Format,
    wording: Wording,
    session: bool,
    /// What follows a user's name.
    domain: &'static str,
    lines: u64,
    /// In µs since the Unix epoch.
    time_us: i64,
    /// Lines of one second share all but the fraction, so the rest is rendered once a second.
    second: i64,
    /// `Jan  5 03:12:45`, as syslog writes it, or `Jan 05 03:12:45`, as Dovecot does to its own file.
    stamp: String,
    /// `2026-01-05T03:12:45`.
    iso: String,
}

impl LineWriter {
    pub fn new(spec: &Spec) -> LineWriter {
        LineWriter {
            format: spec.format,
            wording: spec.wording,
            session: spec.session,
            // The story's server has local users only.
            domain: match spec.cause {
                Cause::Story => "",
                _ => "@example.org",
            },
            lines: 0,
            time_us: 0,
            second: i64::MIN,
            stamp: String::new(),
            iso: String::new(),
        }
    }

    /// A login that the user+IP limit refused.
    pub fn refusal(&mut self, time_us: i64, who: Who, random: &mut Random, out: &mut Vec<u8>) {
        let (before, after) = match self.wording {
            Wording::V1_2 => ("", ")"),
            Wording::V2_0 => ("", "=10)"),
            Wording::V2_3 => ("Disconnected: ", "=10)"),
            Wording::V2_4 => (
                "Login aborted: ",
                "=10) (connection limit reached, 1/1 successful auths in 0 secs) (connection_limit)",
            ),
        };
        self.head(time_us, "imap-login", out);
        put!(
            out,
            "{before}Maximum number of connections from user+IP exceeded (mail_max_userip_connections{after}: "
        );
        self.login(who, None, random, out);
        self.tail(out);
    }

    /// A line of everyday traffic.
    pub fn everyday(&mut self, time_us: i64, who: Who, random: &mut Random, out: &mut Vec<u8>) {
        let pid = 1_000 + random.below(60_000);
        match random.below(16) {
            which @ 0..7 => {
                let service = if which < 6 {
                    "imap-login"
                } else {
                    "pop3-login"
                };
                self.head(time_us, service, out);
                put!(out, "Login: ");
                self.login(who, Some(pid), random, out);
            }
            7 => {
                self.head(time_us, "imap-login", out);
                let seconds = 2 + random.below(8);
                put!(
                    out,
                    "Disconnected: Connection closed (auth failed, 1 attempts in {seconds} secs): "
                );
                self.login(who, None, random, out);
            }
            8..10 => {
                self.of_user(time_us, "lmtp", who, pid, random, out);
                let id = random.next();
                put!(
                    out,
                    "sieve: msgid=<{id:016x}@example.org>: stored mail into mailbox 'INBOX'"
                );
            }
            _ => {
                self.of_user(time_us, "imap", who, pid, random, out);
                let (read, sent) = (8 + random.below(4_000), 400 + random.below(90_000));
                let (bodies, bytes) = (random.below(20), random.below(200_000));
                put!(
                    out,
                    "Disconnected: Logged out in={read} out={sent} deleted=0 expunged=0 trashed=0 hdr_count=0 \
                     hdr_bytes=0 body_count={bodies} body_bytes={bytes}"
                );
            }
        }
        self.tail(out);
    }

    /// A service at its limit: the master's warning, or a connection that had to go.
    pub fn service_limit(&mut self, time_us: i64, random: &mut Random, out: &mut Vec<u8>) {
        let which = random.below(8);
        if which < 3 {
            self.frame(time_us, out);
            let limit = match which {
                0 => "service(imap): process_limit (1024)",
                _ => "service(imap-login): client_limit (200)",
            };
            // The master's warnings name their level in every form.
            put!(
                out,
                "master: Warning: {limit} reached, client connections are being dropped"
            );
        } else {
            self.head(time_us, "imap-login", out);
            let text = match self.wording {
                Wording::V2_4 => {
                    "Login aborted: Connection queue full (client_limit and process_limit was hit and this login session \
                     was killed.) (process_full)"
                }
                _ => "Disconnected: Connection queue full (no auth attempts in 0 secs)",
            };
            put!(out, "{text}: user=<>");
            self.client(From::Address(random.next()), None, random, out);
        }
        self.tail(out);
    }

    /// `user=<…>, method=PLAIN, rip=…`
    fn login(&self, who: Who, pid: Option<u64>, random: &mut Random, out: &mut Vec<u8>) {
        put!(
            out,
            "user=<{}>, method=PLAIN",
            user_name(who.user, self.domain)
        );
        self.client(who.from, pid, random, out);
    }

    /// `imap(alice@example.org)<4711><kLD3SeNgnsF/AAAB>: `
    fn of_user(
        &mut self,
        time_us: i64,
        service: &str,
        who: Who,
        pid: u64,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) {
        self.frame(time_us, out);
        let (user, session) = (
            user_name(who.user, self.domain),
            self.session_id(address(who.from), random),
        );
        put!(out, "{service}({user})<{pid}><{session}>: ");
        self.level(out);
    }

    /// `, rip=…, lip=…, mpid=…, TLS, session=<…>`
    fn client(&self, from: From, pid: Option<u64>, random: &mut Random, out: &mut Vec<u8>) {
        let address = address(from);
        put!(out, ", rip={address}, lip=");
        match address {
            IpAddr::V4(_) => put!(out, "{SERVER}"),
            IpAddr::V6(_) => put!(out, "2001:db8::1"),
        }
        if let Some(pid) = pid {
            put!(out, ", mpid={pid}");
        }
        match from {
            From::Local => put!(out, ", secured"),
            From::Neighbour => {}
            From::Address(_) => put!(out, ", TLS"),
        }
        if self.session {
            put!(out, ", session=<{}>", self.session_id(address, random));
        }
    }

    /// Base64 of the time in µs (six bytes), the client's port and its address, as Dovecot makes it.
    fn session_id(&self, address: IpAddr, random: &mut Random) -> String {
        let port = 1_024 + random.below(64_512) as u16;
        let address = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let time = &self.time_us.to_le_bytes()[..6];
        BASE64.encode(&[time, &port.to_le_bytes(), &address].concat())
    }

    /// Everything up to the message, and the message's service.
    fn head(&mut self, time_us: i64, service: &str, out: &mut Vec<u8>) {
        self.frame(time_us, out);
        put!(out, "{service}: ");
        self.level(out);
    }

    /// Dovecot writes the level to files, while syslog has a field for it.
    fn level(&self, out: &mut Vec<u8>) {
        if matches!(self.format, Format::Dovecot | Format::Docker) {
            put!(out, "Info: ");
        }
    }

    fn frame(&mut self, time_us: i64, out: &mut Vec<u8>) {
        self.lines += 1;
        self.time_us = time_us;
        let second = time_us.div_euclid(1_000_000);
        if second != self.second {
            self.second = second;
            // Beyond the year 9999 it stands still.
            let time = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            let time = TimeZone::UTC.to_datetime(time);
            let day = match self.format {
                Format::Rfc3164 => "%e",
                _ => "%d",
            };
            self.stamp = time.strftime(&format!("%b {day} %T")).to_string();
            self.iso = time.strftime("%FT%T").to_string();
        }
        let micros = time_us.rem_euclid(1_000_000);
        let LineWriter { stamp, iso, .. } = &*self;
        match self.format {
            Format::Dovecot => put!(out, "{stamp} "),
            Format::Rfc3164 => put!(out, "{stamp} mail dovecot: "),
            Format::Rfc5424 => {
                put!(out, "<22>1 {iso}.{micros:06}+00:00 mail dovecot - - -  ");
            }
            Format::Json => {
                let millis = micros / 1_000;
                put!(
                    out,
                    r#"{{"@timestamp":"{iso}.{millis:03}Z","host":{{"name":"mail"}},"message":"dovecot: "#
                );
            }
            Format::Journald => {
                let micros = time_us.max(0);
                put!(
                    out,
                    "{{\"__CURSOR\":\"s=75ffc91261fc4bcc;i={:x};t={micros:x}\",\
                     \"__REALTIME_TIMESTAMP\":\"{micros}\",\"_HOSTNAME\":\"mail\",\"_TRANSPORT\":\"syslog\",\
                     \"_COMM\":\"log\",\"_PID\":\"711\",\"PRIORITY\":\"6\",\"SYSLOG_FACILITY\":\"2\",\
                     \"SYSLOG_IDENTIFIER\":\"dovecot\",\"MESSAGE\":\"",
                    self.lines
                );
            }
            Format::Docker => put!(out, r#"{{"log":"{stamp} "#),
        }
    }

    /// What follows the message. Nothing in it needs escaping: names, numbers and base64.
    fn tail(&self, out: &mut Vec<u8>) {
        match self.format {
            Format::Dovecot | Format::Rfc3164 | Format::Rfc5424 => out.push(b'\n'),
            Format::Json | Format::Journald => out.extend_from_slice(b"\"}\n"),
            Format::Docker => {
                let micros = self.time_us.rem_euclid(1_000_000);
                put!(
                    out,
                    "\\n\",\"stream\":\"stdout\",\"time\":\"{}.{micros:06}Z\"}}\n",
                    self.iso
                );
            }
        }
    }
}

/// `alice@example.org`, `bob1@example.org`, …
pub(super) fn user_name(number: u64, domain: &str) -> String {
    let names = NAMES.len() as u64;
    let name = NAMES[(number % names) as usize];
    match number / names {
        0 => format!("{name}{domain}"),
        again => format!("{name}{again}{domain}"),
    }
}

/// An address set aside for documentation.
fn address(from: From) -> IpAddr {
    let number = match from {
        From::Local => return SERVER.into(),
        From::Neighbour => return NEIGHBOUR.into(),
        From::Address(number) => number,
    };
    let scattered = mix(number);
    let [a, b, c, d, ..] = (scattered >> 8).to_le_bytes();
    if scattered.is_multiple_of(4) {
        // Neither group may begin with a zero or be one, so that the text is in its one short form.
        let one = u16::from_be_bytes([a | 0x10, b]);
        let two = u16::from_be_bytes([c | 0x10, d]);
        Ipv6Addr::new(0x2001, 0xdb8, one, two, 0, 0, 0, 1).into()
    } else {
        let [x, y, z] = match scattered & 8 {
            0 => [198, 51, 100],
            _ => [203, 0, 113],
        };
        Ipv4Addr::new(x, y, z, 1 + ((scattered >> 8) % 254) as u8).into()
    }
}
