//! `maxconn run` as people run it: real processes, pipes, sockets and signals.

mod connect;
mod http;
mod journald;
mod limits;
mod logstash;
mod omprog;
mod pipes;
mod printed;
mod process;
mod refused;
mod sink;
mod sockets;
mod state;
mod store;
mod tls;
mod vector;
