//! Reads the answers of `_bulk`.

use serde::Deserialize;

use crate::output::trouble::Reason;

/// As much of a reason is kept, in characters.
const REASON_MAX: usize = 500;

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there now.
    Taken,
    /// One with its id was there before.
    There,
    /// It may be taken later; why not now.
    Later(Reason),
    /// It never will be; why.
    Refused(Reason),
}

#[derive(Deserialize)]
struct Bulk {
    #[serde(default)]
    errors: Option<bool>,
    #[serde(default)]
    items: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    error: Option<Problem>,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
}

/// The fates of `count` documents; `None` if this is no answer of `_bulk`.
pub fn fates(answer: &[u8], count: usize) -> Option<Vec<Fate>> {
    let bulk: Bulk = serde_json::from_slice(answer).ok()?;
    if bulk.errors? {
        (bulk.items.len() == count).then(|| bulk.items.into_iter().map(fate).collect())
    } else {
        Some(vec![Fate::Taken; count])
    }
}

fn fate(outcome: Outcome) -> Fate {
    let Created { status, error } = outcome.create;
    let Problem { kind, reason } = error.unwrap_or_default();
    let words = reason.unwrap_or_default();
    let words = words.chars().filter(|it| !it.is_control());
    let reason = Reason {
        status,
        kind,
        words: words.take(REASON_MAX).collect(),
    };
    match status {
        200..=299 => Fate::Taken,
        409 => Fate::There,
        400 | 422 => Fate::Refused(reason),
        _ => Fate::Later(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_has_its_own_fate() {
        let answer = br#"{"errors":true,"items":[
            {"create":{"status":201}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad\nip"}}},
            {"create":{"status":429,"error":{"type":"rejected","reason":null}}},
            {"create":{"status":403}},
            {"create":{"status":503}}]}"#;
        let told = fates(answer, 6)
            .unwrap()
            .into_iter()
            .map(|fate| match fate {
                Fate::Taken | Fate::There => format!("{fate:?}"),
                Fate::Refused(reason) => format!("refused: {reason}"),
                Fate::Later(reason) => format!("later: {reason}"),
            });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "Taken",
                "There",
                "refused: 400 document_parsing_exception: badip",
                "later: 429 rejected: ",
                "later: 403 : ",
                "later: 503 : ",
            ]
        );
        assert_eq!(fates(answer, 5), None);
        assert_eq!(fates(br#"{"errors":false}"#, 2), Some(vec![Fate::Taken; 2]));
        for foreign in [&b"{}"[..], b"", b"<html>", b"[]"] {
            assert_eq!(fates(foreign, 0), None);
        }
    }
}
