//! Says what must have been told by `--alerts`: of each flood its start and its end, in that order, whatever died in between.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Oracle;
use crate::sim::world::World;

/// What is known of it.
#[derive(Default)]
pub struct Elsewhere {
    /// What was told of each flood, in order.
    told: BTreeMap<String, Vec<String>>,
    /// Starts and ends that a state has promised.
    promised: BTreeSet<(String, String)>,
}

fn flood_and_state(alert: &Value) -> (String, String) {
    let flood = &alert["maxconn"]["flood"];
    let text = |name: &str| flood[name].as_str().unwrap_or_default().to_string();
    (text("id"), text("state"))
}

/// An alert was taken there.
pub fn take(world: &mut World, document: &str) {
    let (flood, state) = match serde_json::from_str(document) {
        Ok(alert) => flood_and_state(&alert),
        Err(error) => return world.violate(format!("no alert: {error}: {document}")),
    };
    world.note(&format!("elsewhere: {state} of {flood}"));
    let told = world
        .oracle
        .elsewhere
        .told
        .entry(flood.clone())
        .or_default();
    told.push(state);
    if told.first().is_some_and(|it| it != "start") {
        world.violate(format!(
            "of flood {flood} something was told elsewhere before its start"
        ));
    }
}

/// What the next process will go on from.
pub fn goes_on_from(world: &mut World, kept: &[u8]) {
    for line in kept
        .split(|byte| *byte == b'\n')
        .filter(|it| !it.is_empty())
    {
        let kept: Value = serde_json::from_slice(line).unwrap_or_default();
        let (flood, state) = flood_and_state(&kept["alert"]);
        if flood.is_empty() {
            world.violate("the state holds no alert where one is kept".to_string());
        } else if state != "ongoing" {
            world.oracle.elsewhere.promised.insert((flood, state));
        }
    }
}

/// What is missing when all is quiet.
pub fn missing(oracle: &Oracle) -> Vec<String> {
    let elsewhere = &oracle.elsewhere;
    let is_told = |flood: &String, state: &str| {
        let told = elsewhere.told.get(flood);
        told.is_some_and(|it| it.iter().any(|it| it == state))
    };
    let promised = elsewhere.promised.iter();
    let promised = promised.filter(|(flood, state)| !is_told(flood, state));
    let mut missing: Vec<String> = promised
        .map(|(flood, state)| {
            format!("{state} of flood {flood} was in a state and was not told elsewhere")
        })
        .collect();
    for (flood, _) in oracle.floods.iter().filter(|it| !it.1.is_lost) {
        for state in ["start", "end"] {
            if !is_told(flood, state) {
                missing.push(format!("{state} of flood {flood} was not told elsewhere"));
            }
        }
    }
    missing
}
