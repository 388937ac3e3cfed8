//! The command line of `maxconn setup`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use hyper::header::HeaderValue;

use super::{Options, Place, SetupError};
use crate::address::{AddressError, HttpAddress};
use crate::http::secret::OutputKey;

/// Puts index templates, a lifecycle and dashboards into Elasticsearch and Kibana, or OpenSearch and its Dashboards.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maxconn setup --elasticsearch https://es:9200 --api-key /etc/maxconn/key
  maxconn setup --kibana https://kibana:5601 --basic /etc/maxconn/login --space mail
  maxconn setup --elasticsearch http://127.0.0.1:9200 --kibana http://127.0.0.1:5601 --alerting
  maxconn setup --print=FOLDER

It tells by itself which of the products it speaks to. Asked again it changes nothing that is as \
it should be. The key needs the cluster privileges manage_index_templates, manage_ilm and monitor; \
for data streams of an earlier version, which get a new index each, manage for logs-*.maxconn-*; \
in Kibana all of Saved Objects Management, and for --alerting all of Stack Rules.

Dashboards show refusals over time where maxconn is configured with statistics_every = \"1m\"; it \
is off by default.")]
#[command(group = ArgGroup::new("where").args(["elasticsearch", "kibana", "print"]).required(true).multiple(true))]
pub struct SetupArgs {
    /// The store, as http(s)://HOST:PORT: Elasticsearch or OpenSearch.
    #[arg(long, value_name = "URL")]
    elasticsearch: Option<String>,
    /// Where dashboards go, as http(s)://HOST:PORT: Kibana 8.8 and newer, or OpenSearch Dashboards.
    #[arg(long, value_name = "URL")]
    kibana: Option<String>,
    /// The space of Kibana, by the name that is in addresses [default: the default one].
    #[arg(
        long,
        value_name = "NAME",
        requires = "kibana",
        conflicts_with = "tenant"
    )]
    space: Option<String>,
    /// The tenant of OpenSearch Dashboards: global, private or a name [default: that of the user].
    #[arg(long, value_name = "NAME", requires = "kibana")]
    tenant: Option<String>,
    /// Set up what tells people of a new flood, too: a rule of Kibana, or a monitor of OpenSearch.
    #[arg(long)]
    alerting: bool,
    /// Print what would be put there, and ask no server; with =FOLDER write files there, which can be imported by hand.
    #[arg(
        long,
        value_name = "FOLDER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-",
        conflicts_with_all = ["elasticsearch", "kibana", "alerting"]
    )]
    pub print: Option<PathBuf>,
    /// The file with the encoded API key.
    #[arg(long, value_name = "FILE")]
    api_key: Option<PathBuf>,
    /// The file with USER:PASSWORD.
    #[arg(long, value_name = "FILE", conflicts_with = "api_key")]
    basic: Option<PathBuf>,
    /// The file with the authorities (PEM) to trust with https [default: those of the system].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Replace what somebody else put under our names.
    #[arg(long)]
    force: bool,
}

impl SetupArgs {
    /// What is to be done, or what is wrong with the command line.
    ///
    /// # Errors
    /// An address is none, or a name cannot be one.
    pub fn options(&self) -> Result<Options, SetupError> {
        let store = self.elasticsearch.as_deref();
        let store = store.map(|url| url.strip_prefix("elasticsearch+").unwrap_or(url));
        let api_key = self.api_key.clone().map(OutputKey::ApiKey);
        let is_space = |name: &str| {
            let fits = |it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
            !name.is_empty() && name.bytes().all(fits)
        };
        let tenant = match self.tenant.as_deref().map(HeaderValue::from_str) {
            Some(Ok(tenant)) => Some(tenant),
            None => None,
            Some(Err(_)) => return Err(SetupError::Tenant),
        };
        if self.space.as_deref().is_some_and(|it| !is_space(it)) {
            return Err(SetupError::Space);
        }
        Ok(Options {
            store: address(Place::Store, store)?,
            dashboards: address(Place::Dashboards, self.kibana.as_deref())?,
            space: self.space.clone(),
            tenant,
            key: api_key.or_else(|| self.basic.clone().map(OutputKey::Basic)),
            ca: self.ca.clone(),
            alerting: self.alerting,
            force: self.force,
        })
    }
}

fn address(place: Place, url: Option<&str>) -> Result<Option<HttpAddress>, SetupError> {
    let Some(url) = url else {
        return Ok(None);
    };
    let is_http = url.starts_with("http://") || url.starts_with("https://");
    match HttpAddress::read(url, Some(place.port())) {
        Ok(address) if is_http => Ok(Some(address)),
        Err(problem @ (AddressError::Password | AddressError::Port)) => {
            Err(SetupError::Address(place, problem))
        }
        _ => Err(SetupError::NotHttp(place)),
    }
}
