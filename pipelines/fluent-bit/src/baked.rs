//! The configuration inside the module: room in its data that a tool writes into, so that the module
//! needs no file, no environment and no import.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | [`MAGIC`], once in the whole module, so that a tool finds the region |
//! | 4 | the length of the configuration, little-endian; 0: none, the defaults hold |
//! | 16,384 | the configuration as JSON, then zeros |

use std::hint::black_box;

use maxconn_core::config::{Config, ConfigError};

/// How the region begins.
const MAGIC: [u8; 16] = *b"maxconn:baked:v1";
/// The longest configuration, in bytes.
const ROOM_BYTES: usize = 16 * 1024;

/// The region. Its layout is fixed, as tools write into it.
#[repr(C)]
struct Region {
    magic: [u8; 16],
    len: [u8; 4],
    room: [u8; ROOM_BYTES],
}

#[used]
static BAKED: Region = Region {
    magic: MAGIC,
    len: [0; 4],
    room: [0; ROOM_BYTES],
};

/// The configuration that was baked in, or the defaults.
///
/// # Errors
/// What is wrong with it. Tools check it before they write it, so this is a module made by other means.
pub fn config() -> Result<Config, ConfigError> {
    // The compiler knows the region only as it was built and would read it at build time otherwise.
    let region = black_box(&BAKED);
    let len = u32::from_le_bytes(region.len) as usize;
    if len == 0 {
        return Ok(Config::default());
    }
    let Some(json) = region.room.get(..len) else {
        return Err(ConfigError::new(
            "",
            "it is longer than the room for it",
            "write at most 16,384 bytes",
        ));
    };
    Config::parse(json, &Config::default())
}
