//! The options that say where the output goes, shared by `run` and `replay`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use thiserror::Error;

use super::elasticsearch::OurStreams;
use crate::address::{AddressError, OutputAddress, repeated};
use crate::http::secret::OutputKey;
use crate::selection::Selection;

/// Where the output goes.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Where records and alerts go.
    #[arg(long, value_name = "ADDRESS", default_value = "stdout", value_hint = ValueHint::Other)]
    output: String,
    /// The file with the bearer token that the next hop wants.
    #[arg(long, value_name = "FILE")]
    output_token: Option<PathBuf>,
    /// The file with the encoded API key that Elasticsearch wants.
    #[arg(long, value_name = "FILE", conflicts_with = "output_token")]
    output_api_key: Option<PathBuf>,
    /// The file with USER:PASSWORD that the next hop wants.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output_token", "output_api_key"])]
    output_basic: Option<PathBuf>,
    /// The file with the authorities (PEM) to trust with https [default: those of the system].
    #[arg(long, value_name = "FILE")]
    output_ca: Option<PathBuf>,
    /// The namespace of the data streams for events and alerts in Elasticsearch: logs-SERVER.maxconn-NAME.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = namespace)]
    namespace: String,
    /// One data stream for all events and alerts, in the place of one for each server.
    #[arg(long, value_name = "NAME", conflicts_with = "namespace")]
    events_stream: Option<String>,
    /// The data stream for all other records there.
    #[arg(long, value_name = "NAME", conflicts_with = "only")]
    records_stream: Option<String>,
    /// Where to set aside records that the next hop refuses for good, with the reason.
    #[arg(long, value_name = "FILE")]
    dead_letter: Option<PathBuf>,
    /// Write only a part of the output.
    #[arg(long, value_enum)]
    only: Option<Selection>,
}

/// The same, checked.
#[derive(Clone, Debug)]
pub struct OutputOptions {
    /// Where it goes.
    pub address: OutputAddress,
    /// What the next hop wants to know.
    pub key: Option<OutputKey>,
    /// The file with the authorities that sign the next hop's certificate.
    pub ca: Option<PathBuf>,
    /// The data streams of events and alerts.
    pub our_streams: OurStreams,
    /// The data stream of all other records.
    pub records_stream: Option<String>,
    /// The file for what the next hop refuses for good.
    pub dead_letter: Option<PathBuf>,
    /// Which part of the output goes there.
    pub selection: Selection,
}

/// What is wrong with it.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum OutputArgsError {
    #[error("--output {0:?}: {1}")]
    Address(String, AddressError),
    #[error("{0} is for {1} outputs, and this is none; leave it out")]
    Unfit(&'static str, &'static str),
    #[error(
        "where shall records without an event go? Give --only changed if nowhere, or --records-stream NAME"
    )]
    NoStream,
}

/// The longest namespace, in bytes: <https://www.elastic.co/docs/reference/ecs/ecs-data_stream>.
const NAMESPACE_MAX_BYTES: usize = 100;

/// A namespace. Dashes part it from the rest of a stream's name, so it has none.
fn namespace(text: &str) -> Result<String, &'static str> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b);
    match (1..=NAMESPACE_MAX_BYTES).contains(&text.len()) && text.bytes().all(fits) {
        true => Ok(text.to_string()),
        false => Err("write up to 100 of a-z, 0-9, . and _"),
    }
}

impl OutputArgs {
    /// What was said, or what is wrong with it.
    pub fn options(&self) -> Result<OutputOptions, OutputArgsError> {
        // Read here and not by clap, which would repeat what was written, and a secret with it.
        let address = self.output.parse();
        let address: OutputAddress =
            address.map_err(|error| OutputArgsError::Address(repeated(&self.output), error))?;
        self.check(&address)?;
        let key = |path: &Option<PathBuf>, kind: fn(PathBuf) -> OutputKey| path.clone().map(kind);
        Ok(OutputOptions {
            address,
            key: key(&self.output_token, OutputKey::Token)
                .or_else(|| key(&self.output_api_key, OutputKey::ApiKey))
                .or_else(|| key(&self.output_basic, OutputKey::Basic)),
            ca: self.output_ca.clone(),
            our_streams: match &self.events_stream {
                Some(stream) => OurStreams::One(stream.clone()),
                None => OurStreams::OfServers {
                    namespace: self.namespace.clone(),
                },
            },
            records_stream: self.records_stream.clone(),
            dead_letter: self.dead_letter.clone(),
            selection: match self.output.as_str() {
                "none" => Selection::Nothing,
                _ => self.only.unwrap_or_default(),
            },
        })
    }

    /// What goes with which output.
    fn check(&self, address: &OutputAddress) -> Result<(), OutputArgsError> {
        let (is_plain, is_store, is_tls) = match address {
            OutputAddress::Stdout
            | OutputAddress::Reply
            | OutputAddress::None
            | OutputAddress::Lines(_) => (true, false, false),
            OutputAddress::Http(address) => (false, false, address.is_tls()),
            OutputAddress::Elasticsearch(address) => (false, true, address.is_tls()),
        };
        #[rustfmt::skip]
        let options = [
            ("--output-token", self.output_token.is_some(), !is_plain, "http"),
            ("--output-basic", self.output_basic.is_some(), !is_plain, "http"),
            ("--dead-letter", self.dead_letter.is_some(), !is_plain, "http"),
            ("--output-ca", self.output_ca.is_some(), is_tls, "https"),
            ("--output-api-key", self.output_api_key.is_some(), is_store, "elasticsearch"),
            ("--records-stream", self.records_stream.is_some(), is_store, "elasticsearch"),
        ];
        for (name, given, fits, outputs) in options {
            if given && !fits {
                return Err(OutputArgsError::Unfit(name, outputs));
            }
        }
        if is_store && self.only.is_none() && self.records_stream.is_none() {
            return Err(OutputArgsError::NoStream);
        }
        Ok(())
    }
}
