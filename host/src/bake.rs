//! Writes a configuration into a guest's file, and reads it back, for hosts that give a module neither arguments nor files.
//! [`maxconn_core::config::baked`] is the guest's side, and has the layout.

use maxconn_core::config::baked::{LEN_BYTES, MAGIC, ROOM_BYTES};
use maxconn_core::config::{Config, ConfigError};
use wasm_encoder::{ConstExpr, DataCountSection, DataSection, Module, RawSection};
use wasmparser::{
    BinaryReaderError, Data, DataKind, Operator, Parser, Payload, Validator, WasmFeatures,
};

/// How every module begins: <https://webassembly.github.io/spec/core/binary/modules.html#binary-module>.
const PREAMBLE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Why a module takes no configuration, or gives none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BakeError {
    /// It is no WebAssembly module.
    #[error(
        "it is no WebAssembly module; name a .wasm file (one compiled ahead of time is made after baking)"
    )]
    NotWasm,
    /// It has no room for one.
    #[error(
        "it has no room for a configuration, so it is not ours or older than this program; use a guest of its version"
    )]
    NoRegion,
    /// It has more than one region, or a broken one.
    #[error("its room for a configuration is damaged; start from a fresh guest")]
    Damaged,
    /// The configuration has so many bytes.
    #[error(
        "the configuration has {0} bytes as JSON, and the module has room for {ROOM_BYTES}; leave out what is the default"
    )]
    TooLong(usize),
    /// It is damaged elsewhere, as wasmparser says.
    #[error("it is damaged: {0}; start from a fresh guest")]
    Invalid(String),
    /// The configuration in it is wrong.
    #[error("the configuration in it is wrong: {0}; bake a right one into it")]
    Wrong(ConfigError),
}

impl From<BinaryReaderError> for BakeError {
    fn from(_: BinaryReaderError) -> BakeError {
        BakeError::Damaged
    }
}

/// What a guest says of itself.
struct Region {
    /// The address of the room for a configuration.
    room: u32,
    max_keys: u32,
    max_floods: u32,
}

/// Writes a configuration into a module, in place of the one that is there; an empty one leaves none. It is not
/// checked here.
///
/// # Errors
/// See [`BakeError`]; the module is untouched then.
pub fn bake(module: &mut Vec<u8>, json: &[u8]) -> Result<(), BakeError> {
    if json.len() > ROOM_BYTES {
        return Err(BakeError::TooLong(json.len()));
    }
    let (Region { room, .. }, data) = parts(module)?;
    let mut segments = DataSection::new();
    for segment in data {
        if address_of(&segment)? != Some(room) {
            segments.raw(module.get(segment.range).ok_or(BakeError::Damaged)?);
        }
    }
    if !json.is_empty() {
        let len = (json.len() as u32).to_le_bytes();
        let content = [&len[..], json].concat();
        segments.active(0, &ConstExpr::i32_const(room as i32), content);
    }
    let mut changed = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::DataSection(_) => changed.section(&segments),
            Payload::DataCountSection { .. } => changed.section(&DataCountSection {
                count: segments.len(),
            }),
            _ => match payload.as_section() {
                Some((id, range)) => changed.section(&RawSection {
                    id,
                    data: module.get(range).ok_or(BakeError::Damaged)?,
                }),
                None => &mut changed,
            },
        };
    }
    let changed = changed.finish();
    // A region that lies in its own room would be gone.
    let expected = (!json.is_empty()).then_some(json);
    if baked(&changed) != Ok(expected) {
        return Err(BakeError::Damaged);
    }
    *module = changed;
    Ok(())
}

/// The configuration in a module; `None` if it has none.
///
/// # Errors
/// See [`BakeError`].
pub fn baked(module: &[u8]) -> Result<Option<&[u8]>, BakeError> {
    let (Region { room, .. }, data) = parts(module)?;
    for segment in data {
        if address_of(&segment)? == Some(room) {
            let (len, json) = (segment.data)
                .split_first_chunk::<LEN_BYTES>()
                .ok_or(BakeError::Damaged)?;
            let len = u32::from_le_bytes(*len) as usize;
            return json.get(..len).map(Some).ok_or(BakeError::Damaged);
        }
    }
    Ok(None)
}

/// What holds in a module without a configuration of its own.
///
/// # Errors
/// See [`BakeError`].
pub fn defaults_of(module: &[u8]) -> Result<Config, BakeError> {
    let (region, _) = parts(module)?;
    Ok(Config {
        max_keys: region.max_keys as usize,
        max_floods: region.max_floods as usize,
        ..Config::default()
    })
}

/// What holds in a module.
///
/// # Errors
/// See [`BakeError`].
pub fn configuration(module: &[u8]) -> Result<Config, BakeError> {
    let defaults = defaults_of(module)?;
    match baked(module)? {
        Some(json) => Config::parse(json, defaults).map_err(BakeError::Wrong),
        None => Ok(defaults),
    }
}

/// Judges a module whole: what is damaged in it would else be found only by the host that loads it.
///
/// # Errors
/// [`BakeError::Invalid`].
pub fn validate(module: &[u8]) -> Result<(), BakeError> {
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(module)
        .map(|_| ())
        .map_err(|error| BakeError::Invalid(error.to_string()))
}

/// The address of the room for a configuration, in a module's file or in the memory of an instance.
///
/// # Errors
/// [`BakeError::NotWasm`], [`BakeError::NoRegion`] and [`BakeError::Damaged`].
pub fn room_of(bytes: &[u8]) -> Result<u32, BakeError> {
    Ok(region_of(bytes)?.room)
}

fn region_of(bytes: &[u8]) -> Result<Region, BakeError> {
    let mut found = memchr::memmem::find_iter(bytes, &MAGIC);
    let start = found.next().ok_or(match bytes.starts_with(&PREAMBLE) {
        true => BakeError::NoRegion,
        false => BakeError::NotWasm,
    })?;
    let numbers = bytes.get(start + MAGIC.len()..).unwrap_or_default();
    match (numbers.as_chunks::<4>().0, found.next()) {
        ([room, max_keys, max_floods, ..], None) => Ok(Region {
            room: u32::from_le_bytes(*room),
            max_keys: u32::from_le_bytes(*max_keys),
            max_floods: u32::from_le_bytes(*max_floods),
        }),
        _ => Err(BakeError::Damaged),
    }
}

/// The region, which lies in one data segment and is the only one of the file; and every data segment.
fn parts(module: &[u8]) -> Result<(Region, Vec<Data<'_>>), BakeError> {
    region_of(module)?;
    let mut segments = None;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::DataSection(reader) = payload? {
            segments = Some(reader.into_iter().collect::<Result<Vec<_>, _>>()?);
        }
    }
    let segments = segments.ok_or(BakeError::NoRegion)?;
    let holds_region = |data: &&Data<'_>| memchr::memmem::find(data.data, &MAGIC).is_some();
    let segment = segments.iter().find(holds_region);
    let region = region_of(segment.ok_or(BakeError::Damaged)?.data)?;
    Ok((region, segments))
}

/// Where a segment goes, if it goes anywhere by itself.
fn address_of(segment: &Data<'_>) -> Result<Option<u32>, BakeError> {
    let DataKind::Active {
        memory_index: 0,
        offset_expr,
    } = &segment.kind
    else {
        return Ok(None);
    };
    // Our guests have no other expression; what another one may give is not worked out.
    match offset_expr.get_operators_reader().read()? {
        Operator::I32Const { value } => Ok(Some(value as u32)),
        _ => Err(BakeError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::CustomSection;

    const ROOM: u32 = 0x0001_2340;

    /// A module with a custom section before and behind its data: a passive segment, and one with the region.
    fn module() -> Vec<u8> {
        let mut region = MAGIC.to_vec();
        for number in [ROOM, 2_000, 256] {
            region.extend_from_slice(&number.to_le_bytes());
        }
        let custom = |name: &'static str| CustomSection {
            name: name.into(),
            data: b"custom".into(),
        };
        let mut data = DataSection::new();
        data.passive([7, 7]);
        data.active(0, &ConstExpr::i32_const(1024), region);
        let mut module = Module::new();
        module.section(&custom("before"));
        module.section(&DataCountSection { count: 2 });
        module.section(&data);
        module.section(&custom("after"));
        module.finish()
    }

    #[test]
    fn what_is_baked_is_read_back_and_replaced_whole() {
        let (mut module, fresh) = (module(), module());
        assert_eq!(baked(&module), Ok(None));
        assert_eq!(bake(&mut module, br#"{"max_keys":12345}"#), Ok(()));
        assert_eq!(baked(&module), Ok(Some(&br#"{"max_keys":12345}"#[..])));
        assert_eq!(module.len(), fresh.len() + 1 + 1 + 3 + 1 + 1 + 4 + 18);
        assert_eq!(
            configuration(&module).map(|it| (it.max_keys, it.max_floods)),
            Ok((12_345, 256))
        );
        assert_eq!(bake(&mut module, b"{}"), Ok(()));
        assert_eq!(baked(&module), Ok(Some(&b"{}"[..])));
        assert_eq!(bake(&mut module, b""), Ok(()));
        assert_eq!(module, fresh);
    }

    #[test]
    fn what_has_no_room_is_refused_and_untouched() {
        assert_eq!(
            bake(&mut Module::new().finish(), b"{}"),
            Err(BakeError::NoRegion)
        );
        assert_eq!(bake(&mut b"ELF".to_vec(), b"{}"), Err(BakeError::NotWasm));
        let fresh = module();
        let after = 1 + 1 + 1 + "after".len() + "custom".len();
        for len in PREAMBLE.len()..fresh.len() - after {
            let mut cut = fresh[..len].to_vec();
            assert!(bake(&mut cut, b"{}").is_err(), "{len}");
            assert!(baked(&cut).is_err(), "{len}");
            assert_eq!(cut, fresh[..len]);
        }
        let mut twice = module();
        twice.extend_from_slice(&MAGIC);
        assert_eq!(bake(&mut twice, b"{}"), Err(BakeError::Damaged));
        for change in [
            // Fewer segments than there are.
            |module: &mut Vec<u8>| {
                let data = memchr::memmem::find(module, &[2, 1, 2, 7, 7]).expect("it is there");
                module[data] = 1;
            },
            // A room where the region itself lies.
            |module: &mut Vec<u8>| {
                let address =
                    memchr::memmem::find(module, &MAGIC).expect("it is there") + MAGIC.len();
                module[address..address + 4].copy_from_slice(&1024_u32.to_le_bytes());
            },
        ] {
            let mut damaged = module();
            change(&mut damaged);
            let before = damaged.clone();
            assert_eq!(bake(&mut damaged, b"{}"), Err(BakeError::Damaged));
            assert_eq!(damaged, before);
        }
        let mut full = module();
        let long = [b' '; ROOM_BYTES + 1];
        let refused = Err(BakeError::TooLong(ROOM_BYTES + 1));
        assert_eq!(bake(&mut full, &long), refused);
        assert_eq!(full, fresh);
        assert_eq!(bake(&mut full, &long[1..]), Ok(()));
    }
}
