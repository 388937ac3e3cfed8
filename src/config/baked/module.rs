//! The file of a module: as much of WebAssembly's binary format
//! (<https://webassembly.github.io/spec/core/binary/modules.html>) as it takes to add a data segment.

use alloc::vec::Vec;

use crate::config::Config;

use super::{BakeError, LEN_BYTES, MAGIC, ROOM_BYTES};

const PREAMBLE: [u8; 8] = *b"\0asm\x01\0\0\0";
const IMPORTS: u8 = 2;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;
const FUNCTION: u8 = 0;
/// Where the Redpanda guest imports its functions from.
const REDPANDA: &[u8] = b"redpanda_transform";
/// A segment that is written to memory 0 at a constant address: `0`, `i32.const`, the address, `end`.
const ACTIVE: u32 = 0;
const I32_CONST: u8 = 0x41;
const END: u8 = 0x0b;

/// A data segment: all of its bytes, and where it goes if that is a constant.
struct Segment<'a> {
    all: &'a [u8],
    address: Option<u32>,
    content: &'a [u8],
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
    let room = room_of(module)?;
    let mut segments = Vec::new();
    let mut count = 0;
    for segment in data(module)? {
        if segment.address != Some(room) {
            segments.extend_from_slice(segment.all);
            count += 1;
        }
    }
    if !json.is_empty() {
        segments.push(ACTIVE as u8);
        segments.push(I32_CONST);
        push_signed(&mut segments, room);
        segments.push(END);
        push(&mut segments, (LEN_BYTES + json.len()) as u32);
        segments.extend_from_slice(&(json.len() as u32).to_le_bytes());
        segments.extend_from_slice(json);
        count += 1;
    }
    let mut baked = PREAMBLE.to_vec();
    for (id, content) in sections(module)? {
        let mut changed = Vec::new();
        let content = match id {
            DATA => {
                push(&mut changed, count);
                changed.extend_from_slice(&segments);
                &changed
            }
            DATA_COUNT => {
                push(&mut changed, count);
                &changed
            }
            _ => content,
        };
        baked.push(id);
        push(&mut baked, content.len() as u32);
        baked.extend_from_slice(content);
    }
    // A region that lies in its own room would be gone.
    let expected = (!json.is_empty()).then_some(json);
    if self::baked(&baked) != Ok(expected) {
        return Err(BakeError::Damaged);
    }
    *module = baked;
    Ok(())
}

/// The configuration in a module; `None` if it has none.
///
/// # Errors
/// See [`BakeError`].
pub fn baked(module: &[u8]) -> Result<Option<&[u8]>, BakeError> {
    let room = room_of(module)?;
    let segments = data(module)?;
    let Some(segment) = segments.iter().find(|one| one.address == Some(room)) else {
        return Ok(None);
    };
    let (len, json) = segment
        .content
        .split_first_chunk::<LEN_BYTES>()
        .ok_or(BakeError::Damaged)?;
    let len = u32::from_le_bytes(*len) as usize;
    json.get(..len).map(Some).ok_or(BakeError::Damaged)
}

/// What holds in a module without a configuration of its own.
///
/// # Errors
/// See [`BakeError`].
pub fn defaults_of(module: &[u8]) -> Result<Config, BakeError> {
    let sections = sections(module)?;
    let imports = sections.iter().find(|(id, _)| *id == IMPORTS);
    Ok(match imports {
        Some((_, imports)) if imports_from(imports, REDPANDA) == Some(true) => Config::small(),
        _ => Config::default(),
    })
}

/// Whether a module is among those that functions are imported from; `None` where something else is imported before,
/// which none of our guests does.
fn imports_from(mut imports: &[u8], name: &[u8]) -> Option<bool> {
    for _ in 0..take(&mut imports)? {
        if take_sized(&mut imports)? == name {
            return Some(true);
        }
        take_sized(&mut imports)?;
        imports = imports.strip_prefix(&[FUNCTION])?;
        take(&mut imports)?;
    }
    Some(false)
}

/// The address of the room for a configuration, in a module's file or in the memory of an instance.
///
/// # Errors
/// [`BakeError::NoRegion`] and [`BakeError::Damaged`].
pub fn room_of(bytes: &[u8]) -> Result<u32, BakeError> {
    let mut found = memchr::memmem::find_iter(bytes, &MAGIC);
    let start = found.next().ok_or(match bytes.starts_with(&PREAMBLE) {
        true => BakeError::NoRegion,
        false => BakeError::NotWasm,
    })?;
    let address = bytes
        .get(start + MAGIC.len()..)
        .and_then(<[u8]>::first_chunk);
    match (address, found.next()) {
        (Some(address), None) => Ok(u32::from_le_bytes(*address)),
        _ => Err(BakeError::Damaged),
    }
}

/// Every section: its number and content.
fn sections(module: &[u8]) -> Result<Vec<(u8, &[u8])>, BakeError> {
    let mut rest = module.strip_prefix(&PREAMBLE).ok_or(BakeError::NotWasm)?;
    let mut sections = Vec::new();
    while let Some((&id, after)) = rest.split_first() {
        rest = after;
        sections.push((id, take_sized(&mut rest).ok_or(BakeError::Damaged)?));
    }
    Ok(sections)
}

/// Every data segment.
fn data(module: &[u8]) -> Result<Vec<Segment<'_>>, BakeError> {
    let sections = sections(module)?;
    let data = sections.iter().find(|(id, _)| *id == DATA);
    let (_, mut rest) = *data.ok_or(BakeError::NoRegion)?;
    let count = take(&mut rest).ok_or(BakeError::Damaged)?;
    let segments = (0..count).map(|_| segment(&mut rest).ok_or(BakeError::Damaged));
    let segments = segments.collect::<Result<_, _>>()?;
    // Else what follows them would be lost.
    if rest.is_empty() {
        Ok(segments)
    } else {
        Err(BakeError::Damaged)
    }
}

fn segment<'a>(rest: &mut &'a [u8]) -> Option<Segment<'a>> {
    let start = *rest;
    let mut address = None;
    match take(rest)? {
        ACTIVE => {
            let (&code, after) = rest.split_first()?;
            *rest = after;
            // Our guests have no other; what another one may be is not worked out.
            if code != I32_CONST {
                return None;
            }
            address = Some(take_signed(rest)?);
            let (&end, after) = rest.split_first()?;
            *rest = after;
            if end != END {
                return None;
            }
        }
        // Passive.
        1 => {}
        _ => return None,
    }
    let content = take_sized(rest)?;
    Some(Segment {
        all: start.get(..start.len() - rest.len())?,
        address,
        content,
    })
}

/// So many bytes as the number before them says.
fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take(rest)? as usize;
    let (content, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(content)
}

/// A number in LEB128.
fn take(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(number).ok();
        }
    }
    None
}

/// An address, which is a signed number: its last byte's sign goes on to the left.
fn take_signed(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= i64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let unused = 64 - (shift + 7);
            return Some((number << unused >> unused) as u32);
        }
    }
    None
}

fn push(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_signed(out: &mut Vec<u8>, address: u32) {
    let mut number = address as i32;
    while !(-64..64).contains(&number) {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8 & 0x7f);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u32 = 0x0001_2340;

    /// A module with a custom section before and behind its data: a passive segment, and one with the region.
    fn module() -> Vec<u8> {
        let mut region = MAGIC.to_vec();
        region.extend_from_slice(&ROOM.to_le_bytes());
        let mut data = [2, 1, 2, 7, 7, 0, I32_CONST, 0x80, 0x08, END].to_vec();
        push(&mut data, region.len() as u32);
        data.extend_from_slice(&region);
        let mut module = PREAMBLE.to_vec();
        for (id, content) in [
            (0, &b"\x01before"[..]),
            (DATA_COUNT, &[2]),
            (DATA, &data),
            (0, b"\x01after"),
        ] {
            module.push(id);
            push(&mut module, content.len() as u32);
            module.extend_from_slice(content);
        }
        module
    }

    #[test]
    fn what_is_baked_is_read_back_and_replaced_whole() {
        let (mut module, fresh) = (module(), module());
        assert_eq!(baked(&module), Ok(None));
        assert_eq!(bake(&mut module, br#"{"max_keys":12345}"#), Ok(()));
        assert_eq!(baked(&module), Ok(Some(&br#"{"max_keys":12345}"#[..])));
        assert_eq!(module.len(), fresh.len() + 1 + 1 + 3 + 1 + 1 + 4 + 18);
        assert_eq!(bake(&mut module, b"{}"), Ok(()));
        assert_eq!(baked(&module), Ok(Some(&b"{}"[..])));
        let counts = sections(&module).expect("it is whole");
        assert_eq!(counts.get(1), Some(&(DATA_COUNT, &[3][..])));
        assert_eq!(bake(&mut module, b""), Ok(()));
        assert_eq!(module, fresh);
    }

    #[test]
    fn what_has_no_room_is_refused_and_untouched() {
        assert_eq!(
            bake(&mut PREAMBLE.to_vec(), b"{}"),
            Err(BakeError::NoRegion)
        );
        assert_eq!(bake(&mut b"ELF".to_vec(), b"{}"), Err(BakeError::NotWasm));
        let fresh = module();
        for len in PREAMBLE.len()..fresh.len() - 8 {
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
            |module: &mut Vec<u8>| module[22] = 1,
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

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [
            0,
            63,
            64,
            127,
            128,
            8_191,
            8_192,
            0x0010_0000,
            i32::MAX as u32,
            u32::MAX,
        ] {
            let (mut bytes, mut signed) = (Vec::new(), Vec::new());
            push(&mut bytes, number);
            assert_eq!(take(&mut &bytes[..]), Some(number));
            push_signed(&mut signed, number);
            assert_eq!(take_signed(&mut &signed[..]), Some(number));
        }
        assert_eq!(take(&mut &[0xff; 6][..]), None);
    }
}
