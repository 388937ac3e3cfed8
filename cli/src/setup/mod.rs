//! `maxconn setup` puts templates and a lifecycle for the data streams of events and alerts into Elasticsearch or OpenSearch, and
//! dashboards into Kibana or OpenSearch Dashboards. Asked again, it changes nothing.
//!
//! Each part carries a digest of what it was made from, so that a later version knows its own and leaves alone what somebody
//! else put under the same name.
//!
//! | module | what it does |
//! |---|---|
//! | `args` | reads the command line |
//! | `server` | asks a server, and puts things into it |
//! | `store` | puts the templates and the lifecycle of `parts` there |
//! | `dashboards` | writes the dashboards from their description |
//! | `kibana` | puts them there |
//! | `alerting` | sets up what tells people of a new flood |

mod alerting;
pub mod args;
mod dashboards;
mod kibana;
mod parts;
mod server;
mod store;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

pub use args::SetupArgs;
use dashboards::Flavour;
use parts::Features;
use server::Server;

use crate::address::{AddressError, HttpAddress};
use crate::http::client::ClientError;
use crate::http::secret::{OutputKey, SecretError};
use crate::http::tls::TlsError;

/// What there is to be said in the end: charts stay empty without it.
const ADVICE: &str = "Refusals over time need statistics_every = \"1m\" in the configuration of maxconn; it is off by default.";

/// One of the two servers that things are put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Elasticsearch or OpenSearch.
    Store,
    /// Kibana or OpenSearch Dashboards.
    Dashboards,
}

/// The option that names it.
impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Place::Store => "--elasticsearch",
            Place::Dashboards => "--kibana",
        })
    }
}

impl Place {
    fn port(self) -> u16 {
        match self {
            Place::Store => 9200,
            Place::Dashboards => 5601,
        }
    }
}

/// Why it failed. What was put before stays: asked again it goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
    #[error("{0}: {1}")]
    Address(Place, AddressError),
    /// It is none of HTTP.
    #[error("{0}: write it like http://127.0.0.1:{port}", port = .0.port())]
    NotHttp(Place),
    /// The name cannot be that of a space.
    #[error("--space: write the name that addresses have behind /s/, of a-z, 0-9, _ and -")]
    Space,
    /// The name cannot be that of a tenant.
    #[error("--tenant: a name is visible ASCII characters")]
    Tenant,
    /// A file with a secret can't be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// One with certificates can't.
    #[error("{}", own_words(.0))]
    Tls(#[from] TlsError),
    /// There are no means to ask.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// This server can't be reached.
    #[error("{}{}", own_words(.1), server::unreachable(*.0, .1))]
    Unreachable(Place, ClientError),
    /// The server of this name says that it is no such server.
    #[error("{0} names no nodes; is it Elasticsearch or OpenSearch?")]
    NoNodes(String),
    /// The server of this name says no, for this reason.
    #[error("{1} answered {2}: {3}{mend}", mend = server::mend(*.0, *.2))]
    Refused(Place, String, StatusCode, String),
    /// This is somebody else's, under our name, at this server.
    #[error("{0} at {1} was made by somebody else; rename it, or replace it with --force")]
    Foreign(String, HttpAddress),
    /// This index is where a data stream should be, at this server.
    #[error(
        "{0} at {1} is an index that was there before its template, so its fields have no types and it is no data stream; stop what writes to it, keep what is in it by _reindex under another name, delete it, and start again: the next document makes the data stream"
    )]
    PlainIndex(String, HttpAddress),
    /// The server of this name has no dashboards.
    #[error(
        "{0} is neither Kibana nor OpenSearch Dashboards; name the address of one, whose port usually is 5601, and the store's by --elasticsearch"
    )]
    NoDashboards(String),
    /// It waits for its store.
    #[error(
        "{0} is not ready: it waits for its store. Start that, or mend {hosts} in its configuration; its log says which it asks. Then run this again",
        hosts = .1.hosts()
    )]
    NotReady(String, Flavour),
    /// Kibana of this version is too old.
    #[error("{0} is Kibana {1}, and these dashboards need 8.8 or newer")]
    TooOld(String, String),
    /// There are none in this product.
    #[error("{0} is OpenSearch Dashboards, which has no spaces; name a tenant by --tenant")]
    NoSpaces(String),
    /// There are none in this product.
    #[error("{0} is Kibana, which has no tenants; name a space by --space")]
    NoTenants(String),
    /// So many objects were refused by the server of this name.
    #[error("{0} refused {1} of the objects, as told above; mend that, and run this again")]
    Objects(String, usize),
    /// A file can't be written.
    #[error("cannot write {path}: {1}; name a folder that can be written to", path = .0.display())]
    Write(PathBuf, io::Error),
}

/// With the name that the option has here.
fn own_words(error: &impl fmt::Display) -> String {
    error.to_string().replace("--output-ca", "--ca")
}

impl SetupError {
    /// The command line is wrong, or names a file that is.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            SetupError::Address(..)
                | SetupError::NotHttp(_)
                | SetupError::Space
                | SetupError::Tenant
                | SetupError::NoSpaces(_)
                | SetupError::NoTenants(_)
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

impl Fate {
    /// What is to be done with a part of this digest where `found` is: `Some` thing, with a digest if it is ours.
    fn of(found: Option<Option<&str>>, digest: &str, force: bool) -> Fate {
        match found {
            None => Fate::Created,
            Some(Some(theirs)) if theirs == digest => Fate::LeftAlone,
            Some(None) if !force => Fate::Foreign,
            Some(_) => Fate::Updated,
        }
    }

    /// The line that tells of it.
    fn line(self, name: &str) -> String {
        let word = match self {
            Fate::Created => "created",
            Fate::Updated => "updated",
            Fate::LeftAlone => "left alone",
            Fate::Foreign => "NOT OURS",
        };
        format!("  {word:<10}  {name}")
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: Option<HttpAddress>,
    /// Where dashboards go.
    pub dashboards: Option<HttpAddress>,
    /// The space of Kibana.
    pub space: Option<String>,
    /// The tenant of OpenSearch Dashboards.
    pub tenant: Option<HeaderValue>,
    /// The file with the secret, and what kind it is.
    pub key: Option<OutputKey>,
    /// The file with the authorities to trust.
    pub ca: Option<PathBuf>,
    /// Set up what tells people of a new flood, too.
    pub alerting: bool,
    /// Replace what somebody else put under our names, too.
    pub force: bool,
}

/// What would be put into servers that have everything, by product: name by name, and the objects of an import in their order.
fn everything() -> Value {
    let mut all = serde_json::Map::new();
    for features in [Features::ELASTICSEARCH, Features::OPENSEARCH] {
        let product = if features.is_elasticsearch {
            "elasticsearch"
        } else {
            "opensearch"
        };
        let parts = parts::all(features).into_iter();
        let parts = parts.map(|part| (format!("PUT {}", part.path), part.body));
        let mut parts: serde_json::Map<String, Value> = parts.collect();
        if features.has_monitors {
            parts.insert(format!("POST {}", alerting::MONITORS), alerting::monitor());
        }
        all.insert(product.to_string(), Value::Object(parts));
    }
    for flavour in Flavour::ALL {
        let objects = dashboards::objects(flavour).into_iter();
        let objects: Vec<Value> = objects.map(|it| it.body).collect();
        let mut parts = json!({format!("POST {}", kibana::IMPORT_PATH): objects});
        if flavour == Flavour::Kibana {
            parts[format!("POST {}", alerting::rule_path())] = alerting::rule();
        }
        all.insert(flavour.name().to_string(), parts);
    }
    Value::Object(all)
}

/// What would be put into servers that have everything, as one JSON document.
pub fn print() -> String {
    let mut text = serde_json::to_string_pretty(&everything()).unwrap_or_default();
    text.push('\n');
    text
}

/// The same in files of a folder: what there is to be imported by hand, and everything else. Their names are returned.
///
/// # Errors
/// A file can't be written.
pub fn print_files(folder: &Path) -> Result<Vec<PathBuf>, SetupError> {
    let mut files = vec![("setup.json".to_string(), print())];
    for flavour in Flavour::ALL {
        let lines = kibana::lines(&dashboards::objects(flavour));
        files.push((format!("{}.ndjson", flavour.name()), lines));
    }
    let made = fs::create_dir_all(folder);
    made.map_err(|error| SetupError::Write(folder.to_path_buf(), error))?;
    let written = files.into_iter().map(|(name, text)| {
        let path = folder.join(name);
        match fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(error) => Err(SetupError::Write(path, error)),
        }
    });
    written.collect()
}

/// Puts everything there that is not yet; a line for each part goes to `say`.
pub fn run(options: &Options, mut say: impl FnMut(&str)) -> Result<(), SetupError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SetupError::Start)?;
    runtime.block_on(async {
        let mut alerting = match options.alerting {
            true => Alerting::Wanted,
            false => Alerting::Done,
        };
        if let Some(address) = &options.store {
            let mut server = Server::connect(Place::Store, address, options)?;
            let features = store::run(&mut server, address, options, &mut say).await?;
            if options.alerting && !features.is_elasticsearch {
                alerting = Alerting::Done;
                alerting::put_monitor(&mut server, features, address, options, &mut say).await?;
            }
        }
        if let Some(address) = &options.dashboards {
            let mut server = Server::connect(Place::Dashboards, address, options)?;
            let flavour = kibana::run(&mut server, address, options, &mut say).await?;
            if options.alerting && flavour == Flavour::Kibana {
                alerting = Alerting::Done;
                alerting::put_rule(&mut server, address, options, &mut say).await?;
            }
        }
        if alerting == Alerting::Wanted {
            say(match options.store {
                Some(_) => "  left out    alerting: rules for Elasticsearch are Kibana's; name that by --kibana",
                None => "  left out    alerting: OpenSearch has its monitors itself; name it by --elasticsearch",
            });
        }
        say(ADVICE);
        Ok(())
    })
}

/// Whether something is still to tell people of floods.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alerting {
    Wanted,
    Done,
}
