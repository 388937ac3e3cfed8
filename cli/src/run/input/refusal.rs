//! Why a request is not taken.

use std::io;

use thiserror::Error;

use super::body::BODY_MAX_BYTES;

/// What its sender is told.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It asks for something.
    #[error("post records here")]
    Method,
    /// It does not know the secret.
    #[error("send `Authorization: Bearer` with the token that this input was given")]
    Token,
    /// The body takes too long.
    #[error("the body did not come in time; send smaller batches")]
    Late,
    /// Its connection broke.
    #[error("the body did not come whole: {0}")]
    Broken(hyper::Error),
    /// The body is larger than any may be.
    #[error("the body is larger than {} MiB, compressed or not; send smaller batches", BODY_MAX_BYTES >> 20)]
    TooLarge,
    /// The body begins like one that is compressed in this way.
    #[error(
        "the body is compressed by {0} and no header says so; send it with `Content-Encoding: {0}`"
    )]
    Compressed(&'static str),
    /// It is compressed in another way than those that are known.
    #[error("this Content-Encoding is not read here; send gzip, zstd, or no compression")]
    Encoding,
    /// It cannot be decompressed.
    #[error("the body cannot be decompressed: {0}")]
    Damaged(io::Error),
    /// It is neither lines nor JSON.
    #[error(
        "this Content-Type is not read here; send application/x-ndjson, application/json or text/plain"
    )]
    Type,
    /// It is no JSON, or no objects, from this byte on.
    #[error("the body is not the JSON it is said to be: {1} at byte {0}; nothing of it was taken")]
    Json(usize, NotJson),
    /// There is no room.
    #[error("too much is on the way already; send the same bytes again")]
    Busy,
    /// The process is asked to stop.
    #[error("this process stops; try again")]
    Stops,
    /// The next hop does not take what became of it, for this reason.
    #[error(
        "the next hop does not take records: {0}; send the same bytes again, they are not counted twice"
    )]
    NotDelivered(&'static str),
}

/// What is wrong with a JSON body.
#[derive(Debug, Error)]
pub enum NotJson {
    /// A bracket is missing.
    #[error("the array does not end")]
    Unended,
    /// There is another value.
    #[error("an object is expected")]
    NoObject,
    /// Two objects have nothing between them.
    #[error("a comma or the end of the array is expected")]
    NoComma,
    /// An array is all that there may be.
    #[error("something follows the array")]
    Behind,
    /// An object is not well-formed.
    #[error("{}", words(.0))]
    Malformed(serde_json::Error),
}

/// What serde_json says, without its line and column, which count from the record.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or("");
    words.to_string()
}

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Broken(_) | Refusal::Damaged(_) | Refusal::Json(..) => 400,
            Refusal::Token => 401,
            Refusal::Method => 405,
            Refusal::Late => 408,
            Refusal::TooLarge => 413,
            Refusal::Compressed(_) | Refusal::Encoding | Refusal::Type => 415,
            Refusal::Busy | Refusal::Stops | Refusal::NotDelivered(_) => 503,
        }
    }
}
