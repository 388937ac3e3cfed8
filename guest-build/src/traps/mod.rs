//! Takes out of a guest what only prepares a panic.
//!
//! A guest's panic traps and says nothing, for no host could read it. Still, the code of one holds a sentence, a file and a
//! line, and needs all of `core`'s formatting. None of it can be seen once a trap is certain. So a call that can only end in
//! a trap becomes the trap itself, with what led up to it since the last jump or call, and the linker leaves out every
//! function and every constant that nothing needs any more: 6 % of a guest.
//!
//! It works on what the compiler hands to the linker, where each address still says what it stands for:
//! <https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md>.

use std::ops::Range;

use wasm_encoder::{CodeSection, CustomSection, Encode, Module, RawSection};
use wasmparser::{
    BinaryReaderError, ElementItems, FunctionBody, KnownCustom, Operator, Parser, Payload,
    RelocAddendKind, RelocSectionReader, TypeRef,
};

/// The module of names that the linker finds elsewhere; what is imported from any other one is the host's. What is the
/// host's all the same (`memchr` for Fluent Bit) must be nothing that a host could notice.
const LINKED: &str = "env";
/// The opcode of `unreachable`.
const UNREACHABLE: u8 = 0x00;
/// A body that does nothing but trap: no locals, `unreachable`, `end`.
const TRAP: [u8; 3] = [0, UNREACHABLE, 0x0b];

/// The same object file, with a trap in the place of whatever can only end in one. A function that may call the host before
/// is left as it is.
pub fn shorten(object: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let functions = Functions::read(object)?;
    let mut module = Module::new();
    let mut moved = Vec::new();
    for payload in Parser::new(0).parse_all(object) {
        let payload = payload?;
        match &payload {
            Payload::CodeSectionStart { range, .. } => {
                let code = &object[range.clone()];
                module.section(&functions.write(code, range.start, &mut moved)?);
            }
            Payload::CustomSection(section) if section.name() == "reloc.CODE" => {
                if let KnownCustom::Reloc(relocations) = section.as_known() {
                    let data = move_relocations(relocations, &moved)?;
                    let (name, data) = (section.name().into(), data.into());
                    module.section(&CustomSection { name, data });
                }
            }
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    let data = &object[range];
                    module.section(&RawSection { id, data });
                }
            }
        }
    }
    Ok(module.finish())
}

/// Where bytes of the code section went; both count from the start of its contents.
struct Moved {
    from: Range<usize>,
    to: usize,
}

/// The addresses that the linker fills in, where the code now has them. Those of what is gone go, too.
fn move_relocations(
    relocations: RelocSectionReader<'_>,
    moved: &[Moved],
) -> Result<Vec<u8>, BinaryReaderError> {
    let section = relocations.section_index();
    let mut entries = Vec::new();
    let mut count = 0_u32;
    for entry in relocations.entries() {
        let entry = entry?;
        let offset = entry.offset as usize;
        let at = moved.partition_point(|moved| moved.from.end <= offset);
        let Some(moved) = moved.get(at).filter(|moved| moved.from.contains(&offset)) else {
            continue;
        };
        count += 1;
        entries.push(entry.ty as u8);
        (moved.to + offset - moved.from.start).encode(&mut entries);
        entry.index.encode(&mut entries);
        if entry.ty.addend_kind() != RelocAddendKind::None {
            entry.addend.encode(&mut entries);
        }
    }
    let mut data = Vec::new();
    section.encode(&mut data);
    count.encode(&mut data);
    data.extend(entries);
    Ok(data)
}

/// A piece of a function's body.
enum Piece {
    /// These bytes of the file.
    Kept(Range<usize>),
    Trap,
}

/// A block that is open.
#[derive(Default)]
struct Block {
    is_loop: bool,
    /// Something that can be reached jumps to it.
    branched: bool,
    /// Its end can be reached by another way than the one that is being read.
    passed: bool,
}

/// The functions of an object file. What is said of each is by its index, imported ones first.
struct Functions<'a> {
    imports: usize,
    bodies: Vec<FunctionBody<'a>>,
    types: Vec<u32>,
    /// Those whose address is taken: an indirect call may be to any of its type.
    taken: Vec<usize>,
    /// It never returns.
    never_returns: Vec<bool>,
    /// It may call the host.
    calls_host: Vec<bool>,
}

impl<'a> Functions<'a> {
    fn read(object: &'a [u8]) -> Result<Functions<'a>, BinaryReaderError> {
        let mut bodies = Vec::new();
        let mut calls_host = Vec::new();
        let mut types = Vec::new();
        let mut taken = Vec::new();
        for payload in Parser::new(0).parse_all(object) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(number) = import.ty {
                            types.push(number);
                            calls_host.push(import.module != LINKED);
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    for number in functions {
                        types.push(number?);
                    }
                }
                Payload::ElementSection(elements) => {
                    for element in elements {
                        if let ElementItems::Functions(functions) = element?.items {
                            for function in functions {
                                taken.push(function? as usize);
                            }
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }
        let imports = calls_host.len();
        let count = imports + bodies.len();
        calls_host.resize(count, false);
        let mut functions = Functions {
            imports,
            bodies,
            types,
            taken,
            never_returns: vec![false; count],
            calls_host,
        };
        while functions.learn()? {}
        Ok(functions)
    }

    /// Looks at each function with what is known of those that it calls; `false` if that told nothing new.
    fn learn(&mut self) -> Result<bool, BinaryReaderError> {
        let mut is_new = false;
        for (at, body) in self.bodies.iter().enumerate() {
            let index = self.imports + at;
            if !self.calls_host[index] {
                for operator in body.get_operators_reader()? {
                    self.calls_host[index] |= match operator? {
                        Operator::Call { function_index } => {
                            self.calls_host[function_index as usize]
                        }
                        Operator::CallIndirect { type_index, .. } => {
                            self.taken.iter().any(|&index| {
                                self.types[index] == type_index && self.calls_host[index]
                            })
                        }
                        _ => false,
                    };
                }
                is_new |= self.calls_host[index];
            }
            if !self.never_returns[index] && !self.walk(body)?.0 {
                self.never_returns[index] = true;
                is_new = true;
            }
        }
        Ok(is_new)
    }

    /// The code section, and where its bytes went. `code` are the old one's contents, which start at `start` in the file.
    fn write(
        &self,
        code: &[u8],
        start: usize,
        moved: &mut Vec<Moved>,
    ) -> Result<CodeSection, BinaryReaderError> {
        let mut section = CodeSection::new();
        let mut written = len_of(self.bodies.len());
        for (at, body) in self.bodies.iter().enumerate() {
            let index = self.imports + at;
            if self.never_returns[index] && !self.calls_host[index] {
                section.raw(&TRAP);
                written += len_of(TRAP.len()) + TRAP.len();
                continue;
            }
            let mut bytes = Vec::new();
            let mut kept = Vec::new();
            for piece in self.walk(body)?.1 {
                match piece {
                    Piece::Kept(range) => {
                        let from = range.start - start..range.end - start;
                        kept.push((from.clone(), bytes.len()));
                        bytes.extend_from_slice(&code[from]);
                    }
                    Piece::Trap => bytes.push(UNREACHABLE),
                }
            }
            section.raw(&bytes);
            written += len_of(bytes.len());
            moved.extend(kept.into_iter().map(|(from, to)| Moved {
                from,
                to: written + to,
            }));
            written += bytes.len();
        }
        Ok(section)
    }

    /// Whether a function may return, as far as is known, and what is left of its body.
    fn walk(&self, body: &FunctionBody<'_>) -> Result<(bool, Vec<Piece>), BinaryReaderError> {
        let mut reader = body.get_operators_reader()?;
        let mut pieces = vec![Piece::Kept(body.range().start..reader.original_position())];
        // Where the last jump or call is: what came since then goes with a trap.
        let mut since = pieces.len();
        let mut blocks = vec![Block::default()];
        let mut is_reached = true;
        // So many blocks are open that cannot be reached.
        let mut skipped = 0;
        // A block has just ended that nothing goes on behind, which is not known to who checks types.
        let mut is_closed = false;
        while !reader.eof() {
            let start = reader.original_position();
            let operator = reader.read()?;
            if !is_reached {
                if is_closed && !matches!(operator, Operator::Else | Operator::End) {
                    pieces.push(Piece::Trap);
                    is_closed = false;
                }
                match operator {
                    Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                        skipped += 1;
                        continue;
                    }
                    Operator::Else | Operator::End if skipped == 0 => {}
                    Operator::End => {
                        skipped -= 1;
                        continue;
                    }
                    _ => continue,
                }
            }
            let traps = match operator {
                Operator::Unreachable => true,
                Operator::Call { function_index } => {
                    let index = function_index as usize;
                    self.never_returns[index] && !self.calls_host[index]
                }
                _ => false,
            };
            if traps {
                pieces.truncate(since);
                pieces.push(Piece::Trap);
                is_reached = false;
                continue;
            }
            pieces.push(Piece::Kept(start..reader.original_position()));
            let depth = blocks.len();
            let mut branch = |to: u32| blocks[depth - 1 - to as usize].branched = true;
            match operator {
                Operator::Br { relative_depth } => {
                    branch(relative_depth);
                    is_reached = false;
                }
                Operator::BrIf { relative_depth } => branch(relative_depth),
                Operator::BrTable { targets } => {
                    for target in targets.targets() {
                        branch(target?);
                    }
                    branch(targets.default());
                    is_reached = false;
                }
                Operator::Return => {
                    blocks[0].branched = true;
                    is_reached = false;
                }
                Operator::Block { .. } => blocks.push(Block::default()),
                Operator::Loop { .. } => blocks.push(Block {
                    is_loop: true,
                    ..Block::default()
                }),
                // Until an `else` is met, its end is where it goes if the condition does not hold.
                Operator::If { .. } => blocks.push(Block {
                    passed: true,
                    ..Block::default()
                }),
                Operator::Else => {
                    blocks[depth - 1].passed = is_reached;
                    is_reached = true;
                }
                Operator::End => {
                    let block = blocks.pop().unwrap_or_default();
                    is_reached |= block.passed || (block.branched && !block.is_loop);
                    is_closed = !is_reached;
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } => {}
                _ => continue,
            }
            since = pieces.len();
        }
        Ok((is_reached, pieces))
    }
}

/// How many bytes a length takes.
fn len_of(len: usize) -> usize {
    let mut bytes = Vec::new();
    len.encode(&mut bytes);
    bytes.len()
}

#[cfg(test)]
mod tests;
