//! `maxconn run`, and `maxconn replay` into its outputs, as people run them: real processes, pipes, sockets and signals.

mod connect;
mod connections;
mod http;
mod journald;
mod limits;
mod logstash;
mod memory;
mod omprog;
mod pipes;
mod printed;
mod process;
mod refused;
mod replay;
mod sink;
mod sockets;
mod state;
mod store;
mod tls;
mod units;
mod vector;
