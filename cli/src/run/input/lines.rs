//! `tcp://` and `unix:`: lines on a connection, as syslog daemons send them. They confirm nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::Intake;
use super::cut::line_piece;
use crate::replay::LINE_MAX_BYTES;
use crate::run::activity::Activity;
use crate::run::net::AnyStream;

/// As much is read at once, in bytes. Each connection has so much for itself.
const READ_BYTES: usize = 8 * 1024;
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
        activity: Arc<Activity>,
    ) {
        let mut cutter = Cutter::default();
        loop {
            let read = tokio::select! {
                biased;
                // What was not read is the sender's still.
                _ = stop.wait_for(|stop| *stop) => break,
                () = activity.ended() => break,
                read = timeout(IDLE_MAX, cutter.read(&mut stream, &self.intake)) => match read {
                    Ok(read) => read,
                    Err(_) => {
                        self.intake.metrics.idle_connections.inc();
                        break;
                    }
                },
            };
            let lines = match read {
                Some(lines) if lines.is_empty() => continue,
                Some(lines) => lines,
                None => break,
            };
            activity.work();
            if !self.intake.hand_over(self.source, lines).await {
                return;
            }
            activity.rest();
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
    /// What a longer line needs, while it comes.
    place: Option<OwnedSemaphorePermit>,
    /// Pieces of this line were given already.
    within_line: bool,
}

impl Cutter {
    /// Reads once; gives the lines that are whole now, which may be none. `None` at the end. A line longer than the
    /// limit is cut; so is one that is longer than what is read at once, if too many others are as well.
    async fn read(
        &mut self,
        stream: &mut (impl AsyncReadExt + Unpin),
        intake: &Intake,
    ) -> Option<Vec<u8>> {
        let searched = self.buffer.len();
        self.buffer.reserve(READ_BYTES);
        let mut stream = stream.take(READ_BYTES as u64);
        match stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let new = self.buffer.get(searched..).unwrap_or(&[]);
        let end = match memchr::memrchr(b'\n', new) {
            Some(at) => {
                self.within_line = false;
                searched + at + 1
            }
            None if self.has_place(intake) => return Some(Vec::new()),
            None => {
                if !std::mem::replace(&mut self.within_line, true) {
                    intake.metrics.cut_lines.inc();
                }
                // Without a place nothing is kept but a character that may not be whole.
                let max_bytes = match self.place {
                    Some(_) => LINE_MAX_BYTES,
                    None => self.buffer.len() - 1,
                };
                line_piece(&self.buffer, max_bytes).0.len()
            }
        };
        let rest = self.buffer.split_off(end);
        self.place = self.place.take().filter(|_| rest.len() > READ_BYTES);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Whether the line that goes on may.
    fn has_place(&mut self, intake: &Intake) -> bool {
        if self.buffer.len() > READ_BYTES && self.place.is_none() {
            self.place = Arc::clone(&intake.long_lines).try_acquire_owned().ok();
        }
        self.buffer.len() <= READ_BYTES
            || (self.place.is_some() && self.buffer.len() <= LINE_MAX_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::activity::{Activities, Silent};
    use crate::run::engine::Job;
    use crate::run::metrics::Metrics;
    use tokio::io::AsyncWriteExt;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::Instant;

    fn cut(text: &str, intake: &Intake) -> Vec<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut cutter, mut stream, mut all) =
                (Cutter::default(), text.as_bytes(), Vec::new());
            while let Some(lines) = cutter.read(&mut stream, intake).await {
                all.push(lines);
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
        let activity = Activity::new(Box::new(Silent));
        input.take(Box::new(stream), stop, activity).await;
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
        let (activity, activities) = (Activity::new(Box::new(Silent)), Activities::default());
        activities.add(&activity);
        let taking = tokio::spawn(input.take(Box::new(stream), stop, activity));
        // Until there is nothing to be done any more but to wait.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(activities.end_longest_idle().is_none());
        drop(all);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(activities.end_longest_idle().is_some());
        taking.await.unwrap();
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
