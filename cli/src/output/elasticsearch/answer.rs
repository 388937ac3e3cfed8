//! Reads the answers of `_bulk`.

use serde::Deserialize;

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
    Later(String),
    /// It never will be; why.
    Refused(String),
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

#[derive(Deserialize)]
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
    let reason = || {
        let (kind, reason) = match &error {
            Some(problem) => (
                problem.kind.as_str(),
                problem.reason.as_deref().unwrap_or(""),
            ),
            None => ("", ""),
        };
        let words: String = reason
            .chars()
            .filter(|it| !it.is_control())
            .take(REASON_MAX)
            .collect();
        format!("{status} {kind}: {words}")
    };
    match status {
        200..=299 => Fate::Taken,
        409 => Fate::There,
        400 | 422 => Fate::Refused(reason()),
        _ => Fate::Later(reason()),
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
        assert_eq!(
            fates(answer, 6).unwrap(),
            [
                Fate::Taken,
                Fate::There,
                Fate::Refused("400 document_parsing_exception: badip".to_string()),
                Fate::Later("429 rejected: ".to_string()),
                Fate::Later("403 : ".to_string()),
                Fate::Later("503 : ".to_string()),
            ]
        );
        assert_eq!(fates(answer, 5), None);
        assert_eq!(fates(br#"{"errors":false}"#, 2), Some(vec![Fate::Taken; 2]));
        for foreign in [&b"{}"[..], b"", b"<html>", b"[]"] {
            assert_eq!(fates(foreign, 0), None);
        }
    }
}
