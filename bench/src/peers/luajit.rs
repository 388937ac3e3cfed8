//! LuaJIT with `string.match`, called once a record, as Lua filters of shippers are. It has no JSON
//! library of its own, so it searches the raw line and splices the fields in: less work than the others do.

use mlua::{Function, Lua};

use super::{Error, Events, Peer, Workload};

const SCRIPT: &str = include_str!("luajit.lua");

/// A Lua state with the filter in it.
pub struct LuaJit {
    lua: Lua,
    filter: Function,
    treatment: Events,
}

impl LuaJit {
    /// Compiles the filter.
    pub fn new() -> Result<LuaJit, Error> {
        let lua = Lua::new();
        lua.globals().set("needle", super::NEEDLE)?;
        let filter: Function = lua.load(SCRIPT).eval()?;
        Ok(LuaJit {
            lua,
            filter,
            treatment: Events::Enriched,
        })
    }
}

impl Peer for LuaJit {
    fn name(&self) -> &'static str {
        "LuaJIT `string.match` on the raw line"
    }

    fn start(&mut self, workload: &Workload) -> Result<(), Error> {
        self.treatment = workload.treatment;
        Ok(())
    }

    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let suppress = self.treatment == Events::Suppressed;
        for line in super::lines(batch) {
            let record = self.lua.create_string(line)?;
            let (code, changed): (i32, Option<mlua::LuaString>) =
                self.filter.call((record, suppress))?;
            match (code, changed) {
                (0, _) => out.extend_from_slice(line),
                (1, Some(changed)) => out.extend_from_slice(&changed.as_bytes()),
                _ => continue,
            }
            out.push(b'\n');
        }
        Ok(())
    }
}
