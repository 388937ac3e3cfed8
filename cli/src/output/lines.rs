//! `tcp://` and `unix:` write lines to a connection. The next hop confirms nothing, so what the system had taken when the
//! connection broke may be lost; the rest is sent again.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::SendError;
use super::delivery::Delivery;
use super::trouble::Trouble;
use crate::address::LinesAddress;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long the next hop may let a group wait.
const WRITE_MAX: Duration = Duration::from_secs(60);

/// A connection that is made again when it breaks.
pub struct LinesOutput {
    address: LinesAddress,
    socket: Option<Socket>,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl LinesOutput {
    /// It connects when it is first used.
    pub fn new(address: LinesAddress) -> LinesOutput {
        LinesOutput {
            address,
            socket: None,
        }
    }

    /// The address.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// Writes a group.
    ///
    /// # Errors
    /// There is no connection, or it broke.
    pub async fn send(&mut self, group: &[Arc<Delivery>]) -> Result<(), SendError> {
        let address = || self.address.clone();
        let mut socket = match self.socket.take() {
            Some(socket) if socket.is_open() => socket,
            _ => match timeout(CONNECT_MAX, self.connect()).await {
                Ok(Ok(socket)) => socket,
                Ok(Err(error)) => return Err(Trouble::Connect(address(), error).into()),
                Err(_) => return Err(Trouble::ConnectLate(address()).into()),
            },
        };
        let writing = async {
            for delivery in group {
                socket.write(&delivery.bytes).await?;
            }
            Ok::<_, io::Error>(())
        };
        match timeout(WRITE_MAX, writing).await {
            Ok(Ok(())) => {
                self.socket = Some(socket);
                Ok(())
            }
            Ok(Err(error)) => Err(Trouble::Broke(address(), error).into()),
            Err(_) => Err(Trouble::ReadsNothing(address()).into()),
        }
    }

    async fn connect(&self) -> io::Result<Socket> {
        Ok(match &self.address {
            LinesAddress::Tcp(address) => Socket::Tcp(TcpStream::connect(address).await?),
            LinesAddress::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
        })
    }
}

impl Socket {
    /// The other side has not closed it, as far as is known here. Writing to one that it has closed would
    /// succeed the first time. What it sends is of no interest.
    fn is_open(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 1024];
        // The system is asked itself: the runtime would only tell what it has heard of before.
        let socket = match self {
            Socket::Tcp(stream) => SockRef::from(stream),
            Socket::Unix(stream) => SockRef::from(stream),
        };
        loop {
            match socket.recv(&mut buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.write_all(bytes).await,
            Socket::Unix(stream) => stream.write_all(bytes).await,
        }
    }
}
