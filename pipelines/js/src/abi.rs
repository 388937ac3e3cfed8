//! The class that JavaScript sees. Unsafe is what `wasm_bindgen` writes around it; nothing here is.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Plugin, milliseconds};

/// One detector. Numbers are JavaScript's; times are ms since the Unix epoch.
#[wasm_bindgen]
pub struct Guest(Plugin);

#[wasm_bindgen]
impl Guest {
    /// The configuration is JSON; an empty text stands for none.
    #[wasm_bindgen(constructor)]
    pub fn new(config: &str) -> Result<Guest, String> {
        Plugin::new(config).map(Guest)
    }

    /// Puts another configuration in force; what ends by that is in the output.
    pub fn configure(&mut self, config: &str) -> Result<(), String> {
        self.0.configure(config)
    }

    /// Where the records that follow come from. Formats: 0 auto, 1 text, 2 JSON.
    pub fn source(&mut self, path: Option<String>, format: u8) {
        self.0.source(path, format);
    }

    /// The time that brings a year to timestamps without one; none leaves their time unknown.
    pub fn reference(&mut self, reference_ms: Option<f64>) {
        self.0.source.reference_ms = reference_ms.map(milliseconds);
    }

    /// What the clock shows, for records that come as they are written: one dated a day later takes its time.
    pub fn clock(&mut self, clock_ms: f64) {
        self.0.source.clock_ms = Some(milliseconds(clock_ms));
    }

    /// What is written: 1 records without an event, 2 enriched ones, 4 alerts.
    pub fn want(&mut self, flags: u8) {
        self.0.want(flags);
    }

    /// Takes lines and answers how many bytes of them: fewer than all if there is much to say.
    pub fn push(&mut self, lines: &[u8], offset: Option<f64>) -> usize {
        self.0.push(lines, offset)
    }

    /// Time goes on. `false` here and below: read the output and call again.
    pub fn tick(&mut self, now_ms: f64) -> bool {
        self.0.out.clear();
        self.0.engine.tick(milliseconds(now_ms), &mut self.0.out)
    }

    /// The end of input.
    pub fn finish(&mut self, time_ms: Option<f64>) -> bool {
        self.0.out.clear();
        let time_ms = time_ms.map(milliseconds);
        self.0.engine.finish(time_ms, &mut self.0.out)
    }

    /// A stop that keeps no state.
    pub fn shutdown(&mut self) -> bool {
        self.0.out.clear();
        self.0.engine.shutdown(&mut self.0.out)
    }

    /// Writes a statistics document.
    pub fn statistics(&mut self) {
        self.0.statistics();
    }

    /// All state.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.0.engine.snapshot()
    }

    /// Goes on from a snapshot.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        self.0.restore(snapshot)
    }

    /// The output's segments: kind, start and length of each.
    pub fn segments(&self) -> Vec<u32> {
        self.0.segments()
    }

    /// The output's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.out.bytes.clone()
    }
}
