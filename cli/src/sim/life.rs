//! Runs processes, one after the other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, timeout};

use super::oracle;
use super::plan::{Death, Moment, POWER_CUT};
use super::players::{self, ELSEWHERE, Hand, INPUT, NEXT_HOP};
use super::world::World;
use super::{IS_ON, WORLD, stream, with};
use crate::address::InputAddress;
use crate::alerts::AlertsOptions;
use crate::config::LoadedConfig;
use crate::output::OutputOptions;
use crate::output::backlog::{BACKLOG_MAX_BYTES, BACKLOG_MAX_DELIVERIES};
use crate::output::elasticsearch::OurStreams;
use crate::run::ledger::LEFT_MAX;
use crate::run::signals::{Asked, Signals};
use crate::run::supervise::Process;
use crate::run::{Options, start, state};
use maxconn_host::{Kind, Limits, Plugin};

/// Short, so that floods end within a simulation.
const CONFIG: &str = r#"{"allowed_lateness": "5s", "rule": [{"name": "userip", "threshold": 5, "within": "10s",
    "quiet": "20s", "update_every": "5s", "update_max": "20s"}]}"#;
/// When nothing fails any more all senders must be done after this time.
const DONE_MAX: Duration = Duration::from_secs(600);
/// And all floods have ended after this one: what still waits for an answer at first is said again twice.
const QUIET: Duration = Duration::from_secs(200);
/// A batch may go beyond the backlog's bound: the largest that is sent becomes no more output than this, in bytes.
const BATCH_MAX_BYTES: usize = 1 << 20;

/// What came of a life.
enum End {
    Died,
    /// It ended by itself, well or not.
    Ended(Result<(), String>),
    /// All is done.
    Done,
    Wrong,
}

/// The process is dead from now on.
pub fn kill(how: &str) {
    let links = with(|world| {
        world.note(&format!("the process {how}"));
        world.is_killed = true;
        world.died_ms = world.elapsed_ms();
        world.is_power_cut = how == POWER_CUT;
        let mut random = world.random.clone();
        world.disk.die(&mut random, how == POWER_CUT);
        world.random = random;
        world.killed.notify_one();
        world.links.clone()
    });
    for link in links.iter().filter_map(Weak::upgrade) {
        link.lock().unwrap().sever();
    }
}

/// Goes through all of a simulation. What went wrong, if something did, and all that happened.
pub fn simulate(seed: u64) -> (Option<String>, Vec<String>) {
    WORLD.set(Some(World::new(seed)));
    IS_ON.set(true);
    // What it says is a part of what happens.
    crate::log::start();
    let senders = with(|world| world.plan.senders.len());
    let hands: Vec<Arc<Mutex<Hand>>> = (0..senders).map(|_| Arc::default()).collect();
    let plan = with(|world| format!("{:?}", world.plan));
    with(|world| world.note(&plan));
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let end = runtime.block_on(live(&hands));
        // Everything of the process is gone with it.
        drop(runtime);
        if !after(end) {
            break;
        }
    }
    IS_ON.set(false);
    let world = WORLD.take().unwrap();
    (world.violation.clone(), world.trace.clone())
}

/// What is after a life; answers whether there is another.
fn after(end: End) -> bool {
    with(|world| {
        if !world.plan.deaths.is_empty() {
            world.plan.deaths.remove(0);
        }
        world.disk.come_back();
        match &end {
            End::Done => oracle::finish(world),
            End::Ended(Err(sentence)) if !world.was_disk_full() => {
                world.violate(format!("it ends with: {sentence}"));
            }
            End::Died | End::Ended(Err(_)) => {
                oracle::died(world);
                go_on_from(world);
            }
            End::Ended(Ok(())) => {
                oracle::stopped(world);
                if let Some(kept) = kept(world) {
                    oracle::knows(world, &kept.batches);
                }
            }
            End::Wrong => {}
        }
        matches!(end, End::Died | End::Ended(_)) && world.violation.is_none()
    })
}

/// The state that a process has left.
fn kept(world: &mut World) -> Option<state::State> {
    let bytes = std::fs::read(world.disk.file("state")).unwrap_or_default();
    match state::decode(&bytes) {
        Ok(kept) => Some(kept),
        Err(_) if bytes.is_empty() => Some(state::State::default()),
        Err(problem) => {
            world.violate(format!("the state {problem} after a process"));
            None
        }
    }
}

/// Looks at what the next process will find.
fn go_on_from(world: &mut World) {
    let Some(kept) = kept(world) else { return };
    let mut open = BTreeSet::new();
    if !kept.snapshot.is_empty() {
        let mut instance = plugin().instantiate().unwrap();
        instance.configure(CONFIG.as_bytes(), |_, _| {}).unwrap();
        if let Err(error) = instance.restore(&kept.snapshot, |_, _| {}) {
            return world.violate(format!("the state is of no use after a crash: {error}"));
        }
        let ends = instance.shutdown(|kind, document| {
            if kind == Kind::Alert {
                open.insert(oracle::flood_of(document).0);
            }
        });
        ends.unwrap();
    }
    oracle::knows(world, &kept.batches);
    let alerts = String::from_utf8_lossy(&kept.alerts);
    oracle::goes_on_from(world, &open, &alerts);
    oracle::elsewhere::goes_on_from(world, &kept.outputs);
}

async fn live(hands: &[Arc<Mutex<Hand>>]) -> End {
    let killed = with(|world| {
        world.begin_life();
        Arc::clone(&world.killed)
    });
    let end = tokio::select! {
        biased;
        () = killed.notified() => End::Died,
        end = play(hands) => end,
        () = watch() => End::Wrong,
    };
    let end = match end {
        // It may have been killed by what it did last.
        End::Ended(_) if with(|world| world.is_killed) => End::Died,
        End::Ended(result) => {
            kill("ends");
            End::Ended(result)
        }
        end => end,
    };
    if let End::Died | End::Ended(_) = end {
        // What is on its way arrives, and nobody starts it again at once.
        let pause_ms = with(|world| world.between(200, 3000));
        sleep(Duration::from_millis(pause_ms)).await;
    }
    with(|world| world.end_life());
    end
}

/// Ends when something is wrong; and the disk fills and empties.
async fn watch() {
    loop {
        sleep(Duration::from_millis(50)).await;
        let is_wrong = with(|world| {
            world.look_at_disk();
            world.violation.is_some()
        });
        if is_wrong {
            return;
        }
    }
}

async fn play(hands: &[Arc<Mutex<Hand>>]) -> End {
    let plan = with(|world| world.plan.clone());
    for (address, is_elsewhere) in [(NEXT_HOP, false), (ELSEWHERE, true)] {
        let listener = with(|world| stream::listen(world, address));
        tokio::spawn(players::next_hop(listener, is_elsewhere));
    }
    let (asks, asked) = unbounded_channel();
    let loaded = LoadedConfig {
        json: CONFIG.to_string(),
        ..crate::config::load(None).unwrap()
    };
    let options = with(|world| options(world));
    let process = start::start(&options, plugin(), loaded, None, Signals::of(asked)).await;
    let process = match process {
        Ok(process) => process,
        Err(error) => return End::Ended(Err(error.to_string())),
    };
    let watched = tokio::spawn(bounds(&process));
    let mut running = tokio::spawn(process.supervise());
    let sending: Vec<_> = plan
        .senders
        .iter()
        .zip(hands)
        .enumerate()
        .map(|(number, (plan, hand))| tokio::spawn(players::send(number, *plan, Arc::clone(hand))))
        .collect();
    let death = async {
        match plan.deaths.first() {
            Some((Moment::After(ms), death)) => {
                sleep(Duration::from_millis(*ms)).await;
                *death
            }
            Some((Moment::AtDisk(..), Death::Stop)) => {
                sleep(Duration::from_secs(5)).await;
                Death::Stop
            }
            _ => std::future::pending().await,
        }
    };
    let done = async {
        for sender in sending {
            let _ = sender.await;
        }
        let calm = with(|world| world.plan.active_ms - world.elapsed_ms());
        sleep(Duration::from_millis(calm.max(0) as u64)).await;
        sleep(QUIET).await;
    };
    let limit = with(|world| world.plan.active_ms - world.elapsed_ms()).max(0) as u64;
    let limit = Duration::from_millis(limit) + DONE_MAX;
    let end = tokio::select! {
        biased;
        ended = &mut running => {
            return End::Ended(ended.unwrap().map_err(|it| it.to_string()));
        }
        death = death => match death {
            Death::Stop => false,
            death => {
                kill(death.name());
                std::future::pending().await
            }
        },
        done = timeout(limit, done) => {
            if done.is_err() {
                with(|world| world.violate("senders are not done though nothing fails".to_string()));
            }
            true
        }
    };
    watched.abort();
    with(|world| world.note("is asked to stop"));
    let _ = asks.send(Asked::Stop(15));
    let ended = running.await.unwrap().map_err(|it| it.to_string());
    with(|world| world.note(&format!("has stopped: {ended:?}")));
    match (end, ended) {
        (true, Ok(())) => End::Done,
        (_, ended) => End::Ended(ended),
    }
}

fn options(world: &World) -> Options {
    let scheme = match world.plan.is_store {
        true => "elasticsearch+http",
        false => "http",
    };
    Options {
        inputs: vec![InputAddress::Http(INPUT.to_string())],
        confirm: None,
        output: OutputOptions {
            address: format!("{scheme}://{NEXT_HOP}/").parse().unwrap(),
            key: None,
            ca: None,
            our_streams: OurStreams::One("events".to_string()),
            records_stream: Some("records".to_string()),
            dead_letter: Some(world.disk.file("dead")),
            selection: world.plan.selection,
        },
        alerts: AlertsOptions {
            outputs: vec![format!("webhook+http://{ELSEWHERE}/").parse().unwrap()],
            ..AlertsOptions::default()
        },
        grace: world.plan.grace,
        request_timeout: world.plan.request_timeout,
        input_token: None,
        input_tls: None,
        state: Some(world.disk.file("state")),
        state_reset: false,
        state_interval: world.plan.state_interval,
        admin: None,
    }
}

fn plugin() -> Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    let plugin = PLUGIN.get_or_init(|| crate::builtin::plugin(Limits::default()).unwrap());
    plugin.clone()
}

/// Watches what waits in the process.
fn bounds(process: &Process) -> impl Future<Output = ()> + Send + use<> {
    let (backlog, ledger) = process.queues();
    async move {
        let begun = Instant::now();
        loop {
            sleep(Duration::from_millis(250)).await;
            let (bytes, deliveries) = backlog.waiting();
            let (delivered, others) = ledger.sizes();
            let senders = with(|world| world.plan.senders.len());
            let most = BACKLOG_MAX_DELIVERIES + senders;
            if bytes > BACKLOG_MAX_BYTES + BATCH_MAX_BYTES
                || deliveries > most
                || delivered > LEFT_MAX + senders
                || others > most + LEFT_MAX
            {
                with(|world| {
                    world.violate(format!(
                        "after {} s {bytes} bytes wait in {deliveries} deliveries, and of {delivered} and {others} \
                         batches is remembered that they are delivered or not",
                        begun.elapsed().as_secs()
                    ));
                });
                return;
            }
        }
    }
}
