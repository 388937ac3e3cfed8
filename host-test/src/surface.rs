//! What a module asks of its host and what it offers.

use wasmparser::{Parser, Payload};

use crate::Error;

/// Every import (`import MODULE.NAME`) and every export (`Func NAME`), a line each.
pub fn surface(wasm: &[u8]) -> Result<String, Error> {
    let (mut text, mut imports) = (String::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    imports.push(format!("import {}.{}\n", import.module, import.name));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    text += &format!("{:?} {}\n", export.kind, export.name);
                }
            }
            _ => {}
        }
    }
    // Their order is the linker's.
    imports.sort();
    Ok(imports.concat() + &text)
}
