//! The configuration inside a module: room in a guest's data that a tool writes into, so that a host
//! which gives its modules neither arguments nor files needs none.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | [`MAGIC`], once in the whole module, so that a tool finds the region |
//! | 4 | the length of the configuration, little-endian; 0: none, the defaults hold |
//! | 8,192 | the configuration as JSON, then zeros |
//!
//! A guest holds one `#[used] static` [`Region`]; [`bake`] and [`baked`] work on the module's file. Nothing
//! else of the file changes, so a baked module has the imports and exports of the one it was made from.

use core::fmt;
use core::hint::black_box;

use super::{Config, ConfigError};

/// How the region begins. Another layout gets another name.
pub const MAGIC: [u8; 16] = *b"maxconn:baked:v1";
/// The longest configuration, in bytes.
pub const ROOM_BYTES: usize = 8 * 1024;

const LEN_AT: usize = MAGIC.len();
const ROOM_AT: usize = LEN_AT + 4;

/// The region. Its layout is fixed, as tools write into it.
#[repr(C)]
pub struct Region {
    magic: [u8; MAGIC.len()],
    len: [u8; 4],
    room: [u8; ROOM_BYTES],
}

impl Region {
    /// As it is built: no configuration.
    pub const EMPTY: Region = Region {
        magic: MAGIC,
        len: [0; 4],
        room: [0; ROOM_BYTES],
    };

    /// The configuration that was baked in, `defaults` for what it does not say; `defaults` if there is none.
    ///
    /// # Errors
    /// What is wrong with it. Tools check it before they write it, so this is a module made by other means.
    pub fn config(&'static self, defaults: &Config) -> Result<Config, ConfigError> {
        // The compiler knows the region only as it was built and would read it at build time otherwise.
        let region = black_box(self);
        let len = u32::from_le_bytes(region.len) as usize;
        if len == 0 {
            return Ok(defaults.clone());
        }
        let Some(json) = region.room.get(..len) else {
            return Err(ConfigError::new(
                "",
                "it is longer than the room for it",
                "write at most 8,192 bytes",
            ));
        };
        Config::parse(json, defaults)
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
                "it has no room for a configuration, so it is not ours or older than 0.1; use a guest of this version",
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

/// Writes a configuration into a module, in place of the one that is there. It is not checked here.
///
/// # Errors
/// See [`BakeError`]; the module is untouched then.
pub fn bake(module: &mut [u8], json: &[u8]) -> Result<(), BakeError> {
    let start = find(module)?;
    let room = start + ROOM_AT;
    let len = u32::try_from(json.len()).map_err(|_| BakeError::TooLong(json.len()))?;
    if json.len() > ROOM_BYTES {
        return Err(BakeError::TooLong(json.len()));
    }
    let region = module
        .get_mut(start + LEN_AT..room + ROOM_BYTES)
        .and_then(|region| region.split_first_chunk_mut::<4>());
    let Some((length, space)) = region else {
        return Err(BakeError::Damaged);
    };
    *length = len.to_le_bytes();
    let (text, rest) = space.split_at_mut(json.len());
    text.copy_from_slice(json);
    rest.fill(0);
    Ok(())
}

/// The configuration in a module; `None` if it has none.
///
/// # Errors
/// See [`BakeError`].
pub fn baked(module: &[u8]) -> Result<Option<&[u8]>, BakeError> {
    let start = find(module)?;
    let Some((length, room)) = module
        .get(start + LEN_AT..start + ROOM_AT + ROOM_BYTES)
        .and_then(|region| region.split_first_chunk::<4>())
    else {
        return Err(BakeError::Damaged);
    };
    match u32::from_le_bytes(*length) as usize {
        0 => Ok(None),
        len => room.get(..len).map(Some).ok_or(BakeError::Damaged),
    }
}

/// Where the one region begins.
fn find(module: &[u8]) -> Result<usize, BakeError> {
    if !module.starts_with(b"\0asm") {
        return Err(BakeError::NotWasm);
    }
    let mut found = memchr::memmem::find_iter(module, &MAGIC);
    let start = found.next().ok_or(BakeError::NoRegion)?;
    match found.next() {
        Some(_) => Err(BakeError::Damaged),
        None => Ok(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn module() -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0before".to_vec();
        module.extend_from_slice(&MAGIC);
        module.extend_from_slice(&[0; 4 + ROOM_BYTES]);
        module.extend_from_slice(b"after");
        module
    }

    #[test]
    fn what_is_baked_is_read_back_and_replaced_whole() {
        let (mut module, fresh) = (module(), module());
        assert_eq!(baked(&module), Ok(None));
        assert_eq!(bake(&mut module, br#"{"max_keys":12345}"#), Ok(()));
        assert_eq!(baked(&module), Ok(Some(&br#"{"max_keys":12345}"#[..])));
        assert_eq!(bake(&mut module, b"{}"), Ok(()));
        assert_eq!(baked(&module), Ok(Some(&b"{}"[..])));
        assert_eq!(bake(&mut module, b""), Ok(()));
        assert_eq!(module, fresh);
    }

    #[test]
    fn what_has_no_room_is_refused_and_untouched() {
        let mut other = b"\0asm\x01\0\0\0".to_vec();
        assert_eq!(bake(&mut other, b"{}"), Err(BakeError::NoRegion));
        assert_eq!(bake(&mut b"ELF".to_vec(), b"{}"), Err(BakeError::NotWasm));
        let mut cut = module();
        cut.truncate(1000);
        assert_eq!(bake(&mut cut, b"{}"), Err(BakeError::Damaged));
        assert_eq!(baked(&cut), Err(BakeError::Damaged));
        let mut twice = module();
        twice.extend_from_slice(&MAGIC);
        assert_eq!(bake(&mut twice, b"{}"), Err(BakeError::Damaged));
        let (mut full, fresh) = (module(), module());
        let long = [b' '; ROOM_BYTES + 1];
        assert_eq!(
            bake(&mut full, &long),
            Err(BakeError::TooLong(ROOM_BYTES + 1))
        );
        assert_eq!(full, fresh);
        assert_eq!(bake(&mut full, &long[1..]), Ok(()));
    }
}
