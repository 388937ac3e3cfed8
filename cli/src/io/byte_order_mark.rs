//! Skips the byte order mark that some programs put before a text in UTF-8.

use std::io::{self, Cursor, Read};

const MARK: &[u8] = "\u{feff}".as_bytes();

/// How many bytes of a text are its mark, if it has one.
pub fn mark_bytes(text: &[u8]) -> usize {
    match text.starts_with(MARK) {
        true => MARK.len(),
        false => 0,
    }
}

/// A stream without it, where JSON follows, which would not be seen to be JSON behind it. Before text it stays, for
/// positions in a text file count, and the text is read all the same.
///
/// # Errors
/// As the stream says.
pub fn without_mark_before_json<R: Read>(mut stream: R) -> io::Result<impl Read + use<R>> {
    let mut begin = Vec::new();
    while begin.len() <= MARK.len() && MARK.starts_with(&begin[..begin.len().min(MARK.len())]) {
        if stream.by_ref().take(1).read_to_end(&mut begin)? == 0 {
            break;
        }
    }
    if let Some(b"{") = begin.strip_prefix(MARK) {
        begin = b"{".to_vec();
    }
    Ok(Cursor::new(begin).chain(stream))
}
