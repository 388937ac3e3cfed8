//! LuaJIT with `string.match`, called once a record, as Lua filters of shippers are. It has no JSON
//! library of its own, so it searches the raw line and splices the fields in: less work than the others do.

use mlua::{Function, Lua};

use super::{Error, Events, Peer, Workload};

const SCRIPT: &str = r#"
local find, match, sub, format = string.find, string.match, string.sub, string.format
local pattern = "dovecot: ([%w-]+%-login): .-Maximum number of connections from user%+IP exceeded "
    .. "%(mail_max_userip_connections=(%d+)%).-: user=<(.*)>, method=([^,]+), rip=([^,]+), lip=([^,\"]+)"
local fields = ',"event":{"kind":"event","category":["network"],"type":["connection","denied"],'
    .. '"action":"connection-limit-exceeded","code":"mail_max_userip_connections","outcome":"failure",'
    .. '"module":"dovecot","dataset":"dovecot.maxconn"},"user":{"name":"%s"},"source":{"ip":"%s"},'
    .. '"destination":{"ip":"%s"},"service":{"type":"dovecot","name":"%s"},"network":{"protocol":"imap"},'
    .. '"related":{"ip":["%s","%s"],"user":["%s"]},"tls":{"established":%s},"maxconn":{"limit":{'
    .. '"name":"mail_max_userip_connections","value":%s,"scope":"user+ip"},"auth_method":"%s"}}'

return function(record, suppress)
    if not find(record, needle, 1, true) then return 0 end
    local service, limit, user, method, rip, lip = match(record, pattern)
    if not service then return 0 end
    if suppress then return -1 end
    local tls = find(record, ", TLS", 1, true) and "true" or "false"
    return 1, sub(record, 1, -2) .. format(fields, user, rip, lip, service, rip, lip, user, tls, limit, method)
end
"#;

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
