//! Reads the configuration inside a module: a tool fills room in a guest's memory, for hosts that give their modules
//! neither arguments nor files.
//!
//! A guest holds one `#[used] static` [`Region`], in its data:
//!
//! | bytes | what |
//! |---|---|
//! | 16 | [`MAGIC`], once in the whole module, so that a tool finds the region |
//! | 4 | the address of the room, little-endian |
//! | 4, 4 | the guest's own `max_keys` and `max_floods`, little-endian: what its memory allows |
//!
//! and one [`Room`], which costs no byte of the file, for memory starts as zeros:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the length of the configuration, little-endian; 0: none, the defaults hold |
//! | 8,192 | the configuration as JSON |
//!
//! A tool appends a data segment to the module's file that fills the room (`maxconn_host::bake`). Nothing else of the
//! file changes, so a baked module has the imports and exports of the one it was made from.

use alloc::string::String;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::{AtomicU8, Ordering};

use super::{Config, ConfigError, Problem, limits};

/// How the region begins. Another layout gets another name.
pub const MAGIC: [u8; 16] = *b"maxconn:baked:v3";
/// The longest configuration, in bytes.
pub const ROOM_BYTES: usize = 8 * 1024;

/// The length of the configuration's length, in bytes.
pub const LEN_BYTES: usize = 4;

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
    max_keys: u32,
    max_floods: u32,
}

impl Region {
    /// With this room, for a host whose memory the usual limits fit.
    pub const fn of(room: &'static Room) -> Region {
        Region::with_limits(room, limits::MAX_KEYS, limits::MAX_FLOODS)
    }

    /// With this room, for a host that has less memory.
    pub const fn with_limits(room: &'static Room, max_keys: u32, max_floods: u32) -> Region {
        Region {
            magic: MAGIC,
            room,
            max_keys,
            max_floods,
        }
    }

    /// The configuration that was baked in, the guest's defaults for what it does not say.
    ///
    /// # Errors
    /// What is wrong with it. Tools check it before they write it, so this is a module made by other means.
    pub fn config(&'static self) -> Result<Config, ConfigError> {
        // The compiler knows the room only as it was built and would read it at build time otherwise.
        let region = black_box(self);
        let room = region.room;
        let defaults = Config {
            max_keys: region.max_keys as usize,
            max_floods: region.max_floods as usize,
            ..Config::default()
        };
        let len = room.0.iter().take(LEN_BYTES).rev().fold(0, |len, cell| {
            len << 8 | usize::from(cell.load(Ordering::Relaxed))
        });
        if len == 0 {
            return Ok(defaults);
        }
        let Some(json) = room.bytes(LEN_BYTES, len) else {
            return Err(*ConfigError::at(String::new(), Problem::NoRoom));
        };
        Config::parse(&json, defaults)
    }
}
