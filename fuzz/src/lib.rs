//! Hostile input for everything that reads, and what must hold whatever comes.
//!
//! A [`Target`] is a function of bytes that panics where something does not hold. Two drivers feed all of
//! them: [`driver`], which is random, seeded and needs nothing, and libFuzzer (`fuzz/libfuzzer`), which is
//! guided by what an input reaches. The first is a member of the main workspace, so that `make test` builds
//! no second wasmtime for it; the second is a workspace of its own.
//!
//! | module | what it does |
//! |---|---|
//! | [`driver`] | makes inputs from a seed and runs them |
//! | [`mutate`] | changes bytes |
//! | [`script`] | bytes as a configuration, records, ticks, restarts |
//! | [`document`] | what must hold of every document that goes out |
//! | [`targets`] | what is attacked |
#![forbid(unsafe_code)]

pub mod document;
pub mod driver;
pub mod mutate;
pub mod script;
pub mod targets;

/// What is attacked.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, for `make fuzz TARGET=name`.
    pub name: &'static str,
    /// What must hold, in a sentence.
    pub promise: &'static str,
    /// Panics where it does not.
    pub run: fn(&[u8]),
    /// What inputs begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many inputs of the random driver `make test` takes through it: a few seconds' worth.
    pub runs: u64,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}
