//! Changing bytes, by chance alone.

/// Inputs are not made longer than this, in bytes.
pub const INPUT_MAX_BYTES: usize = 64 * 1024;

/// Pieces that chance alone would not find.
const WORDS: &[&[u8]] = &[
    b"Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
    b"imap-login: Info: ",
    b"imap-login: Disconnected: ",
    b"dovecot: ",
    b"master: Warning: service(imap): process_limit (3) reached, client connections are being dropped",
    b": user=<",
    b"user=<victim>",
    b">, ",
    b"<>",
    b", method=PLAIN, rip=192.0.2.66, lip=192.0.2.1",
    b"rip=2001:db8::1",
    b", TLS, session=<AAAAAAAAAAAAAAAA>",
    b" - ",
    b"Jan  5 03:12:45 mail ",
    b"<22>1 2026-11-22T20:26:15.354684+00:00 vm dovecot - - -  ",
    b"2016-10-06T00:17:09.669794202Z stdout F ",
    b"9999-12-31T23:59:60Z",
    b"{\"message\":\"",
    b"\"MESSAGE\":[105,109,97,112]",
    b"\"@timestamp\":1700000000000",
    b"\"event\":{\"action\":\"connection-limit-flood-start\"}",
    b"\"host\":{\"name\":\"x\"}",
    b"\"user.name\":",
    b"\\u003c",
    b"\\ud800",
    b"\\\"",
    b"\\x00",
    b"\xef\xbf\xbd",
    b"\xff",
    b"1e400",
    b"nan",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"}\n{",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"[[rule]]\nname = \"userip\"\n",
    b"threshold = 1\n",
    b"redact_key = \"sixteen bytes at least\"\n",
    b"regex = '(a*)*b'\n",
    b"POST / HTTP/1.1\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Type: application/json\r\n",
    b"\r\n\r\n",
    b"maxconn:baked:v3",
];

const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t \"\\{}[],:<>()=+-.0159aeuZ";

/// A generator of numbers: splitmix64. The same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        usize::try_from(self.number().checked_rem(end).unwrap_or(0)).unwrap_or(0)
    }

    /// One of them.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    fn byte(&mut self) -> u8 {
        match self.below(2) {
            0 => self.number() as u8,
            _ => self.of(BYTES).copied().unwrap_or(0),
        }
    }
}

/// Changes `bytes` once; `other` is another input, to take a piece from.
pub fn change(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let (from, to) = span(bytes.len(), chance);
    match chance.below(12) {
        0 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << chance.below(8);
            }
        }
        1 | 2 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte = chance.byte();
            }
        }
        3 => {
            let new: Vec<u8> = (0..=chance.below(4)).map(|_| chance.byte()).collect();
            bytes.splice(from..from, new);
        }
        4 => drop(bytes.drain(from..to)),
        5 | 6 => {
            let word = chance.of(WORDS).copied().unwrap_or_default();
            bytes.splice(from..from, word.iter().copied());
        }
        7 => {
            let times = 1 << chance.below(7);
            let piece = bytes.get(from..to).unwrap_or_default().repeat(times);
            bytes.splice(to..to, piece);
        }
        8 => {
            let (other_from, other_to) = span(other.len(), chance);
            let piece = other.get(other_from..other_to).unwrap_or_default();
            bytes.splice(from..to, piece.iter().copied());
        }
        9 => bytes.truncate(from),
        10 => {
            // A number among the digits that stand there.
            if let Some(at) = bytes.iter().skip(from).position(u8::is_ascii_digit) {
                let start = from + at;
                let digits = bytes
                    .iter()
                    .skip(start)
                    .take_while(|it| it.is_ascii_digit());
                let end = start + digits.count();
                let number = match chance.below(4) {
                    0 => chance.below(10).to_string(),
                    1 => chance.below(100_000).to_string(),
                    2 => chance.number().to_string(),
                    _ => (u64::MAX >> chance.below(64)).to_string(),
                };
                bytes.splice(start..end, number.into_bytes());
            }
        }
        _ => {
            let times = chance.below(8);
            let piece = bytes.get(from..to).unwrap_or_default().to_vec();
            let at = chance.below(bytes.len() + 1);
            bytes.splice(at..at, piece.repeat(times));
        }
    }
    bytes.truncate(INPUT_MAX_BYTES);
}

/// A short span more often than a long one.
fn span(len: usize, chance: &mut Chance) -> (usize, usize) {
    let from = chance.below(len + 1);
    let longest = 1 << chance.below(14);
    let most = (len - from).min(longest);
    (from, from + chance.below(most + 1))
}
