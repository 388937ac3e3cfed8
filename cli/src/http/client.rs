//! A client of one connection, which sends requests one after the other to keep their order.

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Pieces, next_data, tls};
use crate::address::HttpAddress;
use crate::http::secret::OutputKey;
use crate::system;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// What came back.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The pause that it asks for.
    pub retry_after: Duration,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// It was asked for twice, for the connection of the first time was closed; that may have arrived, too.
    pub sent_twice: bool,
}

/// Why there is no answer.
pub struct Failure {
    /// What happened.
    pub sentence: String,
    /// The connection broke while the request was on it; otherwise there was none, or no answer in time.
    pub broke: bool,
}

impl Failure {
    /// What is told to those who need not know where the other side is.
    pub fn why(&self) -> &'static str {
        match self.broke {
            true => "its connection broke",
            false => "it cannot be reached or does not answer",
        }
    }

    fn before(sentence: String) -> Failure {
        Failure {
            sentence,
            broke: false,
        }
    }
}

/// A client.
pub struct Client {
    address: HttpAddress,
    key: Option<OutputKey>,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
    patience: Duration,
    connection: Option<SendRequest<Pieces>>,
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
    ) -> Result<Client, String> {
        let authorization = match &key {
            Some(key) => key.authorization()?,
            None => None,
        };
        Ok(Client {
            address,
            key,
            authorization,
            tls,
            patience,
            connection: None,
        })
    }

    /// Reads the key again: it was refused, and another one may be in its file by now. If that can't be read
    /// the one from before is shown again, and refused again.
    pub fn read_key_again(&mut self) {
        if let Some(Ok(authorization)) = self.key.as_ref().map(OutputKey::authorization) {
            self.authorization = authorization;
        }
    }

    /// The address as people write it.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Makes a request; `answer_max_bytes` of the answer's body are kept.
    ///
    /// # Errors
    /// No connection, a broken one, or no answer in time.
    pub async fn request(
        &mut self,
        request: Builder,
        body: &Pieces,
        answer_max_bytes: usize,
    ) -> Result<Answer, Failure> {
        let mut request = request
            .header(HOST, self.address.authority())
            .header(USER_AGENT, concat!("maxconn/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(()).map_err(|error| {
            Failure::before(format!("{} cannot be asked: {error}", self.name()))
        })?;
        let whole = timeout(self.patience, async {
            let (mut connection, reused) = match self.connection.take() {
                Some(connection) if !connection.is_closed() => (connection, true),
                _ => (self.connect().await?, false),
            };
            let mut sent_twice = false;
            let first = connection.send_request(with_body(&request, body)).await;
            let mut response = match first {
                Ok(response) => response,
                // Kept open since the last request, and closed by the other side just now, as it may.
                Err(_) if reused => {
                    sent_twice = true;
                    connection = self.connect().await?;
                    let again = connection.send_request(with_body(&request, body)).await;
                    again.map_err(|error| self.broken(&error))?
                }
                Err(error) => return Err(self.broken(&error)),
            };
            let body = read(response.body_mut(), answer_max_bytes).await;
            let (body, whole) = body.map_err(|error| self.broken(&error))?;
            // Without its end the connection cannot be used again.
            if whole {
                self.connection = Some(connection);
            }
            Ok(Answer {
                status: response.status(),
                retry_after: retry_after(&response),
                sent_twice,
                body,
            })
        });
        match whole.await {
            Ok(result) => result,
            Err(_) => Err(Failure::before(format!(
                "{} does not answer within {} s",
                self.name(),
                self.patience.as_secs_f64()
            ))),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Pieces>, Failure> {
        self.open().await.map_err(Failure::before)
    }

    async fn open(&self) -> Result<SendRequest<Pieces>, String> {
        let connecting = system::connect(self.address.host(), self.address.port);
        let stream = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(format!("cannot connect to {}: {error}", self.name())),
            Err(_) => return Err(format!("cannot connect to {}: no answer", self.name())),
        };
        let Some(tls) = &self.tls else {
            return self.speak(stream).await;
        };
        let host = ServerName::try_from(self.address.host().to_string())
            .map_err(|error| format!("{} cannot be asked by TLS: {error}", self.name()))?;
        match timeout(CONNECT_MAX, tls.connect(host, stream)).await {
            Ok(Ok(stream)) => self.speak(stream).await,
            Ok(Err(error)) => Err(format!(
                "no TLS with {}: {}",
                self.name(),
                tls::trouble(&error)
            )),
            Err(_) => Err(format!("no TLS with {}: no answer", self.name())),
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<SendRequest<Pieces>, String> {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error).sentence)?;
        // What goes wrong with it is told to whoever made the request.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn broken(&self, error: &hyper::Error) -> Failure {
        use std::error::Error as _;
        let cause = error.source().map_or(String::new(), |it| format!(": {it}"));
        Failure {
            sentence: format!("the connection to {} broke: {error}{cause}", self.name()),
            broke: true,
        }
    }
}

fn with_body(request: &Request<()>, body: &Pieces) -> Request<Pieces> {
    request.clone().map(|()| body.clone())
}

/// The beginning of a body, and whether that is all of it.
async fn read(body: &mut Incoming, max_bytes: usize) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut whole = Vec::new();
    while let Some(data) = next_data(body).await {
        let data: Bytes = data?;
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
