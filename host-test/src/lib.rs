//! The harness: cases are data, and each runs through every way that the plugin can be loaded.
//!
//! | module | what it does |
//! |---|---|
//! | [`case`] | reads cases and makes their records |
//! | [`native`] | the core itself, and what every other driver is held against |
//! | [`wasm`] | a module under wasmtime or under wasmi, as a few calls |
//! | [`bento`] | a model of Bento's `wasm` processor |
//! | [`embed`] | a host of the embed ABI |
//! | [`keyed`] | a keyed engine on the same ABI, in miniature |
//! | [`fluent_bit`] | a model of Fluent Bit's wasm filter |
//! | [`redpanda`] | models of Redpanda's data transforms and of Redpanda Connect |
//! | [`drivers`] | every way that the plugin can be loaded, and what one of them can't carry |
//! | [`wasi`] | a model of a WASI runtime |
//! | [`surface`] | what a module imports and exports, by which its ABI is known |
//! | [`run`] | a case through a driver, and what differs |
#![forbid(unsafe_code)]

pub mod bento;
pub mod case;
pub mod drivers;
pub mod embed;
pub mod fluent_bit;
pub mod keyed;
pub mod native;
pub mod redpanda;
pub mod run;
pub mod surface;
pub mod wasi;
pub mod wasm;

/// What went wrong, as a sentence.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The module of a guest that users get.
pub fn guest(name: &str) -> Result<Vec<u8>, Error> {
    let path = guest_build::try_build(name, guest_build::Features::default())?;
    Ok(std::fs::read(path)?)
}

/// The same with so many other bytes in it.
pub fn changed(bytes: &[u8], count: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..count {
        let at = random.usize(..bytes.len());
        bytes[at] = random.u8(..);
    }
    bytes
}
