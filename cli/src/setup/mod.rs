//! `maxconn setup` puts templates and a lifecycle for the data streams of events and alerts into Elasticsearch or OpenSearch.
//! Asked again, it changes nothing.
//!
//! Each part carries a digest of what it was made from, so that a later version knows its own and leaves alone what somebody
//! else put under the same name.

pub mod args;
mod parts;
mod server;

use std::collections::BTreeMap;
use std::io;

use hyper::StatusCode;
use serde_json::Value;

pub use args::SetupArgs;
use parts::{EARLIER, Features, Part, PartKind, TEMPLATE, digest};
use server::{Index, Server};

use crate::address::{AddressError, HttpAddress};
use crate::http::client::ClientError;
use crate::http::secret::SecretError;
use crate::http::tls::TlsError;

/// The data streams that the index template is for.
const STREAMS: &str = "logs-*.maxconn-*";

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
    /// This index is where a data stream should be, at this server.
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
        let parts = parts::all(features);
        for part in &parts {
            let is_index = part.kind == PartKind::Index;
            let is_earlier_there = is_index && lower(&mut server, part, options, &mut say).await?;
            let fate = put(&mut server, part, options.force).await?;
            let word = match fate {
                Fate::Created => "created   ",
                Fate::Updated => "updated   ",
                Fate::LeftAlone => "left alone",
                Fate::Foreign => return Err(foreign(&part.path, options, &mut say)),
            };
            say(&format!("  {word}  {}", part.path));
            if is_earlier_there {
                server.delete(EARLIER).await?;
                say(&format!("  removed     {EARLIER}"));
            }
        }
        let Some(indices) = server.indices(STREAMS).await? else {
            say(&format!("  NOT KNOWN   whether an index is in the way of {STREAMS}: the server does not tell"));
            return Ok(());
        };
        let digest = parts.iter().find_map(Part::mappings_digest);
        for stream in outdated(&indices, digest) {
            // Where somebody's own template is above ours, another index would be no better.
            match server.template_of(stream).await? {
                Some(name) if name != TEMPLATE => say(&format!(
                    "  left alone  {stream}: it is of the index template {name}"
                )),
                _ => {
                    server.post(&format!("/{stream}/_rollover")).await?;
                    say(&format!("  new index   {stream}"));
                }
            }
        }
        // Those of data streams are hidden, by a dot or behind other words.
        let plain = indices.into_iter().filter(|it| it.name.starts_with("logs-"));
        let plain: Vec<String> = plain.map(|it| it.name).collect();
        plain.iter().for_each(|name| say(&format!("  IN THE WAY  {name}")));
        match plain.into_iter().next() {
            None => Ok(()),
            Some(name) => Err(SetupError::PlainIndex(name, options.address.clone())),
        }
    })
}

/// Lowers the index template that an earlier version put there, if there is one, so that `part` can come beside it: no
/// stream is ever without.
async fn lower(
    server: &mut Server,
    part: &Part,
    options: &Options,
    say: &mut impl FnMut(&str),
) -> Result<bool, SetupError> {
    let Some(found) = server.get(EARLIER).await? else {
        return Ok(false);
    };
    if part.kind.digest_in(&found).is_none() && !options.force {
        return Err(foreign(EARLIER, options, say));
    }
    server.put(EARLIER, &part.giving_way()).await?;
    Ok(true)
}

fn foreign(path: &str, options: &Options, say: &mut impl FnMut(&str)) -> SetupError {
    say(&format!("  NOT OURS    {path}"));
    SetupError::Foreign(path.to_string(), options.address.clone())
}

/// The data streams whose documents go into an index of other mappings than `digest` stands for, which may not take them.
fn outdated<'a>(indices: &'a [Index], digest: Option<&str>) -> Vec<&'a str> {
    let mut newest = BTreeMap::<&str, (u64, bool)>::new();
    for index in indices {
        let Some((stream, generation)) = index.stream() else {
            continue;
        };
        let known = newest.entry(stream).or_default();
        *known = (*known).max((generation, index.mappings.as_deref() != digest));
    }
    newest.retain(|_, (_, is_outdated)| *is_outdated);
    newest.into_keys().collect()
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
