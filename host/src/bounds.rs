//! Measures a module from a file before it is compiled: compiling takes time and memory for all that is bounded here, some of
//! it more than in proportion, and cannot be interrupted.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use wasmparser::{
    BinaryReaderError, BlockType, CompositeInnerType, FunctionBody, Operator, Parser, Payload,
    TypeSectionReader,
};

/// A module's file, in bytes; names and debugging information are most of a large one.
const MODULE_BYTES_MAX: u64 = 16 << 20;
/// The bodies of all functions, in bytes. Our guest has 240 KB.
const CODE_BYTES_MAX: u64 = 1 << 20;
/// The body of one function, in bytes. The largest of ours has 14 KB.
const FUNCTION_BYTES_MAX: u64 = 64 << 10;
/// Functions, types, exports and whatever else a module lists, in entries of one list.
const ENTRIES_MAX: u64 = 10_000;
/// Parameters or results of one type. Blocks have types, too.
const VALUES_MAX: u64 = 32;
/// How deep blocks nest; 49 in ours.
const NESTING_MAX: usize = 1_000;
/// How deep loops nest, which costs more; 5 in ours.
const LOOPS_NESTING_MAX: usize = 50;
/// A function's variables times its blocks: where blocks end, each variable may have several values to be merged.
/// 10,000 in ours.
const MERGES_MAX: u64 = 30_000;
/// The same of all functions together; 60,000 in ours.
const MERGES_IN_ALL_MAX: u64 = 300_000;

/// Why a module is not compiled.
#[derive(Debug)]
pub(super) enum Unfit {
    /// There is too much of something.
    Excess { what: &'static str, most: u64 },
    /// It is something else.
    Foreign,
    /// It cannot be read.
    Damaged(BinaryReaderError),
}

impl From<BinaryReaderError> for Unfit {
    fn from(error: BinaryReaderError) -> Unfit {
        Unfit::Damaged(error)
    }
}

/// A module's file.
///
/// # Errors
/// As the system says, and what is larger than a module is read no further.
pub fn read_module(path: &Path) -> io::Result<Vec<u8>> {
    let mut wasm = Vec::new();
    let mut file = File::open(path)?.take(MODULE_BYTES_MAX + 1);
    if file.read_to_end(&mut wasm)? as u64 > MODULE_BYTES_MAX {
        let problem = format!("it has more than the {MODULE_BYTES_MAX} bytes of a module");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(wasm)
}

/// Whether a module is small enough to be compiled. Whether it is valid is seen then.
pub(super) fn check(wasm: &[u8]) -> Result<(), Unfit> {
    if !wasm.starts_with(b"\0asm") {
        return Err(Unfit::Foreign);
    }
    let (mut types, mut functions, mut merges) = (Vec::new(), Vec::new(), 0);
    let mut bodies = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let entries = match payload? {
            Payload::TypeSection(list) => {
                at_most(list.count().into(), ENTRIES, ENTRIES_MAX)?;
                types = values_of(list)?;
                0
            }
            Payload::FunctionSection(list) => {
                at_most(list.count().into(), ENTRIES, ENTRIES_MAX)?;
                functions = list.into_iter().collect::<Result<_, _>>()?;
                0
            }
            Payload::CodeSectionStart { size, .. } => {
                at_most(size.into(), "bytes of code", CODE_BYTES_MAX)?;
                0
            }
            Payload::CodeSectionEntry(body) => {
                let parameters = functions.get(bodies).map_or(0, |ty| values(&types, *ty));
                bodies += 1;
                merges += merges_of(&body, parameters, &types)?;
                let what = "variables times blocks in all functions together";
                at_most(merges, what, MERGES_IN_ALL_MAX)?;
                0
            }
            Payload::ImportSection(list) => list.count(),
            Payload::TableSection(list) => list.count(),
            Payload::MemorySection(list) => list.count(),
            Payload::TagSection(list) => list.count(),
            Payload::GlobalSection(list) => list.count(),
            Payload::ExportSection(list) => list.count(),
            Payload::ElementSection(list) => list.count(),
            Payload::DataSection(list) => list.count(),
            _ => 0,
        };
        at_most(entries.into(), ENTRIES, ENTRIES_MAX)?;
    }
    Ok(())
}

const ENTRIES: &str = "entries of one kind";

/// How many values each type takes or gives.
fn values_of(list: TypeSectionReader<'_>) -> Result<Vec<u64>, Unfit> {
    let mut types = Vec::new();
    for group in list {
        for part in group?.types() {
            let values = match &part.composite_type.inner {
                CompositeInnerType::Func(ty) => ty.params().len().max(ty.results().len()) as u64,
                _ => 0,
            };
            at_most(values, "parameters or results of a type", VALUES_MAX)?;
            at_most(types.len() as u64, ENTRIES, ENTRIES_MAX)?;
            types.push(values);
        }
    }
    Ok(types)
}

fn values(types: &[u64], ty: u32) -> u64 {
    types.get(ty as usize).copied().unwrap_or(0)
}

/// A function's variables times its blocks; what its blocks take and give are variables, too.
fn merges_of(body: &FunctionBody<'_>, parameters: u64, types: &[u64]) -> Result<u64, Unfit> {
    let bytes = body.as_bytes().len() as u64;
    at_most(bytes, "bytes of code in one function", FUNCTION_BYTES_MAX)?;
    let mut variables = parameters;
    for group in body.get_locals_reader()? {
        variables += u64::from(group?.0);
    }
    // Whether each block that is open is a loop; the function itself is the first.
    let mut open = vec![false];
    let (mut loops, mut blocks, mut widest) = (0, 1, 0);
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        let ty = match &operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                *blockty
            }
            Operator::TryTable { try_table } => try_table.ty,
            Operator::End => {
                loops -= usize::from(open.pop() == Some(true));
                continue;
            }
            _ => continue,
        };
        let is_loop = matches!(operator, Operator::Loop { .. });
        loops += usize::from(is_loop);
        open.push(is_loop);
        blocks += 1;
        widest = widest.max(match ty {
            BlockType::Empty => 0,
            BlockType::Type(_) => 1,
            BlockType::FuncType(ty) => values(types, ty),
        });
        at_most(
            loops as u64,
            "loops in one another",
            LOOPS_NESTING_MAX as u64,
        )?;
        at_most(
            open.len() as u64,
            "blocks in one another",
            NESTING_MAX as u64,
        )?;
    }
    let merges = (variables + widest) * blocks;
    at_most(merges, "variables times blocks in one function", MERGES_MAX)?;
    Ok(merges)
}

fn at_most(there: u64, what: &'static str, most: u64) -> Result<(), Unfit> {
    if there > most {
        return Err(Unfit::Excess { what, most });
    }
    Ok(())
}
