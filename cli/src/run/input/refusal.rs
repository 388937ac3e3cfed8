//! Why a request is not taken.

use std::io;

use thiserror::Error;

use super::body::BODY_MAX_BYTES;

/// What its sender is told.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("nothing is taken at {0:?}; post records to /")]
    Path(String),
    #[error("post records here")]
    Method,
    #[error("send `Authorization: Bearer` with the token that this input was given")]
    Token,
    #[error("the body did not come in time; send smaller batches")]
    Late,
    #[error("the body did not come whole: {0}")]
    Broken(hyper::Error),
    #[error("the body is larger than {} MiB, compressed or not; send smaller batches", BODY_MAX_BYTES >> 20)]
    TooLarge,
    #[error(
        "the body is compressed by {0} and no header says so; send it with `Content-Encoding: {0}`"
    )]
    Compressed(&'static str),
    #[error("this Content-Encoding is not read here; send gzip, zstd, or no compression")]
    Encoding,
    #[error("the body cannot be decompressed: {0}")]
    Damaged(io::Error),
    #[error(
        "this Content-Type is not read here; send application/x-ndjson, application/json or text/plain"
    )]
    Type,
    #[error("the body is not the JSON it is said to be: {1} at byte {0}; nothing of it was taken")]
    Json(usize, NotJson),
    #[error("too much is on the way already; send the same bytes again")]
    Busy,
    #[error("this process stops; try again")]
    Stops,
    #[error(
        "the next hop does not take records: {0}; send the same bytes again, they are not counted twice"
    )]
    NotDelivered(&'static str),
}

/// What is wrong with a JSON body.
#[derive(Debug, Error)]
pub enum NotJson {
    #[error("the array does not end")]
    Unended,
    #[error("an object is expected")]
    NoObject,
    #[error("a comma or the end of the array is expected")]
    NoComma,
    #[error("something follows the array")]
    Behind,
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
            Refusal::Path(_) => 404,
            Refusal::Method => 405,
            Refusal::Late => 408,
            Refusal::TooLarge => 413,
            Refusal::Compressed(_) | Refusal::Encoding | Refusal::Type => 415,
            Refusal::Busy | Refusal::Stops | Refusal::NotDelivered(_) => 503,
        }
    }
}
