//! `tcp://` and `unix:` take lines on a connection, as syslog daemons send them. They confirm nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};

use super::Intake;
use crate::io::lines::{LINE_MAX_BYTES, line_piece};
use crate::run::connection::Connection;
use crate::run::net::AnyStream;

/// As much is read at once, in bytes. Each connection has so much for itself.
const READ_BYTES: usize = 8 * 1024;
/// A line waits so long for others, which are long as well, to come to their end; then it is cut.
const PLACE_WAIT: Duration = Duration::from_secs(1);
/// A sender that says nothing for so long is gone.
const IDLE_MAX: Duration = Duration::from_secs(3600);

/// An address that takes lines.
pub struct LinesInput {
    /// The guest's source.
    pub source: u16,
    /// To the engine.
    pub intake: Intake,
}

impl LinesInput {
    /// Takes the lines of a connection until it ends, or the process stops. Between two lines it may be ended to
    /// make room for others.
    pub async fn take(
        self: Arc<LinesInput>,
        mut stream: AnyStream,
        mut stop: watch::Receiver<bool>,
        connection: Arc<Connection>,
    ) {
        let mut cutter = Cutter::default();
        loop {
            let read = tokio::select! {
                biased;
                // What was not read is the sender's still.
                _ = stop.wait_for(|stop| *stop) => break,
                () = connection.ended() => break,
                read = timeout(IDLE_MAX, cutter.read(&mut stream)) => match read {
                    Ok(read) => read,
                    Err(_) => {
                        self.intake.metrics.idle_connections.inc();
                        break;
                    }
                },
            };
            if !read {
                break;
            }
            if cutter.wants_place() {
                connection.work();
                cutter.take_place(&self.intake).await;
                connection.rest();
            }
            let lines = cutter.lines(&self.intake);
            if lines.is_empty() {
                continue;
            }
            connection.work();
            if !self.intake.hand_over(self.source, lines).await {
                return;
            }
            cutter.give_back_place();
            connection.rest();
        }
        if !cutter.buffer.is_empty() {
            self.intake.hand_over(self.source, cutter.buffer).await;
        }
    }
}

/// Cuts what is read into whole lines.
#[derive(Default)]
struct Cutter {
    /// The beginning of a line, or more while it is read into.
    buffer: Vec<u8>,
    /// How much of it has no newline.
    searched: usize,
    /// What a longer line needs, from when it comes until it is handed over.
    place: Option<OwnedSemaphorePermit>,
    /// Pieces of this line were given already.
    within_line: bool,
}

impl Cutter {
    /// Reads once; `false` at the end.
    async fn read(&mut self, stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
        self.buffer.reserve(READ_BYTES);
        let mut stream = stream.take(READ_BYTES as u64);
        !matches!(stream.read_buf(&mut self.buffer).await, Ok(0) | Err(_))
    }

    /// Where the last newline is of what was read.
    fn newline(&self) -> Option<usize> {
        let new = self.buffer.get(self.searched..)?;
        memchr::memrchr(b'\n', new).map(|at| self.searched + at)
    }

    /// Whether a line goes on for longer than what is read at once.
    fn wants_place(&self) -> bool {
        let has_none = self.place.is_none() && !self.within_line;
        has_none && self.buffer.len() > READ_BYTES && self.newline().is_none()
    }

    /// Waits for a place: for as long as lines that have one wait for room, and a moment more.
    async fn take_place(&mut self, intake: &Intake) {
        let place = Arc::clone(&intake.long_lines).acquire_owned();
        let patience = async {
            let _ = intake.room(0).await;
            sleep(PLACE_WAIT).await;
        };
        self.place = tokio::select! {
            biased;
            place = place => place.ok(),
            () = patience => None,
        };
    }

    /// What was long is handed over.
    fn give_back_place(&mut self) {
        if !self.within_line {
            self.place = None;
        }
    }

    /// The lines that are whole by now, which may be none. A line longer than the limit is cut; so is one that is longer
    /// than what is read at once and has no place.
    fn lines(&mut self, intake: &Intake) -> Vec<u8> {
        let (goes_on_to, piece_bytes) = match self.place {
            Some(_) => (LINE_MAX_BYTES, LINE_MAX_BYTES),
            // Without a place nothing is kept but a character that may not be whole.
            None => (READ_BYTES, self.buffer.len().saturating_sub(1)),
        };
        let end = match self.newline() {
            Some(at) => {
                self.within_line = false;
                at + 1
            }
            None if self.buffer.len() <= goes_on_to => {
                self.searched = self.buffer.len();
                return Vec::new();
            }
            None => {
                if !std::mem::replace(&mut self.within_line, true) {
                    intake.metrics.cut_lines.inc();
                }
                line_piece(&self.buffer, piece_bytes).0.len()
            }
        };
        let rest = self.buffer.split_off(end);
        self.searched = rest.len();
        std::mem::replace(&mut self.buffer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::connection::{Connections, UnknownPeer};
    use crate::run::engine::Job;
    use crate::run::input::LONG_LINES_MAX;
    use crate::run::metrics::Metrics;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::AsyncWriteExt;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::Instant;

    fn cut(text: &str, intake: &Intake) -> Vec<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut cutter, mut stream, mut all) =
                (Cutter::default(), text.as_bytes(), Vec::new());
            while cutter.read(&mut stream).await {
                if cutter.wants_place() {
                    cutter.take_place(intake).await;
                }
                all.push(cutter.lines(intake));
                cutter.give_back_place();
            }
            all.push(cutter.buffer);
            all.retain(|lines| !lines.is_empty());
            all
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_says_nothing_for_an_hour_is_gone_and_what_it_said_is_not() {
        let (jobs, mut taken) = unbounded_channel();
        let metrics = Metrics::new();
        let intake = Intake::new(jobs, metrics.clone());
        let input = Arc::new(LinesInput { source: 0, intake });
        let (mut sender, stream) = tokio::io::duplex(1024);
        sender.write_all(b"whole\nhalf").await.unwrap();
        let (_stop, stop) = watch::channel(false);
        let begun = Instant::now();
        let connection = Connection::new(Box::new(UnknownPeer));
        input.take(Box::new(stream), stop, connection).await;
        assert_eq!(begun.elapsed().as_secs(), 3600);
        assert_eq!(metrics.idle_connections.get(), 1);
        let mut lines = Vec::new();
        while let Ok(Job::Batch(batch)) = taken.try_recv() {
            lines.extend(batch.lines);
        }
        assert_eq!(lines, b"whole\nhalf\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_whose_lines_wait_for_room_does_not_make_room_for_others() {
        let (jobs, _taken) = unbounded_channel();
        let intake = Intake::new(jobs, Metrics::new());
        let all = intake.room(usize::MAX).await;
        let input = Arc::new(LinesInput {
            source: 0,
            intake: intake.clone(),
        });
        let (mut sender, stream) = tokio::io::duplex(1024);
        sender.write_all(b"a line\n").await.unwrap();
        let (_stop, stop) = watch::channel(false);
        let (connection, connections) = (
            Connection::new(Box::new(UnknownPeer)),
            Connections::default(),
        );
        connections.add(&connection);
        let taking = tokio::spawn(input.take(Box::new(stream), stop, connection));
        // Until there is nothing to be done any more but to wait.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(connections.end_longest_idle().is_none());
        drop(all);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(connections.end_longest_idle().is_some());
        taking.await.unwrap();
    }

    /// However many senders have long lines at once, and whether they go on or are whole.
    #[tokio::test(start_paused = true)]
    async fn long_lines_that_wait_for_room_are_few_and_the_others_come_whole_after_them() {
        let (jobs, mut taken) = unbounded_channel();
        let metrics = Metrics::new();
        let intake = Intake::new(jobs, metrics.clone());
        let all = intake.room(usize::MAX).await;
        let input = Arc::new(LinesInput { source: 0, intake });
        let line = "x".repeat(10 * READ_BYTES) + "\n";
        let (_stop, stop) = watch::channel(false);
        let mut senders = tokio::task::JoinSet::new();
        let unread = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 * LONG_LINES_MAX {
            // What was read of it makes room for the next write.
            let (mut sender, stream) = tokio::io::duplex(READ_BYTES);
            let connection = Connection::new(Box::new(UnknownPeer));
            tokio::spawn(Arc::clone(&input).take(Box::new(stream), stop.clone(), connection));
            let (line, unread) = (line.clone(), Arc::clone(&unread));
            unread.fetch_add(line.len(), Ordering::Relaxed);
            senders.spawn(async move {
                for piece in line.as_bytes().chunks(1024) {
                    sender.write_all(piece).await.unwrap();
                    unread.fetch_sub(piece.len(), Ordering::Relaxed);
                }
                sender
            });
        }
        // Until there is nothing to be done any more but to wait.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let wait_unread = 2 * LONG_LINES_MAX * (line.len() - 4 * READ_BYTES);
        assert!(unread.load(Ordering::Relaxed) >= wait_unread);
        drop(all);
        let mut streams = Vec::new();
        while let Some(stream) = senders.join_next().await {
            streams.push(stream.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut lines = Vec::new();
        while let Ok(Job::Batch(batch)) = taken.try_recv() {
            lines.push(batch.lines);
        }
        assert_eq!(metrics.cut_lines.get(), 0);
        assert_eq!(lines, vec![line.into_bytes(); 3 * LONG_LINES_MAX]);
    }

    #[test]
    fn lines_come_whole_and_too_long_ones_in_pieces() {
        let metrics = Metrics::new();
        let intake = Intake::new(unbounded_channel().0, metrics.clone());
        assert_eq!(cut("a\nb\nc", &intake), [b"a\nb\n".to_vec(), b"c".to_vec()]);
        assert!(cut("", &intake).is_empty());
        let long = "x".to_string() + &"ä".repeat(LINE_MAX_BYTES) + "\nend\n";
        let whole = "y".repeat(20 * READ_BYTES) + "\n";
        // The second time too many others have long lines.
        for (max_bytes, cut_lines) in [(LINE_MAX_BYTES, 1), (READ_BYTES, 3)] {
            let all = cut(&(long.clone() + &whole), &intake);
            assert_eq!(metrics.cut_lines.get(), cut_lines);
            assert_eq!(all.concat(), (long.clone() + &whole).into_bytes());
            for piece in all {
                let text = String::from_utf8(piece).unwrap();
                assert!(
                    text.lines()
                        .all(|line| line.len() <= max_bytes + READ_BYTES)
                );
            }
            intake.long_lines.close();
        }
    }
}
