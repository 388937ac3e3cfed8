//! Writes the members of our own documents: alerts and statistics.
//!
//! Called rather than inlined: an alert has some sixty members, and is written once in a minute.

use crate::json::write::Writer;

#[inline(never)]
pub fn time(json: &mut Writer<'_>, key: &str, time_ms: i64) {
    json.key(key);
    json.time(time_ms);
}

#[inline(never)]
pub fn text(json: &mut Writer<'_>, key: &str, value: &str) {
    json.key(key);
    json.string(value);
}

#[inline(never)]
pub fn number(json: &mut Writer<'_>, key: &str, value: u64) {
    json.key(key);
    json.uint(value);
}

#[inline(never)]
pub fn open(json: &mut Writer<'_>, key: &str) {
    json.key(key);
    json.begin_object();
}

#[inline(never)]
pub fn close(json: &mut Writer<'_>) {
    json.end_object();
}

#[inline(never)]
pub fn texts(json: &mut Writer<'_>, key: &str, values: &[&str]) {
    json.key(key);
    json.begin_array();
    for value in values {
        json.string(value);
    }
    json.end_array();
}

#[inline(never)]
pub fn group(json: &mut Writer<'_>, group: &str, key: &str, value: &str) {
    open(json, group);
    text(json, key, value);
    close(json);
}
