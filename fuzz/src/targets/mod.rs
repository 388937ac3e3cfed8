//! What is attacked, one table.

mod bake;
mod config;
mod engine;
mod forging;
mod guest;
mod head;
mod json;
mod keyed;
mod linear;
mod plugin;
mod redaction;
mod run;
mod seeds;

use crate::Target;

/// Every target.
pub const TARGETS: [Target; 16] = [
    Target {
        name: "json",
        promise: "what Fluent Bit's encoder wrote is judged and repaired as another JSON reader judges it",
        run: json::run,
        seeds: seeds::records,
        runs: 60_000,
    },
    Target {
        name: "head",
        promise: "heads and times are read without a panic, and what is written is read back",
        run: head::run,
        seeds: seeds::lines,
        runs: 80_000,
    },
    Target {
        name: "forging",
        promise: "what a user name says never becomes another field or event",
        run: forging::run,
        seeds: forging::seeds,
        runs: 10_000,
    },
    Target {
        name: "redaction",
        promise: "with redact_key no document about an event holds the user's name",
        run: redaction::run,
        seeds: redaction::seeds,
        runs: 3_000,
    },
    Target {
        name: "engine",
        promise: "one JSON object a line comes out, and every record is accounted for",
        run: engine::run,
        seeds: seeds::scripts,
        runs: 3_000,
    },
    Target {
        name: "restore",
        promise: "a restart from a snapshot changes nothing, and no snapshot does harm",
        run: engine::restore,
        seeds: seeds::scripts,
        runs: 1_500,
    },
    Target {
        name: "keyed",
        promise: "keyed calls account for every event, natively and in the guest, and no bytes for state or event do harm",
        run: keyed::run,
        seeds: keyed::seeds,
        runs: 1_000,
    },
    Target {
        name: "guest",
        promise: "the guest says what the core says",
        run: guest::run,
        seeds: seeds::scripts,
        runs: 1_500,
    },
    Target {
        name: "linear",
        promise: "twice the input takes the guest twice the work, and memory has a limit",
        run: linear::run,
        seeds: linear::seeds,
        runs: 400,
    },
    Target {
        name: "config",
        promise: "configurations are refused with a mend or mean what they say when they are printed",
        run: config::run,
        seeds: config::seeds,
        runs: 10_000,
    },
    Target {
        name: "body",
        promise: "bodies become whole lines, and JSON bodies the records that another reader finds",
        run: run::body,
        seeds: run::bodies,
        runs: 50_000,
    },
    Target {
        name: "http",
        promise: "whatever a connection says, it is answered, and what is refused is not taken",
        run: run::http,
        seeds: run::requests,
        runs: 5_000,
    },
    Target {
        name: "records",
        promise: "one JSON object a line goes out, whatever came in",
        run: run::records,
        seeds: seeds::lines,
        runs: 50_000,
    },
    Target {
        name: "state",
        promise: "a state file is refused or means what is written from it",
        run: run::state,
        seeds: run::states,
        runs: 80_000,
    },
    Target {
        name: "bake",
        promise: "a module takes a configuration and is as valid as before, or is left as it is",
        run: bake::run,
        seeds: bake::seeds,
        runs: 50_000,
    },
    Target {
        name: "plugin",
        promise: "no module brings the host down, takes more memory than it may, or says more than text",
        run: plugin::run,
        seeds: plugin::seeds,
        runs: 120,
    },
];
