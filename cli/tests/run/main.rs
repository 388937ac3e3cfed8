//! `maxconn run` as people run it: real processes, pipes, sockets and signals.

mod http;
mod limits;
mod pipes;
mod process;
mod sink;
mod state;
mod store;
