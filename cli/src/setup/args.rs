//! The command line of `maxconn setup`.

use std::path::PathBuf;

use clap::Args;

use super::{Options, SetupError};
use crate::address::OutputAddress;
use crate::http::secret::OutputKey;

/// Puts index templates and lifecycle into Elasticsearch or OpenSearch; it tells them apart.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maxconn setup --elasticsearch https://es:9200 --api-key /etc/maxconn/key
  maxconn setup --elasticsearch http://127.0.0.1:9200
  maxconn setup --print

Asked again it changes nothing that is as it should be. The key needs the cluster privileges
manage_index_templates, manage_ilm and monitor, and for data streams of an earlier version, which
get a new index each, manage for logs-*.maxconn-*.")]
pub struct SetupArgs {
    /// The server, as http(s)://HOST:PORT.
    #[arg(long, value_name = "URL", required_unless_present = "print")]
    elasticsearch: Option<String>,
    /// Print what would be put there, and ask no server.
    #[arg(long, conflicts_with = "elasticsearch")]
    pub print: bool,
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
    /// The address is none.
    pub fn options(&self) -> Result<Options, SetupError> {
        let url = self.elasticsearch.as_deref().unwrap_or_default();
        let url = url.strip_prefix("elasticsearch+").unwrap_or(url);
        let address = match format!("elasticsearch+{url}").parse() {
            Ok(OutputAddress::Elasticsearch(address)) => address,
            Err(problem) if url.starts_with("http") => return Err(SetupError::Address(problem)),
            _ => return Err(SetupError::NotHttp),
        };
        let api_key = self.api_key.clone().map(OutputKey::ApiKey);
        Ok(Options {
            address,
            key: api_key.or_else(|| self.basic.clone().map(OutputKey::Basic)),
            ca: self.ca.clone(),
            force: self.force,
        })
    }
}
