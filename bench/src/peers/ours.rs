//! maxconn itself: the guest under wasmtime, as the command runs it, and the core without a guest around it.

use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Output, Source};
use maxconn_host::{Instance, Limits, Plugin};

use super::{Error, Peer, Workload};

/// The built-in guest under wasmtime.
pub struct Ours {
    plugin: Plugin,
    instance: Option<Instance>,
}

impl Ours {
    /// Loads the guest.
    pub fn new() -> Result<Ours, Error> {
        Ok(Ours {
            plugin: maxconn::builtin::plugin(Limits::default())?,
            instance: None,
        })
    }
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        super::GUEST
    }

    fn start(&mut self, workload: &Workload) -> Result<(), Error> {
        // A new instance, for time does not run backwards within one.
        let mut instance = self.plugin.instantiate()?;
        instance.configure(workload.config.as_bytes(), |_, _| {})?;
        self.instance = Some(instance);
        Ok(())
    }

    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let instance = self.instance.as_mut().ok_or("not started")?;
        Ok(instance.push(batch, None, |_, bytes| out.extend_from_slice(bytes))?)
    }
}

/// The core in this process.
#[derive(Default)]
pub struct Native {
    engine: Option<Engine>,
    output: Output,
}

impl Peer for Native {
    fn name(&self) -> &'static str {
        "maxconn-core, native"
    }

    fn start(&mut self, workload: &Workload) -> Result<(), Error> {
        let config = Config::parse(workload.config.as_bytes(), Config::default())
            .map_err(|error| error.to_string())?;
        self.engine = Some(Engine::new(config).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let engine = self.engine.as_mut().ok_or("not started")?;
        let source = Source::default();
        let mut rest = batch;
        while !rest.is_empty() {
            self.output.clear();
            let consumed = engine.push_lines(&source, rest, None, &mut self.output);
            for (_, piece) in self.output.pieces(rest) {
                out.extend_from_slice(piece);
            }
            let next = rest.get(consumed..).filter(|_| consumed > 0);
            rest = next.ok_or("the engine does not go on")?;
        }
        Ok(())
    }
}
