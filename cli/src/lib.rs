//! The rooms of the command `maxconn`.
//!
//! | module | what it does |
//! |---|---|
//! | [`alerts`] | tells people and programs of floods, besides where records go |
//! | [`address`] | parses the addresses of inputs and outputs |
//! | [`mod@bench`] | measures the plugin's throughput |
//! | [`builtin`] | loads the guest inside this program |
//! | [`config`] | reads configurations as people write them |
//! | `files` | opens the files that are written |
//! | [`generate`] | writes synthetic incidents |
//! | `http` | what HTTP servers and clients share, TLS, secrets |
//! | `io` | turns bytes into whole lines: byte order marks, compression, NDJSON |
//! | `lock` | locks |
//! | [`log`] | writes to standard error while something runs |
//! | [`manual`] | prints help for topics, manual pages and completions |
//! | [`output`] | delivers to the next hop: standard output, connections, HTTP, data streams |
//! | [`printable`] | makes text from elsewhere fit for a terminal |
//! | [`reading`] | reads logs into a guest, as one stream: what `replay` and `report` share |
//! | [`replay`] | takes logs through a guest, as one stream |
//! | [`report`] | writes a report of logs |
//! | [`run`] | takes records through a guest for as long as they come, beside a shipper |
//! | [`selection`] | selects the part of the output that is written |
//! | [`servers`] | shows what is recognised |
//! | [`setup`] | puts templates and lifecycle into Elasticsearch and OpenSearch |
//! | [`summary`] | writes what was found for people |
//! | `system` | asks the machine; in tests `sim` answers |
//! | [`zone`] | reads and shows times in the time zone of what names none |

pub mod address;
pub mod alerts;
pub mod bench;
pub mod builtin;
pub mod config;
mod files;
pub mod generate;
pub(crate) mod http;
mod io;
mod lock;
pub mod log;
pub mod manual;
pub mod output;
pub mod printable;
pub mod reading;
pub mod replay;
pub mod report;
pub mod run;
pub mod selection;
pub mod servers;
pub mod setup;
pub mod summary;
mod system;
pub mod zone;

#[cfg(test)]
mod sim;
