//! Starts every input that the command line names.

use std::sync::Arc;

use tokio::sync::{Mutex, oneshot};

use super::confirming::Confirming;
use super::http::HttpInput;
use super::lines::LinesInput;
use super::{Intake, file, omprog, stdin};
use crate::address::{InputAddress, OutputAddress};
use crate::http::secret::Secret;
use crate::http::tls;
use crate::log;
use crate::run::descriptors::{CONNECTIONS_MAX, Senders};
use crate::run::ledger::Ledger;
use crate::run::net::{Listener, Places, Servers};
use crate::run::{Options, RunError, server};

/// Inputs that are not listened at.
#[derive(Default)]
pub struct Started {
    /// Told when standard input has ended.
    pub pipes: Vec<oneshot::Receiver<()>>,
    /// Of each file: held while what was read of it is delivered.
    pub files: Vec<Arc<Mutex<()>>>,
}

/// Starts them; those that are listened at are among `servers`.
///
/// # Errors
/// A secret, a certificate, an address or a thread that can't be had.
pub async fn start(
    options: &Options,
    intake: &Intake,
    ledger: &Arc<Ledger>,
    servers: &mut Servers,
) -> Result<Started, RunError> {
    let token = options.input_token.as_deref().map(Secret::read);
    let token = token.transpose()?;
    let tls = options.input_tls.as_ref();
    let tls = tls
        .map(|(certificate, key)| tls::acceptor(certificate, key))
        .transpose()?;
    let (senders, mut all) = (Senders::new(), Started::default());
    for (number, input) in options.inputs.iter().enumerate() {
        let source = u16::try_from(number).unwrap_or(u16::MAX);
        let confirming = Confirming {
            source,
            name: input.to_string(),
            intake: intake.clone(),
            ledger: Arc::clone(ledger),
            metrics: intake.metrics.clone(),
        };
        let listener = match input {
            InputAddress::Stdin => {
                let end = match options.confirm {
                    None => stdin::start(source, intake.clone()),
                    Some(confirm) => omprog::start(confirm, options.request_timeout, confirming),
                };
                all.pipes.push(end.map_err(RunError::Thread)?);
                continue;
            }
            InputAddress::File(path) => {
                let started = file::start(path, options.state.as_deref(), confirming)?;
                all.files.push(started.map_err(RunError::Thread)?);
                continue;
            }
            InputAddress::Http(address) => Listener::tcp(address, "input", "http").await,
            InputAddress::Https(address) => Listener::tcp(address, "input", "https").await,
            InputAddress::Tcp(address) => Listener::tcp(address, "input", "tcp").await,
            InputAddress::Unix(path) => Listener::unix(path, "input").await,
        };
        let listener = listener?;
        let places = Places::new(CONNECTIONS_MAX, Some(senders.clone()));
        if let InputAddress::Tcp(_) | InputAddress::Unix(_) = input {
            let intake = intake.clone();
            let input = Arc::new(LinesInput { source, intake });
            servers.start(listener, places, None, move |stream, stop, connection| {
                Arc::clone(&input).take(stream, stop, connection)
            });
            continue;
        }
        if token.is_none() && !listener.is_loopback() {
            log::warn!(
                "{} takes records from everybody who can reach it; name a token with --input-token FILE, or keep \
                 others away by a firewall",
                listener.name()
            );
        }
        let tls = tls
            .clone()
            .filter(|_| matches!(input, InputAddress::Https(_)));
        let input = Arc::new(HttpInput {
            confirming,
            token: token.clone(),
            patience: options.request_timeout,
            replies: options.output.address == OutputAddress::Reply,
        });
        servers.start(listener, places, tls, move |stream, stop, connection| {
            let input = Arc::clone(&input);
            server::serve(stream, stop, connection, move |request| {
                Arc::clone(&input).handle(request)
            })
        });
    }
    Ok(all)
}
