//! Simulated connections: bytes take their time, come in other pieces than they went, and a connection may break.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::{with, world::World};
use crate::run::connection::Peer;
use crate::system::AnyStream;

/// As much may be on its way in one direction, in bytes.
const WINDOW_BYTES: usize = 64 * 1024;
/// The side that has connected.
const CALLER: usize = 0;
/// The side that has accepted.
const CALLED: usize = 1;

/// When something became known to the process: its place among all that happened, and ms of the simulation.
pub type Known = Arc<OnceLock<(u64, i64)>>;

/// A connection.
pub struct Link {
    pub name: String,
    halves: [Half; 2],
    is_reset: bool,
    /// Which side is the process.
    process: usize,
    /// The process at the one side is dead.
    is_severed: bool,
    carried: usize,
    reset_after: usize,
    latency_ms: (u64, u64),
    /// After so many bytes nothing comes for so many ms.
    stall: Option<(usize, u64)>,
    piece_max: usize,
    /// All that the process has tried to write, if it was called.
    pub answers: Vec<u8>,
    marks: Vec<(usize, Known)>,
    /// When the process wrote what begins at this place, if it has called.
    asked: Vec<(usize, u64)>,
}

/// One direction.
#[derive(Default)]
struct Half {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    waiting: usize,
    last: Option<Instant>,
    closed: Option<Instant>,
    written: usize,
    read: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Half {
    fn wake(&mut self) {
        let wakers = [self.reader.take(), self.writer.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Link {
    fn new(world: &mut World, name: String, process: usize) -> Link {
        let net = world.plan.net;
        let is_calm = world.is_calm();
        let fails = |world: &mut World, percent| !is_calm && world.chance(percent);
        let reset_after = match fails(world, net.reset_percent) {
            true => world.between(0, net.reset_bytes_max) as usize,
            false => usize::MAX,
        };
        let stall = fails(world, net.stall_percent).then(|| {
            // Not near the minute that the process waits for an answer: which came first must not matter.
            let long = world.chance(30);
            let ms = if long {
                world.between(70_000, 90_000)
            } else {
                world.between(100, 20_000)
            };
            (world.between(0, 4000) as usize, ms)
        });
        let slow = fails(world, net.pieces_percent);
        let piece_max = if slow {
            world.between(1, 64) as usize
        } else {
            WINDOW_BYTES
        };
        Link {
            name,
            halves: Default::default(),
            is_reset: false,
            process,
            is_severed: false,
            carried: 0,
            reset_after,
            latency_ms: (0, world.between(0, net.latency_max_ms)),
            stall,
            piece_max,
            answers: Vec::new(),
            marks: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn reset(&mut self) {
        self.is_reset = true;
        for half in &mut self.halves {
            half.chunks.clear();
            half.wake();
        }
    }

    /// The process is dead: what it has sent arrives, then the connection ends.
    pub fn sever(&mut self) {
        self.is_severed = true;
        let half = &mut self.halves[self.process];
        half.closed = Some(half.last.unwrap_or_else(Instant::now));
        self.halves.iter_mut().for_each(Half::wake);
    }
}

/// One side of a connection.
pub struct End {
    pub link: Arc<Mutex<Link>>,
    side: usize,
    arrival: Option<Pin<Box<Sleep>>>,
}

impl End {
    fn lock(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap()
    }

    /// When the process wrote what begins after so many bytes: its place among all that happened.
    pub fn asked(&self, at: usize) -> u64 {
        let link = self.lock();
        let place = link.asked.partition_point(|(from, _)| *from <= at);
        link.asked.get(place.wrapping_sub(1)).map_or(0, |it| it.1)
    }

    /// Breaks the connection.
    pub fn reset(&self) {
        self.lock().reset();
    }

    /// What was written last is known to the other side once it has read it.
    pub fn mark(&self, known: Known) {
        let mut link = self.lock();
        let upto = link.halves[self.side].written;
        link.marks.push((upto, known));
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut guard = self.lock();
        let link = &mut *guard;
        let is_process = link.process == self.side;
        if is_process && with(|world| world.is_killed) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let broken =
            link.is_reset || link.is_severed || link.halves[1 - self.side].closed.is_some();
        if broken {
            if is_process && self.side == CALLED {
                link.answers.extend_from_slice(bytes);
            }
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW_BYTES - link.halves[self.side].waiting.min(WINDOW_BYTES);
        if room == 0 {
            link.halves[self.side].writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let (from, to) = link.latency_ms;
        let (piece, mut delay_ms) = with(|world| {
            let piece = world.between(1, link.piece_max as u64) as usize;
            (piece, world.between(from, to))
        });
        let piece = if link.piece_max == WINDOW_BYTES {
            WINDOW_BYTES
        } else {
            piece
        };
        let piece = &bytes[..bytes.len().min(room).min(piece)];
        if is_process && self.side == CALLED {
            link.answers.extend_from_slice(piece);
        }
        link.carried += piece.len();
        if link.carried >= link.reset_after {
            let name = link.name.clone();
            with(|world| world.note(&format!("{name} breaks")));
            link.reset();
            return Poll::Ready(Ok(piece.len()));
        }
        if let Some((at, ms)) = link.stall
            && link.carried >= at
        {
            delay_ms += ms;
            link.stall = None;
        }
        let half = &mut link.halves[self.side];
        if is_process && self.side == CALLER {
            link.asked
                .push((half.written, with(|world| world.next_event())));
        }
        let arrival = Instant::now() + Duration::from_millis(delay_ms);
        let arrival = half.last.map_or(arrival, |last| last.max(arrival));
        half.last = Some(arrival);
        half.written += piece.len();
        half.waiting += piece.len();
        half.chunks.push_back((arrival, piece.to_vec()));
        if let Some(reader) = half.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let next = {
            let mut guard = self.link.lock().unwrap();
            let link = &mut *guard;
            let is_process = link.process == self.side;
            if is_process && with(|world| world.is_killed) {
                return Poll::Pending;
            }
            if link.is_reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let half = &mut link.halves[1 - self.side];
            let now = Instant::now();
            // Woken if more comes, or the connection breaks.
            half.reader = Some(context.waker().clone());
            match (half.chunks.front_mut(), half.closed) {
                (Some((arrival, chunk)), _) if *arrival <= now => {
                    let count = chunk.len().min(buffer.remaining()).min(link.piece_max);
                    buffer.put_slice(&chunk[..count]);
                    chunk.drain(..count);
                    half.read += count;
                    half.waiting -= count;
                    if chunk.is_empty() {
                        half.chunks.pop_front();
                    }
                    if let Some(writer) = half.writer.take() {
                        writer.wake();
                    }
                    let read = half.read;
                    if is_process {
                        let now = with(|world| (world.next_event(), world.elapsed_ms()));
                        for (_, known) in link.marks.iter().filter(|(upto, _)| *upto <= read) {
                            let _ = known.set(now);
                        }
                        link.marks.retain(|(upto, _)| *upto > read);
                    }
                    return Poll::Ready(Ok(()));
                }
                (Some((arrival, _)), _) => *arrival,
                (None, Some(closed)) if closed <= now => return Poll::Ready(Ok(())),
                (None, Some(closed)) => closed,
                (None, None) => return Poll::Pending,
            }
        };
        if self.arrival.as_ref().is_none_or(|it| it.deadline() != next) {
            self.arrival = Some(Box::pin(sleep_until(next)));
        }
        let arrival = self.arrival.as_mut().map(|it| it.as_mut().poll(context));
        if arrival.is_some_and(|it| it.is_ready()) {
            // The next look finds it.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl End {
    fn close(&self) {
        let mut link = self.lock();
        let half = &mut link.halves[self.side];
        if half.closed.is_none() {
            half.closed = Some(half.last.unwrap_or_else(Instant::now));
            half.wake();
        }
        link.halves[1 - self.side].wake();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}

/// What somebody listens with.
pub struct Listener(AsyncMutex<UnboundedReceiver<End>>);

impl Listener {
    pub async fn next(&self) -> End {
        match self.0.lock().await.recv().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }

    /// For the process: a connection, and its other side.
    pub async fn accept(&self) -> io::Result<(AnyStream, Box<dyn Peer>)> {
        let end = self.next().await;
        let other = Other {
            link: Arc::clone(&end.link),
            side: 1 - end.side,
        };
        Ok((Box::new(end), Box::new(other)))
    }
}

/// The other side of a connection.
struct Other {
    link: Arc<Mutex<Link>>,
    side: usize,
}

impl Peer for Other {
    fn is_gone(&self) -> bool {
        let link = self.link.lock().unwrap();
        let closed = link.halves[self.side].closed;
        link.is_reset || closed.is_some_and(|closed| closed <= Instant::now())
    }

    fn is_broken(&self) -> bool {
        let link = self.link.lock().unwrap();
        link.is_reset || link.is_severed || link.halves[self.side].closed.is_some()
    }
}

/// Listens at an address.
pub fn listen(world: &mut World, address: &str) -> Listener {
    let (calls, called) = unbounded_channel();
    world.listeners.insert(address.to_string(), calls);
    Listener(AsyncMutex::new(called))
}

/// Connects, if somebody listens; `by_process` tells which side the process is.
pub async fn call(address: &str, by_process: bool) -> io::Result<End> {
    let pause_ms = with(|world| {
        let most = world.plan.net.latency_max_ms;
        world.between(0, most)
    });
    sleep(Duration::from_millis(pause_ms)).await;
    with(|world| {
        if by_process && world.weather().refuses {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if world.is_killed {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let process = if by_process { CALLER } else { CALLED };
        let number = world.next_link();
        let name = format!("connection {number} to {address}");
        let link = Arc::new(Mutex::new(Link::new(world, name, process)));
        world.links.push(Arc::downgrade(&link));
        let end = |side| End {
            link: Arc::clone(&link),
            side,
            arrival: None,
        };
        let listener = world.listeners.get(address);
        let sent = listener.is_some_and(|calls| calls.send(end(CALLED)).is_ok());
        match sent {
            true => Ok(end(CALLER)),
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    })
}
