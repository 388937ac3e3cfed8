//! What a version of the embed ABI promises to hosts that are older or newer than the module (docs/embedding.md).

use host_test::run::ALERT;
use host_test::wasm::{Arg, Module, NoImports, Runtime};
use host_test::{Error, guest};
use test_support::refusal;

const REFUSED: i64 = 1;
const BAD_CALL: i64 = -1;

struct EmbedModule(Module<NoImports>);

impl EmbedModule {
    fn new() -> Result<EmbedModule, Error> {
        let module = Module::new(&guest("embed")?, Runtime::Wasmi, NoImports);
        Ok(EmbedModule(module?))
    }

    /// Writes the input; its length.
    fn input(&mut self, text: &str) -> Result<u32, Error> {
        let len = u32::try_from(text.len())?;
        let address = self.0.call("maxconn_input", &[Arg::I32(len)])?;
        self.0.write(u32::try_from(address)?, text.as_bytes())?;
        Ok(len)
    }

    fn want(&mut self, flags: u32) -> Result<i64, Error> {
        self.0.call("maxconn_want", &[Arg::I32(flags)])
    }

    /// The kinds of the segments that become of a flood and a line without an event.
    fn kinds(&mut self) -> Result<Vec<u32>, Error> {
        let line = refusal::line("2026-01-01T12:00:00Z", "alice", "203.0.113.7");
        let len = self.input(&(line.repeat(40) + "{\"message\":\"hello\"}\nhello\n"))?;
        let arguments = [Arg::I32(0), Arg::I32(len), Arg::I64(-1)];
        assert_eq!(self.0.call("maxconn_push", &arguments)?, i64::from(len));
        let descriptor = u32::try_from(self.0.call("maxconn_output", &[])?)?;
        let &[segments, count, ..] = &self.0.numbers(descriptor, 4)?[..] else {
            return Err("no descriptor".into());
        };
        let numbers = self.0.numbers(segments, count * 3)?.into_iter();
        Ok(numbers.step_by(3).collect())
    }
}

#[test]
fn a_host_that_asks_for_nothing_new_gets_nothing_new() -> Result<(), Error> {
    let mut guest = EmbedModule::new()?;
    assert_eq!(guest.0.call("maxconn_abi_version", &[])?, 1);
    let mut kinds = guest.kinds()?;
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [0, 1, 2, ALERT]);
    Ok(())
}

#[test]
fn a_module_refuses_what_it_does_not_know_and_stays_as_it_was() -> Result<(), Error> {
    let mut guest = EmbedModule::new()?;
    assert_eq!(guest.want(4)?, 0);
    assert_eq!(guest.want(4 | 1 << 30)?, BAD_CALL);
    let len = guest.input(r#"{"path":"/mail.log","of_a_later_module":1}"#)?;
    let arguments = [Arg::I32(0), Arg::I32(len)];
    assert_eq!(guest.0.call("maxconn_source", &arguments)?, REFUSED);
    let config = r#"{"rule":[{"name":"userip","threshold":50}],"of_a_later_module":1}"#;
    let arguments = [Arg::I32(guest.input(config)?)];
    assert_eq!(guest.0.call("maxconn_configure", &arguments)?, REFUSED);
    assert_eq!(guest.kinds()?, [ALERT]);
    Ok(())
}
