//! The configuration inside a module: room in a guest's memory that a tool fills, so that a host which gives its
//! modules neither arguments nor files needs none.
//!
//! A guest holds one `#[used] static` [`Region`], in its data:
//!
//! | bytes | what |
//! |---|---|
//! | 16 | [`MAGIC`], once in the whole module, so that a tool finds the region |
//! | 4 | the address of the room, little-endian |
//!
//! and one [`Room`], which costs no byte of the file, for memory starts as zeros:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the length of the configuration, little-endian; 0: none, the defaults hold |
//! | 8,192 | the configuration as JSON |
//!
//! [`bake`] appends a data segment to the module's file that fills the room, [`baked`] reads it. Nothing else of the
//! file changes, so a baked module has the imports and exports of the one it was made from.

mod module;

use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;
use core::sync::atomic::{AtomicU8, Ordering};

use super::{Config, ConfigError};

pub use module::{bake, baked, defaults_of, room_of};

/// How the region begins. Another layout gets another name.
pub const MAGIC: [u8; 16] = *b"maxconn:baked:v2";
/// The longest configuration, in bytes.
pub const ROOM_BYTES: usize = 8 * 1024;

const LEN_BYTES: usize = 4;

/// What a configuration is written into. Nothing of the guest writes there: its cells are atomic because only what
/// may change is kept out of the file.
pub struct Room([AtomicU8; LEN_BYTES + ROOM_BYTES]);

impl Room {
    /// As it is built: no configuration.
    pub const fn empty() -> Room {
        Room([const { AtomicU8::new(0) }; LEN_BYTES + ROOM_BYTES])
    }

    fn bytes(&self, from: usize, len: usize) -> Option<Vec<u8>> {
        let cells = self.0.get(from..from.checked_add(len)?)?;
        Some(
            cells
                .iter()
                .map(|cell| cell.load(Ordering::Relaxed))
                .collect(),
        )
    }
}

/// The region. Its layout is fixed, as tools read it.
#[repr(C)]
pub struct Region {
    magic: [u8; MAGIC.len()],
    room: &'static Room,
}

impl Region {
    /// With this room.
    pub const fn of(room: &'static Room) -> Region {
        Region { magic: MAGIC, room }
    }

    /// The configuration that was baked in, `defaults` for what it does not say; `defaults` if there is none.
    ///
    /// # Errors
    /// What is wrong with it. Tools check it before they write it, so this is a module made by other means.
    pub fn config(&'static self, defaults: Config) -> Result<Config, ConfigError> {
        // The compiler knows the room only as it was built and would read it at build time otherwise.
        let room = black_box(self).room;
        let len = room.0.iter().take(LEN_BYTES).rev().fold(0, |len, cell| {
            len << 8 | usize::from(cell.load(Ordering::Relaxed))
        });
        if len == 0 {
            return Ok(defaults);
        }
        let Some(json) = room.bytes(LEN_BYTES, len) else {
            return Err(ConfigError::new(
                "",
                "it is longer than the room for it",
                "write at most 8,192 bytes",
            ));
        };
        Config::parse(&json, defaults)
    }
}

/// Why a module takes no configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BakeError {
    /// It is no WebAssembly module.
    NotWasm,
    /// It has no room for one.
    NoRegion,
    /// It has more than one region, or a broken one.
    Damaged,
    /// The configuration has so many bytes.
    TooLong(usize),
}

impl fmt::Display for BakeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BakeError::NotWasm => out.write_str(
                "it is no WebAssembly module; name a .wasm file (one compiled ahead of time is made after baking)",
            ),
            BakeError::NoRegion => out.write_str(
                "it has no room for a configuration, so it is not ours or older than this program; use a guest of its version",
            ),
            BakeError::Damaged => {
                out.write_str("its room for a configuration is damaged; start from a fresh guest")
            }
            BakeError::TooLong(bytes) => write!(
                out,
                "the configuration has {bytes} bytes as JSON, and the module has room for {ROOM_BYTES}; leave out what is the default"
            ),
        }
    }
}

impl core::error::Error for BakeError {}
