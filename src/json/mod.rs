//! JSON as bytes: written, walked, decoded and checked, without a tree of values.
//!
//! | module | what it does |
//! |---|---|
//! | [`write`] | documents of our own, with commas and escapes |

pub mod write;
