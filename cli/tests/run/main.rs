//! `maxconn run`, and `maxconn replay` into its outputs, as people run them: real processes, pipes, sockets and signals.

mod alerts;
mod connect;
mod connections;
mod file;
mod http;
mod journald;
mod limits;
mod logstash;
mod memory;
mod omprog;
mod pipes;
mod printed;
mod refused;
mod replay;
mod reply;
mod sockets;
mod state;
mod store;
mod streams;
mod tls;
mod units;
mod vector;

/// Where a store keeps what our command sends it: events and alerts, and other records.
const EVENTS: &str = "logs-dovecot.maxconn-default";
const RECORDS: &str = "logs-mail-default";
/// For a command that keeps a state, in a folder of its own.
const STATE: &str = "--state kept.state --state-interval 20ms";
