use super::*;
use wasm_encoder::{
    BlockType, ElementSection, Elements, EntityType, Function, FunctionSection, ImportSection,
    Instruction, RefType, TableSection, TableType, TypeSection, ValType,
};
use wasmparser::Validator;

/// The host's function, one that panics, one that says why before it does, and the one that is looked at.
const HOST: u32 = 0;
const PANICS: u32 = 1;
const SAYS_WHY: u32 = 2;
const BLOCK: Instruction = Instruction::Block(BlockType::Empty);
const IF: Instruction = Instruction::If(BlockType::Empty);
const LOOP: Instruction = Instruction::Loop(BlockType::Empty);
/// The type of an address for a call (`R_WASM_FUNCTION_INDEX_LEB`).
const TO_FUNCTION: u8 = 0;

fn object(body: &[Instruction], relocations: &[(u8, usize, u32)]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    imports.import("host", "say", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let panics = [
        Instruction::I32Const(1),
        Instruction::Drop,
        Instruction::Unreachable,
    ];
    let says_why = [Instruction::Call(HOST), Instruction::Unreachable];
    for body in [&panics[..], &says_why, body] {
        functions.function(0);
        let mut function = Function::new([]);
        for instruction in body.iter().chain([&Instruction::End]) {
            function.instruction(instruction);
        }
        code.function(&function);
    }
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 2,
        maximum: None,
        shared: false,
    });
    let mut elements = ElementSection::new();
    let taken = Elements::Functions(vec![SAYS_WHY].into());
    elements.active(None, &wasm_encoder::ConstExpr::i32_const(1), taken);
    let mut data = vec![4];
    u32::try_from(relocations.len()).unwrap().encode(&mut data);
    for &(ty, offset, index) in relocations {
        data.push(ty);
        offset.encode(&mut data);
        index.encode(&mut data);
    }
    let (name, data) = ("reloc.CODE".into(), data.into());
    let mut module = Module::new();
    let sections = module.section(&types).section(&imports).section(&functions);
    sections
        .section(&tables)
        .section(&elements)
        .section(&code)
        .section(&CustomSection { name, data });
    module.finish()
}

/// The last function's instructions, and the addresses in it: where in the section, and which.
fn read(object: &[u8]) -> (String, Vec<(u32, u32)>) {
    let (mut text, mut addresses) = (String::new(), Vec::new());
    for payload in Parser::new(0).parse_all(object) {
        match payload.unwrap() {
            Payload::CodeSectionEntry(body) => {
                let operators = body.get_operators_reader().unwrap().into_iter();
                let words = operators.map(|operator| {
                    let debug = format!("{:?}", operator.unwrap());
                    debug.split(' ').next().unwrap().to_string()
                });
                text = words.collect::<Vec<_>>().join(" ");
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Reloc(relocations) = section.as_known() else {
                    panic!("only addresses are beside the code");
                };
                let entries = relocations.entries().into_iter().map(Result::unwrap);
                addresses.extend(entries.map(|entry| (entry.offset, entry.index)));
            }
            _ => {}
        }
    }
    (text, addresses)
}

#[test]
fn what_can_only_trap_is_a_trap() {
    let call = Instruction::Call;
    let cases: [(&str, &[Instruction], &str); 12] = [
        ("it panics", &[call(PANICS)], "Unreachable End"),
        (
            "what leads up to a panic",
            &[
                BLOCK,
                Instruction::I32Const(0),
                Instruction::BrIf(0),
                Instruction::I32Const(7),
                Instruction::Drop,
                call(PANICS),
                Instruction::Nop,
                Instruction::End,
            ],
            "Block I32Const BrIf Unreachable End End",
        ),
        (
            "one way panics",
            &[
                Instruction::I32Const(0),
                IF,
                call(PANICS),
                Instruction::Else,
                Instruction::Nop,
                Instruction::End,
            ],
            "I32Const If Unreachable Else Nop End End",
        ),
        (
            "both ways panic",
            &[
                Instruction::I32Const(0),
                IF,
                call(PANICS),
                Instruction::Else,
                call(PANICS),
                Instruction::End,
            ],
            "Unreachable End",
        ),
        (
            "no other way is written",
            &[Instruction::I32Const(0), IF, call(PANICS), Instruction::End],
            "I32Const If Unreachable End End",
        ),
        (
            "blocks behind a panic",
            &[
                BLOCK,
                Instruction::I32Const(0),
                Instruction::BrIf(0),
                call(PANICS),
                BLOCK,
                LOOP,
                Instruction::End,
                Instruction::End,
                Instruction::End,
            ],
            "Block I32Const BrIf Unreachable End End",
        ),
        (
            "it goes round for ever",
            &[LOOP, Instruction::Br(0), Instruction::End],
            "Unreachable End",
        ),
        (
            "it returns before it panics",
            &[
                BLOCK,
                Instruction::I32Const(0),
                Instruction::BrIf(0),
                Instruction::Return,
                Instruction::End,
                call(PANICS),
            ],
            "Block I32Const BrIf Return End Unreachable End",
        ),
        (
            "the host is told why",
            &[Instruction::I32Const(7), Instruction::Drop, call(SAYS_WHY)],
            "I32Const Drop Call End",
        ),
        (
            "the host may be told why",
            &[
                Instruction::I32Const(1),
                Instruction::CallIndirect {
                    type_index: 0,
                    table_index: 0,
                },
                Instruction::Unreachable,
            ],
            "I32Const CallIndirect Unreachable End",
        ),
        (
            "a block that nothing goes on behind",
            &[
                call(HOST),
                Instruction::I32Const(1),
                BLOCK,
                call(PANICS),
                Instruction::End,
                Instruction::Drop,
            ],
            "Call I32Const Block Unreachable End Unreachable End",
        ),
        (
            "and two, one in the other",
            &[
                call(HOST),
                Instruction::Block(BlockType::Result(ValType::I32)),
                BLOCK,
                call(PANICS),
                Instruction::End,
                Instruction::I32Const(5),
                Instruction::End,
                Instruction::Drop,
            ],
            "Call Block Block Unreachable End Unreachable End Unreachable End",
        ),
    ];
    for (case, body, expected) in cases {
        let short = shorten(&object(body, &[])).unwrap();
        assert_eq!(read(&short).0, expected, "{case}");
        let valid = Validator::new().validate_all(&short);
        assert_eq!(valid.err().map(|error| error.to_string()), None, "{case}");
    }
}

/// Both calls' addresses: that of the panic is gone; before the other one 4 bytes are, 3 of the function that panics
/// and 1 of the call to it.
#[test]
fn addresses_move_with_what_is_left() {
    let body = [
        BLOCK,
        Instruction::I32Const(0),
        Instruction::BrIf(0),
        Instruction::Call(PANICS),
        Instruction::End,
        Instruction::Call(HOST),
    ];
    let before = [(TO_FUNCTION, 23, 8), (TO_FUNCTION, 26, 9)];
    let whole = object(&body, &before);
    assert_eq!(read(&whole).1, [(23, 8), (26, 9)]);
    assert_eq!(read(&shorten(&whole).unwrap()).1, [(22, 9)]);
}

#[test]
fn what_is_no_object_is_refused() {
    let whole = object(&[], &[]);
    assert!(shorten(&whole[..whole.len() - 3]).is_err());
    assert!(shorten(b"no object").is_err());
}
