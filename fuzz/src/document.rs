//! What must hold of every document that goes out.

use maxconn_core::engine::{Kind, Statistics, Want};
use serde::de::IgnoredAny;
use serde_json::Value;

/// Whether `text` is one JSON object, by another reader than ours.
pub fn is_object(text: &[u8]) -> bool {
    let begins = text.trim_ascii_start().starts_with(b"{");
    begins && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// What was given and what came out, for the promise that nothing is lost silently.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Records that were given.
    pub given: u64,
    /// Records that came out, or that their host kept.
    pub passed: u64,
    /// Alerts that came out.
    pub alerts: u64,
}

impl Seen {
    /// One piece of output.
    pub fn take(&mut self, kind: Kind, piece: &[u8]) {
        let shown = String::from_utf8_lossy(piece);
        if kind == Kind::Passed {
            let newlines = piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.passed += newlines + u64::from(!piece.ends_with(b"\n"));
            return;
        }
        let Some(document) = piece.strip_suffix(b"\n") else {
            panic!("{kind:?} does not end its line: {shown}");
        };
        assert!(
            !document.contains(&b'\n'),
            "{kind:?} has two lines: {shown}"
        );
        assert!(is_object(document), "{kind:?} is no JSON object: {shown}");
        match kind {
            Kind::Wrapped | Kind::Enriched | Kind::Identified => self.passed += 1,
            Kind::Alert => {
                self.alerts += 1;
                check_alert(document);
            }
            _ => {}
        }
    }

    /// Holds what was counted against what was seen.
    pub fn check(&self, counted: &Statistics, want: Want) {
        let accounted = counted.passed + counted.suppressed + counted.rejected;
        assert_eq!(counted.records, accounted, "records are lost: {counted:?}");
        assert_eq!(
            counted.records, self.given,
            "records are not counted: {counted:?}"
        );
        if want.records && want.enriched && !want.held_back {
            assert_eq!(
                counted.passed, self.passed,
                "records are not written: {counted:?}"
            );
        }
    }
}

/// An alert accounts for the events of its flood.
fn check_alert(document: &[u8]) {
    let alert: Value = serde_json::from_slice(document)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(document)));
    let flood = &alert["maxconn"]["flood"];
    let number = |key: &str| {
        flood[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no {key}: {alert}"))
    };
    let (count, passed, suppressed) = (number("count"), number("passed"), number("suppressed"));
    // What the server counted itself has no records.
    let unlogged = flood["unlogged"].as_u64().unwrap_or(0);
    assert_eq!(count, passed + suppressed + unlogged, "{alert}");
    assert!(count > 0, "{alert}");
    assert!(
        alert["event"]["start"].as_str() <= alert["event"]["end"].as_str(),
        "{alert}"
    );
}
