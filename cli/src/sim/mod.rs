//! Simulates `maxconn run`: one process with its senders, its next hop, its disk and its clock, all in one thread, and all that
//! fails from one seed.
//!
//! The process is what it always is, guest and all, but for `crate::system`, where this stands in the machine's place.
//! When it is killed all of its threads are gone at once, and of its files what a power cut would leave. The next
//! one goes on over the same disk, and the senders send again what was not acknowledged. In the end all is calm; then
//! [`oracle`] says what must be there.
//!
//! `make sim SEEDS=1000` tries so many seeds; `make sim SEED=17` one of them, and prints all that happened.

mod disk;
mod life;
mod oracle;
mod plan;
mod players;
mod store;
mod stream;
mod tests;
mod world;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::pin::pin;
use std::task::ready;
use std::time::Duration;

use tokio::time::sleep;

use self::plan::{Death, Moment};
pub use self::stream::Listener;
use self::world::World;
use crate::system::AnyStream;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
    static IS_ON: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is a simulation.
pub fn is_on() -> bool {
    IS_ON.get()
}

/// Does something with the world of this thread's simulation.
fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| act(world.as_mut().expect("a simulation")))
}

/// The same, in a simulation.
fn if_on<T>(act: impl FnOnce(&mut World) -> T) -> Option<T> {
    is_on().then(|| with(act))
}

/// What the process says.
pub fn note(what: &str) {
    with(|world| world.note(what));
}

pub fn now_ms() -> Option<i64> {
    if_on(|world| world.now_ms())
}

pub fn random() -> Option<u64> {
    if_on(|world| world.random.next())
}

/// A thread, which does not go on at once whenever it could.
pub async fn slowly<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let mut pause = None;
    poll_fn(|context| {
        if pause.is_none() {
            let ms = with(|world| {
                let late_max_ms = world.plan.late_max_ms;
                world.between(0, late_max_ms)
            });
            pause = Some(Box::pin(sleep(Duration::from_millis(ms))));
        }
        if let Some(pause) = &mut pause {
            ready!(pause.as_mut().poll(context));
        }
        pause = None;
        work.as_mut().poll(context)
    })
    .await
}

pub async fn connect(host: &str, port: u16) -> io::Result<AnyStream> {
    let end = stream::call(&format!("{host}:{port}"), true).await?;
    Ok(Box::new(end))
}

pub fn listen(address: &str) -> Option<Listener> {
    if_on(|world| stream::listen(world, address))
}

/// Does something to the disk, unless the process dies just then.
fn on_disk<T>(what: &str, act: impl FnOnce(&mut World) -> io::Result<T>) -> Option<io::Result<T>> {
    let death = if_on(|world| {
        let death = world.plan.deaths.first().copied();
        if let Some((Moment::AtDisk(operation, after_ms), death)) = death
            && death != Death::Stop
            && world.life_ms() >= after_ms as i64
            && !world.is_killed
        {
            world.disk.countdown = world.disk.countdown.or(Some(operation));
            let left = world.disk.countdown.as_mut()?;
            *left -= 1;
            if *left == 0 {
                return Some((death, operation % 2 == 0));
            }
        }
        None
    })?;
    if let Some((death, false)) = death {
        with(|world| world.note(&format!("dies before it can {what}")));
        life::kill(death.name());
    }
    let result = with(|world| {
        if world.is_killed {
            return Err(io::ErrorKind::Other.into());
        }
        let result = act(world);
        if let Err(error) = &result {
            world.note(&format!("disk: cannot {what}: {error}"));
        }
        result
    });
    if let Some((death, true)) = death {
        with(|world| world.note(&format!("dies when it has done this: {what}")));
        life::kill(death.name());
    }
    Some(result)
}

pub fn write_all(file: &mut File, bytes: &[u8]) -> Option<io::Result<()>> {
    on_disk("write", |world| {
        world.look_at_disk();
        let part = world.random.below(bytes.len() as u64 + 1) as usize;
        world.disk.write_all(file, bytes, part)
    })
}

pub fn sync(file: &File) -> Option<io::Result<()>> {
    on_disk("synchronise", |world| world.disk.sync(file))
}

pub fn rename(from: &Path, to: &Path) -> Option<io::Result<()>> {
    on_disk("rename", |world| world.disk.rename(from, to))
}

pub fn sync_folder(_: &Path) -> Option<io::Result<()>> {
    on_disk("synchronise the folder", |world| {
        let now_ms = world.elapsed_ms();
        world.disk.sync_folder(now_ms)
    })
}
