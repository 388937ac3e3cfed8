//! What all clients do.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use host_test::Error;

use crate::process::PATIENCE;

/// A connection that waits for its answer, but not for ever.
pub fn connect(port: u16) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What the server says until it hangs up.
pub fn last_words(mut stream: TcpStream) -> Result<String, Error> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        // So it hangs up if it has not read everything.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error.into()),
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Reads so much.
pub fn bytes(stream: &mut TcpStream, count: usize) -> Result<Vec<u8>, Error> {
    let mut read = vec![0; count];
    stream.read_exact(&mut read)?;
    Ok(read)
}

/// Reads a line.
pub fn line(stream: &mut TcpStream) -> Result<String, Error> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.extend(bytes(stream, 1)?);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_string())
}

/// Holds that a server answers like this.
pub fn must_begin(told: &str, beginning: &str) -> Result<(), Error> {
    match told.starts_with(beginning) {
        true => Ok(()),
        false => Err(format!("{told:?} is told instead of {beginning}").into()),
    }
}
