//! Contract §4.1 and §4.3 done by hand: a detector for one rule that keeps every event and looks at all of them each
//! time. It knows the text and nothing of the code.

use std::collections::BTreeMap;

use maxconn_core::config::Config;
use serde_json::Value;

use crate::reference::time_ms;
use crate::stream::Sighted;

/// A flood, as its alerts tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub key: String,
    pub opened_ms: i64,
    pub start_ms: i64,
    pub end_ms: i64,
    pub count: u64,
    pub ended_ms: i64,
    pub reason: String,
}

impl Told {
    /// A flood that opened then, by the alert about its end.
    pub fn of_end(alert: &Value, opened_ms: i64) -> Told {
        let flood = &alert["maxconn"]["flood"];
        Told {
            key: flood["key"].as_str().unwrap().to_string(),
            opened_ms,
            start_ms: time_ms(&alert["event"]["start"]),
            end_ms: time_ms(&alert["event"]["end"]),
            count: flood["count"].as_u64().unwrap(),
            ended_ms: time_ms(&alert["@timestamp"]),
            reason: flood["end_reason"].as_str().unwrap().to_string(),
        }
    }
}

#[derive(Clone, Debug)]
struct Open {
    opened_ms: i64,
    times: Vec<i64>,
    /// The greatest time. At the opening the crossing event's, where the window's newest is out of reach: a window remembers
    /// its slots' first events, not their last.
    end_ms: i64,
    last_ms: i64,
    /// M at the arrival of its last event.
    m_ms: i64,
    /// How often time had leapt then.
    leaps: usize,
}

/// A window: its events, and whether a flood has counted any of them.
#[derive(Clone, Debug, Default)]
struct Fed {
    times: Vec<i64>,
    is_counted: bool,
}

#[derive(Clone, Debug, Default)]
struct Key {
    first: Fed,
    second: Fed,
    open: Option<Open>,
}

/// The detector.
pub struct Model {
    threshold: usize,
    within_ms: i64,
    quiet_ms: i64,
    lateness_ms: i64,
    keys: BTreeMap<String, Key>,
    /// Every event time since time last went back.
    times: Vec<i64>,
    /// Events in succession that lie far before the time.
    run: Vec<i64>,
    /// Whether an event far before G came after it.
    is_torn: bool,
    /// Where T leapt to, each time.
    leaps: Vec<i64>,
    told: Vec<Told>,
}

impl Model {
    pub fn new(config: &Config) -> Model {
        let rule = &config.rules[0];
        Model {
            threshold: rule.threshold as usize,
            within_ms: rule.within_ms,
            quiet_ms: rule.quiet_ms,
            lateness_ms: config.allowed_lateness_ms,
            keys: BTreeMap::new(),
            times: Vec::new(),
            run: Vec::new(),
            is_torn: false,
            leaps: Vec::new(),
            told: Vec::new(),
        }
    }

    /// All that is told of a stream and its end.
    pub fn run(config: &Config, events: &[Sighted]) -> Vec<Told> {
        let mut model = Model::new(config);
        events.iter().for_each(|event| model.event(event));
        model.finish();
        model.told.sort();
        model.told
    }

    /// T, the greatest time but one.
    fn confirmed(&self) -> Option<i64> {
        let greatest = self.times.iter().max()?;
        self.times
            .iter()
            .filter(|time| *time < greatest)
            .max()
            .copied()
    }

    fn watermark(&self) -> i64 {
        self.confirmed()
            .map_or(i64::MIN, |time| time - self.lateness_ms)
    }

    fn event(&mut self, event: &Sighted) {
        let time = event.time_ms;
        let far = self.quiet_ms + self.lateness_ms;
        let before = self.confirmed();
        self.times.push(time);
        self.is_torn |= self.times.iter().any(|greatest| greatest - time > far);
        if let (true, Some(before), Some(now)) = (self.is_torn, before, self.confirmed())
            && now - before > far
        {
            self.is_torn = false;
            self.leaps.push(now - self.lateness_ms);
        }
        self.end_others(self.watermark());
        if self.confirmed().is_some_and(|now| time < now - far) {
            self.run.push(time);
            let lowest = self.run.iter().min();
            if self.run.len() >= 64 && lowest != self.run.iter().max() {
                self.times = std::mem::take(&mut self.run);
                let now = self.watermark();
                self.leaps
                    .iter_mut()
                    .for_each(|leapt| *leapt = now.min(*leapt));
                let open = self.keys.values_mut().filter_map(|key| key.open.as_mut());
                open.for_each(|flood| flood.m_ms = flood.m_ms.max(flood.last_ms).min(now));
            }
        } else {
            self.run.clear();
        }
        self.own(&event.key(), time, event.count as usize);
    }

    /// Other keys' events end a flood when M has come `quiet` past its last event, or past where M was then.
    fn end_others(&mut self, watermark: i64) {
        let over: Vec<String> = self
            .keys
            .iter()
            .filter(|(_, key)| {
                key.open.as_ref().is_some_and(|flood| {
                    // The last leap spares floods that had an event since the one before.
                    let leapt = match self.leaps.last() {
                        Some(leapt) if self.leaps.len() - flood.leaps <= 1 => *leapt,
                        _ => i64::MIN,
                    };
                    let from = flood.m_ms.max(leapt);
                    from.saturating_add(self.quiet_ms) <= watermark
                })
            })
            .map(|(name, _)| name.clone())
            .collect();
        over.iter().for_each(|name| self.end(name, None));
    }

    fn end(&mut self, name: &str, at: Option<i64>) {
        let key = self.keys.get_mut(name).unwrap();
        let Some(flood) = key.open.take() else { return };
        self.told.push(Told {
            key: name.to_string(),
            opened_ms: flood.opened_ms,
            start_ms: *flood.times.iter().min().unwrap(),
            end_ms: flood.end_ms,
            count: flood.times.len() as u64,
            ended_ms: at.map_or(flood.last_ms + self.quiet_ms, |at| at.max(flood.last_ms)),
            reason: at.map_or("quiet", |_| "end_of_input").to_string(),
        });
        key.first = std::mem::take(&mut key.second);
        if key.first.is_counted {
            key.first = Fed::default();
        }
    }

    fn is_near(&self, window: &Fed, time: i64) -> bool {
        let late = self.lateness_ms.min(self.within_ms);
        window.times.iter().max().is_some_and(|newest| {
            newest - self.within_ms - late <= time && time <= newest + self.within_ms
        })
    }

    fn slot(&self, time: i64) -> i64 {
        (time * 16).div_euclid(self.within_ms)
    }

    /// The events of a window in slots from one to another.
    fn between(&self, window: &Fed, from: i64, to: i64) -> Vec<i64> {
        let times = window.times.iter().copied();
        times
            .filter(|time| (from..=to).contains(&self.slot(*time)))
            .collect()
    }

    /// The slot that ends the 17 which hold the threshold: the time's own, or the newest event's if that is in order.
    fn reached(&self, window: &Fed, time: i64) -> Option<i64> {
        let late = self.lateness_ms.min(self.within_ms);
        let newest = self.slot(*window.times.iter().max().unwrap());
        let (own, last) = (self.slot(time), self.slot(time + late));
        let ends = [own, if newest <= last { newest } else { own }];
        ends.into_iter()
            .find(|end| self.between(window, end - 16, *end).len() >= self.threshold)
    }

    /// A record feeds a window with each of the refusals that it stands for.
    fn feed(&self, window: &mut Fed, time: i64, refusals: usize) -> bool {
        window.times.extend(std::iter::repeat_n(time, refusals));
        self.reached(window, time).is_some()
    }

    fn own(&mut self, name: &str, time: i64, refusals: usize) {
        let mut key = self.keys.remove(name).unwrap_or_default();
        if let Some(flood) = &key.open
            && time >= flood.last_ms + self.quiet_ms
        {
            let over = flood.last_ms + self.quiet_ms;
            let second = &key.second;
            let newest = second.times.iter().max().copied();
            let again = newest.is_some_and(|newest| {
                !second.is_counted
                    && newest >= over
                    && (newest != time
                        || self
                            .between(second, self.slot(time) - 16, self.slot(time))
                            .len()
                            + refusals
                            >= self.threshold)
            });
            if self.threshold <= refusals || again {
                self.keys.insert(name.to_string(), key);
                self.end(name, None);
                key = self.keys.remove(name).unwrap();
            } else {
                if key.second.is_counted || !self.is_near(&key.second, time) {
                    key.second = Fed::default();
                }
                self.feed(&mut key.second, time, refusals);
                self.keys.insert(name.to_string(), key);
                return;
            }
        }
        let watermark = self.watermark();
        if let Some(flood) = &mut key.open {
            flood.times.extend(std::iter::repeat_n(time, refusals));
            flood.end_ms = flood.end_ms.max(time);
            if time >= flood.last_ms - self.quiet_ms {
                flood.last_ms = flood.last_ms.max(time);
                key.second = Fed::default();
            } else {
                if !self.is_near(&key.second, time) {
                    key.second = Fed::default();
                }
                key.second.is_counted = true;
                // One record alone does not say that the flood goes on at its time.
                let is_alone = key.second.times.is_empty() && self.threshold > 1;
                if self.feed(&mut key.second, time, refusals) && !is_alone {
                    key.first = std::mem::take(&mut key.second);
                    flood.last_ms = time;
                }
            }
            flood.m_ms = watermark.max(flood.last_ms);
            flood.leaps = self.leaps.len();
        } else {
            self.count(&mut key, time, refusals, watermark);
        }
        self.keys.insert(name.to_string(), key);
    }

    fn count(&self, key: &mut Key, time: i64, refusals: usize, watermark: i64) {
        let near = [&key.first, &key.second].map(|window| self.is_near(window, time));
        let fed = match near {
            [false, false] => {
                let is_first = key.first.times.is_empty();
                let begun = if is_first {
                    &mut key.first
                } else {
                    &mut key.second
                };
                *begun = Fed::default();
                [is_first, !is_first]
            }
            near => near,
        };
        let mut fed = fed;
        let mut opens = [
            fed[0] && self.feed(&mut key.first, time, refusals),
            fed[1] && self.feed(&mut key.second, time, refusals),
        ];
        // The second is the one that was fed less recently; where both were by one event, it stays the second.
        if fed == [false, true] {
            std::mem::swap(&mut key.first, &mut key.second);
            (fed, opens) = ([true, false], [opens[1], false]);
        }
        let late = self.lateness_ms.min(self.within_ms);
        let held = [(opens[0], &key.first), (opens[1], &key.second)].map(|(opens, window)| {
            let end = if opens {
                self.reached(window, time).unwrap()
            } else {
                self.slot(time)
            };
            self.between(window, end - 16, end.max(self.slot(time + late)))
        });
        if opens == [false, false] {
            return;
        }
        let is_second = opens[1] && (!opens[0] || held[1].len() > held[0].len());
        let other_was_fed = fed[usize::from(!is_second)];
        if is_second {
            std::mem::swap(&mut key.first, &mut key.second);
        }
        if other_was_fed {
            key.second = Fed::default();
        }
        let times = held[usize::from(is_second)].clone();
        let newest = *key.first.times.iter().max().unwrap();
        let is_in_order = self.slot(newest) <= self.slot(time + late);
        let last_ms = if is_in_order { newest } else { time };
        key.open = Some(Open {
            opened_ms: time,
            times,
            end_ms: last_ms,
            last_ms,
            m_ms: watermark.max(last_ms),
            leaps: self.leaps.len(),
        });
    }

    fn finish(&mut self) {
        let newest = self.times.iter().max().copied();
        let Some(newest) = newest else { return };
        let end = match self.confirmed() {
            Some(confirmed) if newest - confirmed > self.lateness_ms => confirmed,
            _ => newest,
        };
        self.leaps.iter_mut().for_each(|leapt| *leapt = i64::MIN);
        self.end_others(end);
        let names: Vec<String> = self.keys.keys().cloned().collect();
        names.iter().for_each(|name| self.end(name, Some(end)));
    }
}

/// What alerts tell, flood by flood.
pub fn told(alerts: &[Value]) -> Vec<Told> {
    let mut opened = BTreeMap::new();
    let mut told = Vec::new();
    for alert in alerts {
        let flood = &alert["maxconn"]["flood"];
        let id = flood["id"].to_string();
        match flood["state"].as_str() {
            Some("start") => {
                opened.insert(id, time_ms(&alert["@timestamp"]));
            }
            Some("end") => {
                let opened_ms = opened.remove(&id).expect("an end without a start");
                told.push(Told::of_end(alert, opened_ms));
            }
            _ => {}
        }
    }
    assert!(opened.is_empty(), "a flood that never ends");
    told.sort();
    told
}
