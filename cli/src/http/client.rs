//! A client of one connection, which sends requests one after the other to keep their order.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, ServerName};

use super::{Body, tls};
use crate::address::HttpAddress;
use crate::http::secret::{OutputKey, SecretError};
use crate::system;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// What came back.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The pause that it asks for.
    pub retry_after: Duration,
    /// Its headers.
    pub headers: HeaderMap,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// It was asked for twice, for the connection of the first time was closed; that may have arrived, too.
    pub sent_twice: bool,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("{0} cannot be asked: {1}")]
    Request(HttpAddress, hyper::http::Error),
    #[error("cannot connect to {0}: {1}")]
    Connect(HttpAddress, io::Error),
    #[error("cannot connect to {0}: no answer")]
    ConnectLate(HttpAddress),
    #[error("{0} cannot be asked by TLS: {1}")]
    TlsName(HttpAddress, InvalidDnsNameError),
    #[error("no TLS with {0}: {trouble}", trouble = tls::trouble(.1))]
    Tls(HttpAddress, io::Error),
    #[error("no TLS with {0}: no answer")]
    TlsLate(HttpAddress),
    #[error("the connection to {0} broke: {1}{cause}", cause = cause(.1))]
    Broke(HttpAddress, hyper::Error),
    #[error("{0} does not answer within {seconds} s", seconds = .1.as_secs_f64())]
    Late(HttpAddress, Duration),
}

fn cause(error: &hyper::Error) -> String {
    error.source().map_or(String::new(), |it| format!(": {it}"))
}

impl ClientError {
    /// The connection broke while the request was on it; otherwise there was none, or no answer in time.
    pub fn broke(&self) -> bool {
        matches!(self, ClientError::Broke(..))
    }
}

/// A client.
pub struct Client {
    address: HttpAddress,
    key: Option<OutputKey>,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
    patience: Duration,
    connection: Option<SendRequest<Body>>,
}

impl Client {
    /// A client of an address, which is shown the key; it connects when it is first used, by `tls` if the
    /// address wants it. A request and its answer may take as long as `patience`.
    ///
    /// # Errors
    /// The key can't be read.
    pub fn new(
        address: HttpAddress,
        key: Option<OutputKey>,
        tls: Option<TlsConnector>,
        patience: Duration,
    ) -> Result<Client, SecretError> {
        let authorization = key.as_ref().map(OutputKey::authorization).transpose()?;
        Ok(Client {
            address,
            key,
            authorization: authorization.flatten(),
            tls,
            patience,
            connection: None,
        })
    }

    /// Reads the key again: it was refused, and another one may be in its file by now. If that can't be read
    /// the one from before is shown again, and refused again.
    pub fn read_key_again(&mut self) {
        let key = self.key.as_ref().filter(|key| key.can_change());
        if let Some(Ok(authorization)) = key.map(OutputKey::authorization) {
            self.authorization = authorization;
        }
    }

    /// The address.
    pub fn address(&self) -> &HttpAddress {
        &self.address
    }

    /// Makes a request; `answer_max_bytes` of the answer's body are kept.
    ///
    /// # Errors
    /// No connection, a broken one, or no answer in time.
    pub async fn request(
        &mut self,
        request: Builder,
        body: &Body,
        answer_max_bytes: usize,
    ) -> Result<Answer, ClientError> {
        let mut request = request
            .header(HOST, self.address.authority())
            .header(USER_AGENT, concat!("maxconn/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(body.clone());
        let request = request.map_err(|error| ClientError::Request(self.address.clone(), error))?;
        let whole = timeout(self.patience, async {
            let (mut connection, reused) = match self.connection.take() {
                Some(connection) if !connection.is_closed() => (connection, true),
                _ => (self.connect().await?, false),
            };
            let mut sent_twice = false;
            let first = connection.send_request(request.clone()).await;
            let mut response = match first {
                Ok(response) => response,
                // Kept open since the last request, and closed by the other side just now, as it may.
                Err(_) if reused => {
                    sent_twice = true;
                    connection = self.connect().await?;
                    let again = connection.send_request(request.clone()).await;
                    again.map_err(|error| self.broken(error))?
                }
                Err(error) => return Err(self.broken(error)),
            };
            let body = read(response.body_mut(), answer_max_bytes).await;
            let (body, whole) = body.map_err(|error| self.broken(error))?;
            // Without its end the connection cannot be used again.
            if whole {
                self.connection = Some(connection);
            }
            Ok(Answer {
                status: response.status(),
                retry_after: retry_after(&response),
                headers: std::mem::take(response.headers_mut()),
                sent_twice,
                body,
            })
        });
        let answer = whole.await;
        let late = |_| ClientError::Late(self.address.clone(), self.patience);
        let answer = answer.map_err(late)??;
        if matches!(answer.status.as_u16(), 401 | 403) {
            self.read_key_again();
        }
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Body>, ClientError> {
        let address = || self.address.clone();
        let connecting = system::connect(self.address.host(), self.address.port);
        let stream = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(ClientError::Connect(address(), error)),
            Err(_) => return Err(ClientError::ConnectLate(address())),
        };
        let Some(tls) = &self.tls else {
            return self.speak(stream).await;
        };
        let host = ServerName::try_from(self.address.host().to_string())
            .map_err(|error| ClientError::TlsName(address(), error))?;
        match timeout(CONNECT_MAX, tls.connect(host, stream)).await {
            Ok(Ok(stream)) => self.speak(stream).await,
            Ok(Err(error)) => Err(ClientError::Tls(address(), error)),
            Err(_) => Err(ClientError::TlsLate(address())),
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<SendRequest<Body>, ClientError> {
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| self.broken(error))?;
        // What goes wrong with it is told to whoever made the request.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn broken(&self, error: hyper::Error) -> ClientError {
        ClientError::Broke(self.address.clone(), error)
    }
}

/// The beginning of a body, and whether that is all of it.
async fn read(body: &mut Incoming, max_bytes: usize) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = max_bytes.saturating_sub(whole.len());
        whole.extend_from_slice(data.get(..room).unwrap_or(&data));
        if room < data.len() {
            return Ok((whole, false));
        }
    }
    Ok((whole, true))
}

/// The pause in seconds that an answer asks for; a date is not read, our own pauses will do.
fn retry_after(response: &Response<Incoming>) -> Duration {
    let value = response.headers().get(RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0).min(60))
}
