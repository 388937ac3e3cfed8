//! Tells what is certainly no log by how it begins: nobody must think that it was looked through.

use thiserror::Error;

/// So much of the begin is judged, in bytes.
const BEGIN_BYTES: usize = 4096;
/// Of so many bytes one is a control character in what is no text …
const BINARY_SHARE: usize = 10;
/// … if there are at least so many of them.
const BINARY_MIN: usize = 8;

/// What it is instead. The sentence goes on after the input's name, and ends with what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum NotALog {
    #[error("it is a {0} archive; unpack it and name the logs in it")]
    Archive(&'static str),
    #[error("it is compressed by {0}; decompress it and name what comes out")]
    Compressed(&'static str),
    #[error(
        "it is a file of journald's own; write: journalctl --file FILE -o json | maxconn replay -"
    )]
    Journal,
    #[error(
        "it is UTF-16 without a byte order mark; write: iconv -f UTF-16LE -t UTF-8 FILE | maxconn replay -"
    )]
    Utf16,
    #[error("it is binary data and no text; name a log")]
    Binary,
    #[error(
        "journalctl found no entries; look for the unit's name with systemctl list-units, and for whether you may read the \
         journal"
    )]
    NoEntries,
}

/// How what is not text begins.
const MAGICS: [(&[u8], NotALog); 9] = [
    (b"PK\x03\x04", NotALog::Archive("zip")),
    (b"PK\x05\x06", NotALog::Archive("zip")),
    (b"7z\xbc\xaf\x27\x1c", NotALog::Archive("7z")),
    (b"Rar!\x1a\x07", NotALog::Archive("rar")),
    (b"\x04\x22\x4d\x18", NotALog::Compressed("lz4")),
    (b"\x1f\x9d", NotALog::Compressed("compress")),
    (b"LZIP\x01", NotALog::Compressed("lzip")),
    (b"LPKSHHRH", NotALog::Journal),
    (b"-- No entries --\n", NotALog::NoEntries),
];
/// Where the header of a tar archive says what it is.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Judges what begins so; `None` if it may be a log.
pub fn judge(begin: &[u8]) -> Option<NotALog> {
    if let Some((_, found)) = MAGICS.iter().find(|(magic, _)| begin.starts_with(magic)) {
        return Some(*found);
    }
    if begin.get(TAR.0..).is_some_and(|it| it.starts_with(TAR.1)) {
        return Some(NotALog::Archive("tar"));
    }
    let begin = begin.get(..BEGIN_BYTES).unwrap_or(begin);
    let nuls = |first: usize| begin.iter().skip(first).step_by(2).filter(|it| **it == 0);
    let (even, odd) = (nuls(0).count(), nuls(1).count());
    // Every second byte is one, but for a few characters that are no Latin ones.
    if even.max(odd) >= BINARY_MIN && even.max(odd) * 5 >= begin.len() * 2 && even.min(odd) == 0 {
        return Some(NotALog::Utf16);
    }
    let is_control = |byte: &&u8| match byte {
        b'\t'..=b'\r' | 0x1b => false,
        byte => byte.is_ascii_control(),
    };
    let controls = begin.iter().filter(is_control).count();
    (controls >= BINARY_MIN && controls * BINARY_SHARE >= begin.len()).then_some(NotALog::Binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_log_is_told_by_how_it_begins() {
        let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
        let utf16: Vec<u8> = "Jan  5 03:12:45 mail dovecot: x\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0";
        for (begin, expected) in [
            (&b"PK\x03\x04\x14\0"[..], NotALog::Archive("zip")),
            (&tar, NotALog::Archive("tar")),
            (b"LPKSHHRH\0\0", NotALog::Journal),
            (b"-- No entries --\n", NotALog::NoEntries),
            (&utf16, NotALog::Utf16),
            (&utf16[1..], NotALog::Utf16),
            (elf, NotALog::Binary),
            (&[0x80, 0x01, 0x02].repeat(100), NotALog::Binary),
        ] {
            assert_eq!(judge(begin), Some(expected));
        }
    }

    #[test]
    fn whatever_may_be_a_log_is_read() {
        let latin = b"Jan  5 03:12:45 mail dovecot: user=<j\xf6rg>\n".repeat(10);
        let colours = "\x1b[32mmail-1  |\x1b[0m x\n".repeat(10);
        let damaged = [
            &b"Jan  5 03:12:45 mail dovecot: x\n".repeat(10)[..],
            &[0; 20],
        ]
        .concat();
        for begin in [
            &b"x\n"[..],
            b"\x01\n",
            b"{\"a\":1}\n",
            "Januar żółć 日本語\n".as_bytes(),
            b"-- No entries --\nbut more\n",
            &latin,
            colours.as_bytes(),
            &damaged,
        ] {
            let judged = judge(begin);
            assert!(
                judged.is_none() || begin.starts_with(b"-- No"),
                "{judged:?}"
            );
        }
    }
}
