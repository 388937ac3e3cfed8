//! VRL, the language of Vector's `remap` transform, with the program one would write for this: the
//! record is parsed, its message matched, its fields added, and the whole encoded again.

use ::vrl::compiler::runtime::{Runtime, Terminate};
use ::vrl::compiler::state::RuntimeState;
use ::vrl::compiler::{Program, TargetValue, TimeZone, compile};
use ::vrl::stdlib;
use ::vrl::value::{KeyString, ObjectMap, Secrets, Value};

use super::{Error, Events, Peer, Workload};

const ENRICH: &str = include_str!("enrich.vrl");

/// The compiled programs and the state they run in.
pub struct Vrl {
    enriching: Program,
    suppressing: Program,
    runtime: Runtime,
    treatment: Events,
}

impl Vrl {
    /// Compiles the programs.
    pub fn new() -> Result<Vrl, Error> {
        Ok(Vrl {
            enriching: program(ENRICH)?,
            suppressing: program("abort")?,
            runtime: Runtime::new(RuntimeState::default()),
            treatment: Events::Enriched,
        })
    }
}

fn program(on_event: &str) -> Result<Program, Error> {
    let (needle, expression) = (super::NEEDLE, super::EVENT);
    let source = format!(
        ". = object!(parse_json!(string!(.message)))\n\
         message = string!(.message)\n\
         if contains(message, \"{needle}\") {{\n\
             event, error = parse_regex(message, r'{expression}')\n\
             if error == null {{ {on_event} }}\n\
         }}\n\
         encode_json(.)"
    );
    let compiled = compile(&source, &stdlib::all());
    Ok(compiled
        .map_err(|errors| format!("VRL refuses the program: {errors:?}"))?
        .program)
}

impl Peer for Vrl {
    fn name(&self) -> &'static str {
        super::VRL
    }

    fn start(&mut self, workload: &Workload) -> Result<(), Error> {
        self.treatment = workload.treatment;
        Ok(())
    }

    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let program = match self.treatment {
            Events::Enriched => &self.enriching,
            Events::Suppressed => &self.suppressing,
        };
        let key = KeyString::from("message");
        for line in super::lines(batch) {
            // As Vector's sources hand a line over: an object with the line as its message.
            let mut target = TargetValue {
                value: Value::Object(ObjectMap::from([(key.clone(), Value::from(line))])),
                metadata: Value::Object(ObjectMap::new()),
                secrets: Secrets::default(),
            };
            self.runtime.clear();
            match self
                .runtime
                .resolve(&mut target, program, &TimeZone::default())
            {
                Ok(value) => {
                    let record = value
                        .as_bytes()
                        .ok_or("VRL gave something else than a text")?;
                    out.extend_from_slice(record);
                    out.push(b'\n');
                }
                Err(Terminate::Abort(_)) => {}
                Err(error) => return Err(format!("VRL: {error}").into()),
            }
        }
        Ok(())
    }
}
