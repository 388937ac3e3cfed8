//! `maxconn setup` puts templates and a lifecycle for the data stream of events and alerts into Elasticsearch or OpenSearch.
//! Asked again, it changes nothing.
//!
//! Each part carries a digest of what it was made from, so that a later version knows its own and leaves alone what somebody
//! else put under the same name.

pub mod args;
mod parts;
mod server;

use std::io;

use data_encoding::HEXLOWER;
use hyper::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use args::SetupArgs;
use parts::{Features, Part};
use server::Server;

use crate::address::{AddressError, HttpAddress};
use crate::http::client::ClientError;
use crate::http::secret::SecretError;
use crate::http::tls::TlsError;

/// The data streams that the index template is for.
const STREAMS: &str = "logs-dovecot.maxconn-*";

/// Why it failed. What was put before stays: asked again it goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
    #[error("--elasticsearch: {0}")]
    Address(AddressError),
    /// It is none of HTTP.
    #[error("--elasticsearch: write it like http://127.0.0.1:9200")]
    NotHttp,
    /// A file with a secret can't be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// One with certificates can't.
    #[error("{}", own_words(.0))]
    Tls(#[from] TlsError),
    /// There are no means to ask.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// The server can't be reached.
    #[error("{}{}", own_words(.0), server::unreachable(.0))]
    Unreachable(#[from] ClientError),
    /// The server of this name says that it is no such server.
    #[error("{0} names no nodes; is it Elasticsearch or OpenSearch?")]
    NoNodes(String),
    /// The server of this name says no, for this reason.
    #[error("{0} answered {1}: {2}{mend}", mend = server::mend(*.1))]
    Refused(String, StatusCode, String),
    /// This is somebody else's, under our name, at this server.
    #[error("{0} at {1} was made by somebody else; rename it, or replace it with --force")]
    Foreign(String, HttpAddress),
    /// This index is where the data stream should be, at this server.
    #[error(
        "{0} at {1} is an index that was there before its template, so its fields have no types and it is no data stream; stop what writes to it, keep what is in it by _reindex under another name, delete it, and start again: the next document makes the data stream"
    )]
    PlainIndex(String, HttpAddress),
}

/// With the name that the option has here.
fn own_words(error: &impl std::fmt::Display) -> String {
    error.to_string().replace("--output-ca", "--ca")
}

impl SetupError {
    /// The command line is wrong, or names a file that is.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            SetupError::Address(_)
                | SetupError::NotHttp
                | SetupError::Secret(_)
                | SetupError::Tls(_)
        )
    }
}

/// What became of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Created,
    Updated,
    LeftAlone,
    /// Somebody else's, under our name.
    Foreign,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub address: HttpAddress,
    /// The file with the secret, and what kind it is.
    pub key: Option<crate::http::secret::OutputKey>,
    /// The file with the authorities to trust.
    pub ca: Option<std::path::PathBuf>,
    /// Replace what somebody else put under our names, too.
    pub force: bool,
}

/// What would be put into a server that has everything, as one JSON document: name by name.
pub fn print() -> String {
    let mut all = serde_json::Map::new();
    for features in [Features::ELASTICSEARCH, Features::OPENSEARCH] {
        let product = if features.is_elasticsearch {
            "elasticsearch"
        } else {
            "opensearch"
        };
        let parts = parts::all(features).into_iter();
        let parts = parts.map(|part| (format!("PUT {}", part.path), part.body));
        all.insert(product.to_string(), Value::Object(parts.collect()));
    }
    let mut text = serde_json::to_string_pretty(&Value::Object(all)).unwrap_or_default();
    text.push('\n');
    text
}

/// Puts everything there that is not yet; a line for each part goes to `say`.
///
/// # Errors
/// See [`SetupError`].
pub fn run(options: &Options, mut say: impl FnMut(&str)) -> Result<(), SetupError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SetupError::Start)?;
    runtime.block_on(async {
        let mut server = Server::connect(options)?;
        let features = server.features().await?;
        say(&format!("{}: {features}", options.address));
        if !features.has_lifecycle {
            say("  left out    lifecycle: this server has none; delete old indices by other means");
        }
        for part in parts::all(features) {
            let fate = put(&mut server, &part, options.force).await?;
            let word = match fate {
                Fate::Created => "created   ",
                Fate::Updated => "updated   ",
                Fate::LeftAlone => "left alone",
                Fate::Foreign => "NOT OURS  ",
            };
            say(&format!("  {word}  {}", part.path));
            if fate == Fate::Foreign {
                return Err(SetupError::Foreign(part.path, options.address.clone()));
            }
        }
        let Some(plain) = server.plain_indices(STREAMS).await? else {
            say(&format!("  NOT KNOWN   whether an index is in the way of {STREAMS}: the server does not tell"));
            return Ok(());
        };
        match plain.into_iter().next() {
            None => Ok(()),
            Some(name) => {
                say(&format!("  IN THE WAY  {name}"));
                Err(SetupError::PlainIndex(name, options.address.clone()))
            }
        }
    })
}

async fn put(server: &mut Server, part: &Part, force: bool) -> Result<Fate, SetupError> {
    let digest = digest(&part.body);
    let found = server.get(&part.path).await?;
    let fate = match &found {
        None => Fate::Created,
        Some(found) => match part.kind.digest_in(found) {
            Some(theirs) if *theirs == digest => return Ok(Fate::LeftAlone),
            Some(_) => Fate::Updated,
            None if force => Fate::Updated,
            None => return Ok(Fate::Foreign),
        },
    };
    let body = part.kind.with_digest(part.body.clone(), &digest);
    let query = found
        .as_ref()
        .map_or(String::new(), |found| part.kind.condition(found));
    server.put(&format!("{}{query}", part.path), &body).await?;
    Ok(fate)
}

/// A digest of what a part is made from: keys are in order, as `serde_json` keeps them.
fn digest(body: &Value) -> String {
    let digest = Sha256::digest(json!([1, body]).to_string());
    HEXLOWER.encode(&digest[..16])
}
