//! `tcp://` and `unix:`: lines on a connection, as syslog daemons send them. They confirm nothing.

use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::Intake;
use crate::replay::LINE_MAX_BYTES;
use crate::run::activity::Activity;
use crate::run::batch::Batch;
use crate::run::engine::Job;
use crate::run::net::AnyStream;

/// As much is read at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// An address that takes lines.
pub struct LinesInput {
    /// The guest's source.
    pub source: u16,
    /// To the engine.
    pub intake: Intake,
}

impl LinesInput {
    /// Takes the lines of a connection until it ends, or the process stops.
    pub async fn take(
        self: Arc<LinesInput>,
        mut stream: AnyStream,
        mut stop: watch::Receiver<bool>,
        activity: Arc<Activity>,
    ) {
        let mut cutter = Cutter::default();
        loop {
            let read = tokio::select! {
                biased;
                // What was not read is the sender's still.
                _ = stop.wait_for(|stop| *stop) => break,
                () = activity.ended() => break,
                read = cutter.read(&mut stream) => read,
            };
            let lines = match read {
                Some(lines) if lines.is_empty() => continue,
                Some(lines) => lines,
                None => break,
            };
            // Whoever has sent a line may send more, and would not hear that nobody takes them.
            activity.work();
            if !self.hand_over(lines).await {
                return;
            }
        }
        let rest = cutter.rest();
        if !rest.is_empty() {
            self.hand_over(rest).await;
        }
    }

    async fn hand_over(&self, lines: Vec<u8>) -> bool {
        let Some(room) = self.intake.room(lines.len()).await else {
            return false;
        };
        let batch = Batch {
            source: self.source,
            lines,
            name: self.intake.names.fresh(),
            lines_return: false,
            ticket: None,
            counted_before: None,
            room,
        };
        self.intake.jobs.send(Job::Batch(batch)).is_ok()
    }
}

/// Cuts what is read into whole lines.
#[derive(Default)]
struct Cutter {
    /// The beginning of a line, or more while it is read into.
    buffer: Vec<u8>,
}

impl Cutter {
    /// Reads once; gives the lines that are whole now, which may be none. `None` at the end. A line longer
    /// than the limit is cut, unless its end came with the read that went beyond it.
    async fn read(&mut self, stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
        let searched = self.buffer.len();
        self.buffer.reserve(READ_BYTES);
        match stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let new = self.buffer.get(searched..).unwrap_or(&[]);
        let end = match memchr::memrchr(b'\n', new) {
            Some(at) => searched + at + 1,
            None if self.buffer.len() > LINE_MAX_BYTES => {
                return Some(self.cut());
            }
            None => return Some(Vec::new()),
        };
        let rest = self.buffer.split_off(end);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// A piece of a line that is too long; it ends between two characters.
    fn cut(&mut self) -> Vec<u8> {
        let within_character =
            |at: &usize| self.buffer.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let mut ends = (LINE_MAX_BYTES - 3..=LINE_MAX_BYTES).rev();
        let end = ends
            .find(|at| !within_character(at))
            .unwrap_or(LINE_MAX_BYTES);
        let rest = self.buffer.split_off(end);
        let mut piece = std::mem::replace(&mut self.buffer, rest);
        piece.push(b'\n');
        piece
    }

    /// The last line, if it had no newline.
    fn rest(self) -> Vec<u8> {
        let mut rest = self.buffer;
        if !rest.is_empty() {
            rest.push(b'\n');
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut cutter, mut stream, mut all) =
                (Cutter::default(), text.as_bytes(), Vec::new());
            while let Some(lines) = cutter.read(&mut stream).await {
                all.push(lines);
            }
            all.push(cutter.rest());
            all.retain(|lines| !lines.is_empty());
            all
        })
    }

    #[test]
    fn lines_come_whole_and_too_long_ones_in_pieces() {
        assert_eq!(cut("a\nb\nc"), [b"a\nb\n".to_vec(), b"c\n".to_vec()]);
        assert!(cut("").is_empty());
        let long = "x".to_string() + &"ä".repeat(LINE_MAX_BYTES) + "\nend\n";
        let all = cut(&long);
        assert!(all.iter().all(|lines| lines.ends_with(b"\n")));
        let text: Vec<String> = all
            .into_iter()
            .map(|it| String::from_utf8(it).unwrap())
            .collect();
        assert_eq!(text.concat().replace('\n', ""), long.replace('\n', ""));
        assert!(
            text.len() >= 2
                && text
                    .concat()
                    .lines()
                    .all(|line| line.len() <= LINE_MAX_BYTES + READ_BYTES)
        );
    }
}
