//! Tells by its byte order mark how a text is encoded, and skips the mark that would hide what follows.

use std::io::{self, Cursor, Read};

use super::utf16::{Utf16, Utf16Order};

const MARK: &[u8] = "\u{feff}".as_bytes();

/// How many bytes of a text are its mark, if it has one.
pub fn mark_bytes(text: &[u8]) -> usize {
    match text.starts_with(MARK) {
        true => MARK.len(),
        false => 0,
    }
}

/// A stream in UTF-8. In that it stays as it is, but for a mark where JSON follows, which would not be seen to be JSON behind
/// it. Before text the mark stays, for positions in a text file count, and the text is read all the same. A stream that
/// begins with a mark of UTF-16, which no text in UTF-8 does, is converted.
pub fn in_utf8<R: Read + Send + 'static>(mut stream: R) -> io::Result<Box<dyn Read + Send>> {
    let mut begin = Vec::new();
    loop {
        if let [first, second, ..] = begin[..]
            && let Some(order) = Utf16Order::of_mark([first, second])
        {
            return Ok(Box::new(Utf16::new(stream, order)));
        }
        let may_be_mark = match begin[..] {
            [first] => first >= 0xfe || first == MARK[0],
            _ => {
                begin.len() <= MARK.len() && MARK.starts_with(&begin[..begin.len().min(MARK.len())])
            }
        };
        if !may_be_mark || stream.by_ref().take(1).read_to_end(&mut begin)? == 0 {
            break;
        }
    }
    if let Some(b"{") = begin.strip_prefix(MARK) {
        begin = b"{".to_vec();
    }
    Ok(Box::new(Cursor::new(begin).chain(stream)))
}
