//! Models of the two hosts of the Redpanda guest: the broker, and Redpanda Connect with its faults.
//!
//! | | broker | Connect |
//! |---|---|---|
//! | time of a record | its timestamp | always 0: the offset is written over it |
//! | a second topic | by `write_record_with_options` | the record is lost, or refused if it has a key |
//! | memory | 2 MiB | 100 MiB |
//! | environment | its topics, and what is deployed with it | `output_0` to `output_7` |
//! | standard error | its log | nowhere |

use crate::Error;
use crate::wasm::{Imports, NoImports, at, fd_write, put, put_number, span};

/// Which host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// A broker's data transforms.
    #[default]
    Broker,
    /// Redpanda Connect's `redpanda_data_transform`, as of 4.102.0.
    Connect,
}

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is null.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Its timestamp.
    pub time_ms: i64,
}

/// A record that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The number of the record that was read last, from 0.
    pub after: usize,
    /// Its topic; `None` is the first.
    pub topic: Option<String>,
    /// What it is; its timestamp is the host's business.
    pub record: Record,
}

/// Where batches come from.
pub type Batches = Box<dyn Iterator<Item = Vec<Record>> + Send>;

/// The host's side of an instance.
#[derive(Default)]
pub struct Host {
    model: Model,
    environment: Vec<String>,
    batches: Option<Batches>,
    batch: std::vec::IntoIter<Record>,
    next: Option<Record>,
    read: usize,
    /// What came out.
    pub written: Vec<Written>,
    /// Standard error.
    pub said: String,
    /// What the program ended itself with.
    pub exit: Option<i64>,
    /// How often a record of Connect's was lost.
    pub lost: usize,
}

const NO_TRANSFORM: i64 = -1;
const INVALID_BUFFER: i64 = -2;
const INVALID_WRITE: i64 = -3;
/// The room that Connect wants before it writes a number.
const VARINT_MAX: usize = 10;

impl Host {
    /// A host with these records, deployed with one output topic more for each of `topics`, and with these
    /// variables. Connect has its own and takes none.
    pub fn new(model: Model, topics: &[&str], variables: &[&str], batches: Batches) -> Host {
        let environment = match model {
            Model::Broker => {
                let topics = ["mail"].iter().chain(topics).enumerate();
                topics
                    .map(|(number, topic)| format!("REDPANDA_OUTPUT_TOPIC_{number}={topic}"))
                    .chain(["REDPANDA_INPUT_TOPIC=log".to_string()])
                    .chain(variables.iter().map(ToString::to_string))
                    .collect()
            }
            Model::Connect => (0..8)
                .map(|number| format!("REDPANDA_OUTPUT_TOPIC_{number}=output_{number}"))
                .chain(["REDPANDA_INPUT_TOPIC=benthos".to_string()])
                .collect(),
        };
        Host {
            model,
            environment,
            batches: Some(batches),
            ..Host::default()
        }
    }

    /// Which host it is.
    pub fn model(&self) -> Model {
        self.model
    }

    fn read_batch_header(&mut self, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        let next = self.batches.as_mut().and_then(Iterator::next);
        let Some(batch) = next else {
            return Ok(NO_TRANSFORM);
        };
        let sizes = batch.iter().map(|record| match self.model {
            Model::Broker => framed(record).len(),
            Model::Connect => connect_size(record),
        });
        let largest = sizes.max().unwrap_or(0);
        // Connect writes only the number of records.
        if self.model == Model::Broker {
            put(memory, at(args, 0), &[0; 8])?;
        }
        put_number(memory, at(args, 1), batch.len())?;
        self.batch = batch.into_iter();
        Ok(largest as i64)
    }

    fn read_next_record(&mut self, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        let Some(record) = self.next.take().or_else(|| self.batch.next()) else {
            return Ok(NO_TRANSFORM);
        };
        let bytes = framed(&record);
        let needed = match self.model {
            Model::Broker => bytes.len(),
            Model::Connect => bytes.len() + VARINT_MAX,
        };
        let (buffer, len) = (at(args, 3), at(args, 4));
        if len < needed {
            self.next = Some(record);
            return Ok(INVALID_BUFFER);
        }
        let (time, offset) = (record.time_ms.to_le_bytes(), self.read as u64);
        put(memory, at(args, 0), &[0])?;
        put(memory, at(args, 1), &time)?;
        match self.model {
            Model::Broker => put(memory, at(args, 2), &offset.to_le_bytes())?,
            // The offset, which is 0, is written to the time's address.
            Model::Connect => put(memory, at(args, 1), &[0; 8])?,
        }
        put(memory, buffer, &bytes)?;
        self.read += 1;
        Ok(bytes.len() as i64)
    }

    fn write(&mut self, topic: Option<String>, bytes: &[u8]) -> i64 {
        let Some(record) = parsed(bytes) else {
            return INVALID_BUFFER;
        };
        self.written.push(Written {
            after: self.read.saturating_sub(1),
            topic,
            record,
        });
        bytes.len() as i64
    }

    fn write_with_options(&mut self, bytes: &[u8], options: &[u8]) -> i64 {
        if self.model == Model::Connect {
            // It reads the record where it should read the options, and forgets the record.
            self.lost += 1;
            return match bytes {
                [1, rest @ ..] if sized(rest).is_some() => bytes.len() as i64,
                _ => INVALID_BUFFER,
            };
        }
        let topic = match options {
            [1, rest @ ..] => sized(rest).and_then(|(topic, rest)| match rest {
                [] => String::from_utf8(topic?.to_vec()).ok(),
                _ => None,
            }),
            _ => None,
        };
        let Some(topic) = topic else {
            return INVALID_BUFFER;
        };
        let is_output = |variable: &String| {
            variable.starts_with("REDPANDA_OUTPUT_TOPIC_")
                && variable.split_once('=').map(|(_, output)| output) == Some(&topic)
        };
        match self.environment.iter().any(is_output) {
            true => self.write(Some(topic), bytes),
            false => INVALID_WRITE,
        }
    }

    fn wasi(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        match name {
            "wasi_snapshot_preview1.environ_sizes_get" => {
                let bytes: usize = self.environment.iter().map(|text| text.len() + 1).sum();
                put_number(memory, at(args, 0), self.environment.len())?;
                put_number(memory, at(args, 1), bytes)?;
            }
            "wasi_snapshot_preview1.environ_get" => {
                let (mut pointers, mut buffer) = (at(args, 0), at(args, 1));
                for variable in &self.environment {
                    put_number(memory, pointers, buffer)?;
                    put(memory, buffer, format!("{variable}\0").as_bytes())?;
                    pointers += 4;
                    buffer += variable.len() + 1;
                }
            }
            "wasi_snapshot_preview1.fd_write" => {
                let (_, bytes) = fd_write(args, memory, usize::MAX)?;
                if self.model == Model::Broker {
                    self.said += &String::from_utf8_lossy(&bytes);
                }
            }
            "wasi_snapshot_preview1.proc_exit" => {
                self.exit = args.first().copied();
                return Err("the program ended itself".into());
            }
            _ => return NoImports.call(name, args, memory),
        }
        Ok(0)
    }
}

impl Imports for Host {
    fn call(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        match name {
            "redpanda_transform.check_abi_version_2" => Ok(0),
            "redpanda_transform.read_batch_header" => self.read_batch_header(args, memory),
            "redpanda_transform.read_next_record" => self.read_next_record(args, memory),
            "redpanda_transform.write_record" => {
                Ok(self.write(None, span(memory, at(args, 0), at(args, 1))?))
            }
            "redpanda_transform.write_record_with_options" => {
                let record = span(memory, at(args, 0), at(args, 1))?;
                let options = span(memory, at(args, 2), at(args, 3))?;
                Ok(self.write_with_options(record, options))
            }
            _ => self.wasi(name, args, memory),
        }
    }
}

/// A record as the hosts frame it.
pub fn framed(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [&record.key, &record.value] {
        push_sized(&mut bytes, part.as_deref());
    }
    push_varint(&mut bytes, record.headers.len() as i64);
    for (name, value) in &record.headers {
        push_sized(&mut bytes, Some(name));
        push_sized(&mut bytes, value.as_deref());
    }
    bytes
}

/// What Connect takes a record's size for: every number as long as numbers get.
fn connect_size(record: &Record) -> usize {
    let sized = |part: &Option<Vec<u8>>| VARINT_MAX + part.as_ref().map_or(0, Vec::len);
    let headers = record.headers.iter();
    let headers: usize = headers
        .map(|(name, value)| VARINT_MAX + name.len() + sized(value))
        .sum();
    sized(&record.key) + sized(&record.value) + VARINT_MAX + headers
}

/// A record read as the broker's check does: every byte must belong to something.
fn parsed(bytes: &[u8]) -> Option<Record> {
    let (key, rest) = sized(bytes)?;
    let (value, rest) = sized(rest)?;
    let (count, mut rest) = varint(rest)?;
    let mut record = Record {
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        ..Record::default()
    };
    for _ in 0..u64::try_from(count).ok()? {
        let (name, after) = sized(rest)?;
        let (value, after) = sized(after)?;
        let name = name.unwrap_or_default().to_vec();
        record.headers.push((name, value.map(<[u8]>::to_vec)));
        rest = after;
    }
    rest.is_empty().then_some(record)
}

fn sized(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    match varint(bytes)? {
        (-1, rest) => Some((None, rest)),
        (len, rest) => {
            let (text, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            Some((Some(text), rest))
        }
    }
}

fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut digits = bytes.iter().take(VARINT_MAX);
    let len = digits.position(|byte| byte & 0x80 == 0)? + 1;
    let (digits, rest) = bytes.split_at_checked(len)?;
    let digits = digits.iter().rev();
    let bits = digits.fold(0_u64, |bits, byte| bits << 7 | u64::from(byte & 0x7f));
    Some(((bits >> 1) as i64 ^ -((bits & 1) as i64), rest))
}

fn push_varint(out: &mut Vec<u8>, number: i64) {
    let mut bits = (number << 1 ^ number >> 63) as u64;
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

fn push_sized(out: &mut Vec<u8>, part: Option<&[u8]>) {
    push_varint(out, part.map_or(-1, |part| part.len() as i64));
    out.extend_from_slice(part.unwrap_or_default());
}
