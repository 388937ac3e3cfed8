//! Writes lines: what Dovecot says, in the frame that each format puts around it.

use std::io::Write as _;

use super::clock::{Clock, decimal};
use super::random::{Random, mix};
use super::{Cause, Format, From, Spec, Who, Wording};

/// The mail server's address, which it logs as `lip`.
const SERVER: [u8; 4] = [192, 0, 2, 1];
/// A client in its network.
const NEIGHBOUR: [u8; 4] = [192, 0, 2, 7];

const NAMES: [&str; 16] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory",
    "niaj", "olivia", "peggy", "rupert", "sybil",
];

/// Appends whole lines in one format and wording.
#[derive(Debug)]
pub(super) struct Writer {
    format: Format,
    wording: Wording,
    session: bool,
    /// What follows a user's name.
    domain: &'static str,
    clock: Clock,
    lines: u64,
}

impl Writer {
    pub fn new(spec: &Spec) -> Writer {
        Writer {
            format: spec.format,
            wording: spec.wording,
            session: spec.session,
            // The story's server has local users only.
            domain: if spec.cause == Cause::Story {
                ""
            } else {
                "@example.org"
            },
            clock: Clock::new(),
            lines: 0,
        }
    }

    /// A login that the user+IP limit refused.
    pub fn refusal(&mut self, time_us: i64, who: Who, random: &mut Random, out: &mut Vec<u8>) {
        const TEXT: &[u8] =
            b"Maximum number of connections from user+IP exceeded (mail_max_userip_connections";
        self.head(time_us, b"imap-login", b"Info: ", out);
        match self.wording {
            Wording::V1_2 | Wording::V2_0 => {}
            Wording::V2_3 => out.extend_from_slice(b"Disconnected: "),
            Wording::V2_4 => out.extend_from_slice(b"Login aborted: "),
        }
        out.extend_from_slice(TEXT);
        out.extend_from_slice(match self.wording {
            Wording::V1_2 => b")".as_slice(),
            Wording::V2_0 | Wording::V2_3 => b"=10)",
            Wording::V2_4 => {
                b"=10) (connection limit reached, 1/1 successful auths in 0 secs) (connection_limit)"
            }
        });
        out.extend_from_slice(b": user=<");
        self.user_name(who.user, out);
        out.extend_from_slice(b">, method=PLAIN");
        self.client(who, None, random, out);
        self.tail(out);
    }

    /// A line of everyday traffic.
    pub fn everyday(&mut self, time_us: i64, who: Who, random: &mut Random, out: &mut Vec<u8>) {
        let pid = 1_000 + random.below(60_000);
        match random.below(16) {
            0..6 => self.login(time_us, b"imap-login", who, pid, random, out),
            6 => self.login(time_us, b"pop3-login", who, pid, random, out),
            7 => {
                self.head(time_us, b"imap-login", b"Info: ", out);
                let seconds = 2 + random.below(8);
                let _ = write!(
                    out,
                    "Disconnected: Connection closed (auth failed, 1 attempts in {seconds} secs): user=<"
                );
                self.user_name(who.user, out);
                out.extend_from_slice(b">, method=PLAIN");
                self.client(who, None, random, out);
                self.tail(out);
            }
            8..10 => {
                self.of_user(time_us, b"lmtp", who, pid, random, out);
                let _ = write!(
                    out,
                    "sieve: msgid=<{:016x}@example.org>: stored mail into mailbox 'INBOX'",
                    random.next()
                );
                self.tail(out);
            }
            _ => {
                self.of_user(time_us, b"imap", who, pid, random, out);
                out.extend_from_slice(b"Disconnected: Logged out in=");
                decimal(out, 8 + random.below(4_000));
                out.extend_from_slice(b" out=");
                decimal(out, 400 + random.below(90_000));
                out.extend_from_slice(
                    b" deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=",
                );
                decimal(out, random.below(20));
                out.extend_from_slice(b" body_bytes=");
                decimal(out, random.below(200_000));
                self.tail(out);
            }
        }
    }

    /// A service at its limit: the master's warning, or a connection that had to go.
    pub fn service_limit(&mut self, time_us: i64, random: &mut Random, out: &mut Vec<u8>) {
        match random.below(8) {
            0 => {
                self.head(time_us, b"master", b"Warning: ", out);
                out.extend_from_slice(
                    b"service(imap): process_limit (1024) reached, client connections are being dropped",
                );
            }
            1..3 => {
                self.head(time_us, b"master", b"Warning: ", out);
                out.extend_from_slice(
                    b"service(imap-login): client_limit (200) reached, client connections are being dropped",
                );
            }
            _ => {
                self.head(time_us, b"imap-login", b"Info: ", out);
                out.extend_from_slice(match self.wording {
                    Wording::V2_4 => {
                        b"Login aborted: Connection queue full (client_limit and process_limit was hit and \
                          this login session was killed.) (process_full): user=<>"
                            .as_slice()
                    }
                    _ => b"Disconnected: Connection queue full (no auth attempts in 0 secs): user=<>",
                });
                let who = Who {
                    user: 0,
                    from: From::Address(random.next()),
                };
                self.client(who, None, random, out);
            }
        }
        self.tail(out);
    }

    fn login(
        &mut self,
        time_us: i64,
        service: &[u8],
        who: Who,
        pid: u64,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) {
        self.head(time_us, service, b"Info: ", out);
        out.extend_from_slice(b"Login: user=<");
        self.user_name(who.user, out);
        out.extend_from_slice(b">, method=PLAIN");
        self.client(who, Some(pid), random, out);
        self.tail(out);
    }

    /// `imap(alice@example.org)<4711><kLD3SeNgnsF/AAAB>: `
    fn of_user(
        &mut self,
        time_us: i64,
        service: &[u8],
        who: Who,
        pid: u64,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) {
        self.frame(time_us, out);
        out.extend_from_slice(service);
        out.push(b'(');
        self.user_name(who.user, out);
        out.extend_from_slice(b")<");
        decimal(out, pid);
        out.extend_from_slice(b"><");
        self.session_id(&Address::of(who.from), random, out);
        out.extend_from_slice(b">: ");
        self.level(b"Info: ", out);
    }

    /// `, rip=…, lip=…, mpid=…, TLS, session=<…>`
    fn client(&self, who: Who, pid: Option<u64>, random: &mut Random, out: &mut Vec<u8>) {
        let address = Address::of(who.from);
        out.extend_from_slice(b", rip=");
        address.text(out);
        out.extend_from_slice(b", lip=");
        if address.is_v6 {
            out.extend_from_slice(b"2001:db8::1");
        } else {
            v4_text(SERVER, out);
        }
        if let Some(pid) = pid {
            out.extend_from_slice(b", mpid=");
            decimal(out, pid);
        }
        out.extend_from_slice(match who.from {
            From::Local => b", secured".as_slice(),
            From::Neighbour => b"",
            From::Address(_) => b", TLS",
        });
        if self.session {
            out.extend_from_slice(b", session=<");
            self.session_id(&address, random, out);
            out.push(b'>');
        }
    }

    /// Base64 of the time in µs (six bytes), the client's port and its address, as Dovecot makes it.
    fn session_id(&self, address: &Address, random: &mut Random, out: &mut Vec<u8>) {
        let mut bytes = [0; 24];
        let time = self.clock.time_us().to_le_bytes();
        bytes[..6].copy_from_slice(&time[..6]);
        let port = 1_024 + random.below(64_512) as u16;
        bytes[6..8].copy_from_slice(&port.to_le_bytes());
        let used = if address.is_v6 { 24 } else { 12 };
        bytes[8..].copy_from_slice(&address.bytes);
        base64(&bytes[..used], out);
    }

    /// Everything up to the message, and the message's service.
    fn head(&mut self, time_us: i64, service: &[u8], level: &[u8], out: &mut Vec<u8>) {
        self.frame(time_us, out);
        out.extend_from_slice(service);
        out.extend_from_slice(b": ");
        // The master's warnings name their level in every form, a login service's lines only in files.
        if level == b"Info: " {
            self.level(level, out)
        } else {
            out.extend_from_slice(level)
        }
    }

    /// Dovecot writes the level to files, while syslog has a field for it.
    fn level(&self, level: &[u8], out: &mut Vec<u8>) {
        if matches!(self.format, Format::Dovecot | Format::Docker) {
            out.extend_from_slice(level);
        }
    }

    fn frame(&mut self, time_us: i64, out: &mut Vec<u8>) {
        self.clock.set(time_us);
        self.lines += 1;
        match self.format {
            Format::Dovecot => {
                self.clock.dovecot(out);
                out.push(b' ');
            }
            Format::Rfc3164 => {
                self.clock.syslog(out);
                out.extend_from_slice(b" mail dovecot: ");
            }
            Format::Rfc5424 => {
                out.extend_from_slice(b"<22>1 ");
                self.clock.iso(out, true);
                out.extend_from_slice(b"+00:00 mail dovecot - - -  ");
            }
            Format::Json => {
                out.extend_from_slice(b"{\"@timestamp\":\"");
                self.clock.iso(out, false);
                out.extend_from_slice(b"Z\",\"host\":{\"name\":\"mail\"},\"message\":\"dovecot: ");
            }
            Format::Journald => {
                let micros = self.clock.time_us().max(0).unsigned_abs();
                let _ = write!(
                    out,
                    "{{\"__CURSOR\":\"s=75ffc91261fc4bcc;i={:x};t={micros:x}\",\
                     \"__REALTIME_TIMESTAMP\":\"{micros}\",\"_HOSTNAME\":\"mail\",\"_TRANSPORT\":\"syslog\",\
                     \"_COMM\":\"log\",\"_PID\":\"711\",\"PRIORITY\":\"6\",\"SYSLOG_FACILITY\":\"2\",\
                     \"SYSLOG_IDENTIFIER\":\"dovecot\",\"MESSAGE\":\"",
                    self.lines
                );
            }
            Format::Docker => {
                out.extend_from_slice(b"{\"log\":\"");
                self.clock.dovecot(out);
                out.push(b' ');
            }
        }
    }

    /// `alice@example.org`, `bob1@example.org`, …
    fn user_name(&self, number: u64, out: &mut Vec<u8>) {
        let names = NAMES.len() as u64;
        out.extend_from_slice(NAMES[(number % names) as usize].as_bytes());
        if number >= names {
            decimal(out, number / names);
        }
        out.extend_from_slice(self.domain.as_bytes());
    }

    /// What follows the message. Nothing in it needs escaping: names, numbers and base64.
    fn tail(&self, out: &mut Vec<u8>) {
        match self.format {
            Format::Dovecot | Format::Rfc3164 | Format::Rfc5424 => out.push(b'\n'),
            Format::Json | Format::Journald => out.extend_from_slice(b"\"}\n"),
            Format::Docker => {
                out.extend_from_slice(b"\\n\",\"stream\":\"stdout\",\"time\":\"");
                self.clock.iso(out, true);
                out.extend_from_slice(b"Z\"}\n");
            }
        }
    }
}

/// An address set aside for documentation.
struct Address {
    is_v6: bool,
    /// Of IPv4 the first four.
    bytes: [u8; 16],
}

impl Address {
    fn of(from: From) -> Address {
        let mut bytes = [0; 16];
        let number = match from {
            From::Address(number) => number,
            From::Local | From::Neighbour => {
                let local = matches!(from, From::Local);
                bytes[..4].copy_from_slice(if local { &SERVER } else { &NEIGHBOUR });
                return Address {
                    is_v6: false,
                    bytes,
                };
            }
        };
        let scattered = mix(number);
        let is_v6 = scattered.is_multiple_of(4);
        if is_v6 {
            bytes[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
            // Neither group may begin with a zero or be one, so that the text is in its one short form.
            let [a, b, c, d, ..] = (scattered >> 8).to_le_bytes();
            bytes[4..8].copy_from_slice(&[a | 0x10, b, c | 0x10, d]);
            bytes[15] = 1;
        } else {
            let net = if scattered & 8 == 0 {
                [198, 51, 100]
            } else {
                [203, 0, 113]
            };
            bytes[..3].copy_from_slice(&net);
            bytes[3] = 1 + ((scattered >> 8) % 254) as u8;
        }
        Address { is_v6, bytes }
    }

    fn text(&self, out: &mut Vec<u8>) {
        let [a, b, c, d, e, f, g, h, .., last] = self.bytes;
        if self.is_v6 {
            let group = |high, low| u16::from_be_bytes([high, low]);
            let (one, two) = (group(e, f), group(g, h));
            // Writing to a Vec can't fail.
            let _ = write!(out, "2001:db8:{one:x}:{two:x}::{last:x}");
        } else {
            v4_text([a, b, c, d], out);
        }
    }
}

fn v4_text(address: [u8; 4], out: &mut Vec<u8>) {
    for (index, byte) in address.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        decimal(out, u64::from(byte));
    }
}

/// Base64 without padding; what is encoded here is a multiple of three bytes.
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.as_chunks::<3>().0 {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for shift in [18, 12, 6, 0] {
            out.push(ALPHABET[(bits >> shift & 63) as usize]);
        }
    }
}
