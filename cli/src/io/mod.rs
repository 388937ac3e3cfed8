//! Bytes on their way in and out, the same for `replay`, `run` and every output.
//!
//! | module | what it does |
//! |---|---|
//! | [`byte_order_mark`] | what some programs put before a text, and the encoding that it tells |
//! | [`compression`] | tells how a stream is compressed, and decompresses it |
//! | [`follow`] | reads a file for as long as somebody writes into it |
//! | [`framing`] | takes records out of arrays, envelopes and exports |
//! | [`lines`] | cuts texts between lines, and lines between characters |
//! | [`line_reader`] | cuts streams into chunks of whole lines |
//! | [`ndjson`] | one JSON object a line, whatever came in |
//! | [`utf16`] | texts in UTF-16, in UTF-8 |

pub mod byte_order_mark;
pub mod compression;
pub mod follow;
pub mod framing;
pub mod line_reader;
pub mod lines;
pub mod ndjson;
#[cfg(test)]
pub mod slow;
pub mod utf16;
