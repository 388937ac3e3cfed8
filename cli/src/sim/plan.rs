//! Plans what happens in a simulation, all of it from its seed.

use std::time::Duration;

use crate::generate::random::Random;
use crate::selection::Selection;

/// How connections are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Net {
    pub latency_max_ms: u64,
    pub reset_percent: u64,
    pub reset_bytes_max: u64,
    pub stall_percent: u64,
    pub pieces_percent: u64,
}

/// How the next hop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Nobody can connect.
    pub refuses: bool,
    /// So many of 100 requests are answered with 503 and not taken.
    pub busy_percent: u64,
    /// So many are taken, and the connection breaks before the answer.
    pub torn_percent: u64,
    /// So many are not answered for more than a minute.
    pub silent_percent: u64,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It is killed, and the machine goes on.
    Kill,
    /// The machine loses its power.
    PowerCut,
    /// It is asked to stop.
    Stop,
}

/// What happens with all that is not on the disk yet.
pub const POWER_CUT: &str = "loses its power";

impl Death {
    pub fn name(self) -> &'static str {
        match self {
            Death::Kill => "is killed",
            Death::PowerCut => POWER_CUT,
            Death::Stop => "stops",
        }
    }
}

/// When it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After so many ms of its life.
    After(u64),
    /// Instead of the so manieth thing that it does to the disk, or right after it if that number is even, but not before so many ms.
    AtDisk(u64, u64),
}

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub batches: usize,
    pub lines_max: u64,
    pub pause_max_ms: u64,
    /// How long it waits for an answer.
    pub patience_ms: u64,
    pub is_text: bool,
    /// So many bytes are in each line besides.
    pub padding: usize,
    /// What is not taken is given up.
    pub gives_up: bool,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub senders: Vec<Sender>,
    pub keys: u64,
    pub events_percent: u64,
    pub poison_percent: u64,
    pub selection: Selection,
    /// The next hop is Elasticsearch.
    pub is_store: bool,
    pub request_timeout: Duration,
    pub state_interval: Duration,
    pub grace: Duration,
    pub net: Net,
    /// How late threads are.
    pub late_max_ms: u64,
    /// From when until when, in ms of the simulation.
    pub weather: Vec<(i64, i64, Weather)>,
    pub full: Vec<(i64, i64)>,
    /// Processes live so long one after the other; the last lives on.
    pub deaths: Vec<(Moment, Death)>,
    /// After this nothing fails any more.
    pub active_ms: i64,
}

impl Plan {
    pub fn new(random: &mut Random) -> Plan {
        let active_ms = between(random, 20_000, 150_000);
        let is_heavy = between(random, 0, 9) == 0;
        let count = if is_heavy { 24 } else { between(random, 1, 4) };
        let senders = (0..count).map(|_| sender(random, is_heavy)).collect();
        let weather = spans(random, 6, 60_000, active_ms).into_iter();
        let weather = weather.map(|(from, to)| (from, to, storm(random)));
        let weather = weather.collect();
        let full = spans(random, 2, 15_000, active_ms);
        let deaths = (0..between(random, 0, 5)).map(|_| {
            let after = between(random, 10, active_ms / 3);
            let moment = match between(random, 0, 1) {
                0 => Moment::After(after),
                _ => Moment::AtDisk(between(random, 1, 12), after),
            };
            let death = pick(random, [Death::Kill, Death::PowerCut, Death::Stop]);
            (moment, death)
        });
        let deaths = deaths.collect();
        let ms = Duration::from_millis;
        let mut plan = Plan {
            senders,
            keys: between(random, 1, 5),
            events_percent: pick(random, [5, 50, 95]),
            poison_percent: pick(random, [0, 0, 2]),
            selection: pick(random, [Selection::All, Selection::All, Selection::Changed]),
            is_store: between(random, 0, 2) == 0,
            request_timeout: ms(pick(random, [300, 4000, 30_000])),
            state_interval: ms(pick(random, [20, 1000, 10_000])),
            grace: ms(between(random, 2000, 25_000)),
            net: Net {
                latency_max_ms: pick(random, [0, 3, 60]),
                reset_percent: pick(random, [0, 10, 50]),
                reset_bytes_max: pick(random, [1500, 40_000]),
                stall_percent: pick(random, [0, 2, 10]),
                pieces_percent: pick(random, [0, 20]),
            },
            late_max_ms: pick(random, [0, 2, 40]),
            weather,
            full,
            deaths,
            active_ms: active_ms as i64,
        };
        if is_heavy {
            plan.make_heavy();
        }
        plan
    }

    /// Much comes while the next hop is away, more than may wait; and little else fails.
    fn make_heavy(&mut self) {
        let away = Weather {
            refuses: true,
            ..Weather::default()
        };
        (self.events_percent, self.active_ms) = (5, 40_000);
        self.selection = Selection::All;
        self.net = Net::default();
        self.net.latency_max_ms = 3;
        self.weather = vec![(500, self.active_ms, away)];
        self.full.clear();
        self.deaths.truncate(1);
        self.deaths.retain(|it| it.1 == Death::Stop);
    }
}

fn sender(random: &mut Random, is_heavy: bool) -> Sender {
    // Drawn, or what is heavy.
    let mut drawn = |draw: fn(&mut Random) -> u64, heavy| match is_heavy {
        true => heavy,
        false => draw(random),
    };
    Sender {
        batches: drawn(|random| between(random, 5, 40), 12) as usize,
        lines_max: drawn(|random| pick(random, [4, 20, 60]), 20),
        pause_max_ms: drawn(|random| pick(random, [20, 1000, 8000]), 1500),
        patience_ms: drawn(|random| pick(random, [700, 5000, 120_000]), 700),
        is_text: between(random, 0, 1) == 0,
        padding: if is_heavy { 12_000 } else { 0 },
        gives_up: is_heavy && between(random, 0, 5) > 0,
    }
}

fn storm(random: &mut Random) -> Weather {
    let mut weather = Weather::default();
    match between(random, 0, 4) {
        0 => weather.refuses = true,
        1 => weather.busy_percent = 100,
        2 => weather.torn_percent = between(random, 10, 100),
        3 => weather.silent_percent = between(random, 10, 100),
        _ => {
            (weather.busy_percent, weather.torn_percent) = (30, 30);
            weather.silent_percent = 5;
        }
    }
    weather
}

fn spans(random: &mut Random, most: u64, longest_ms: u64, within_ms: u64) -> Vec<(i64, i64)> {
    let count = between(random, 0, most);
    let span = |_| {
        let from = between(random, 0, within_ms);
        let to = from + between(random, 50, longest_ms);
        (from as i64, to.min(within_ms) as i64)
    };
    (0..count).map(span).collect()
}

fn between(random: &mut Random, from: u64, to: u64) -> u64 {
    from + random.below(to - from + 1)
}

fn pick<T: Copy, const N: usize>(random: &mut Random, of: [T; N]) -> T {
    of[random.below(N as u64) as usize]
}
