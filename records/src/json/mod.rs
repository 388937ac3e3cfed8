//! Writes, walks and decodes JSON as bytes. Records never become a tree of values.
//!
//! | module | what it does |
//! |---|---|
//! | [`scan`] | walks a document strictly, in one pass, and says where things are |
//! | [`string`] | what a string or a byte array says |
//! | [`value`] | a document as a tree, for what is read once |
//! | [`mod@write`] | documents of our own, with commas and escapes |

pub mod scan;
pub mod string;
pub mod value;
pub mod write;

/// How deeply a document may nest, itself included: what serde_json takes, so that whatever we accept
/// other programs accept as well. Anything deeper is malformed to us.
pub const MAX_DEPTH: u32 = 127;
