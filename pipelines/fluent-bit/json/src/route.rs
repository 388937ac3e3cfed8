//! Takes out of a record what only documents of ours may have.

use maxconn_records::json::string::decode;

use crate::string_len;

/// The key by whose value events, alerts and statistics are routed. Nothing else that goes back has it.
pub const ROUTE: &str = "maxconn_route";

/// Takes the members of that name out of the object that `out` ends with, from `start` on; those of objects within it stay.
/// `None`, and the object is no object any more, if it was none.
pub(super) fn strip(out: &mut Vec<u8>, start: usize) -> Option<()> {
    // Up to `kept` it is done; what is kept moves up to there.
    let mut kept = start.checked_add(1)?;
    let (mut at, mut member) = (kept, kept);
    let (mut depth, mut is_key, mut is_ours) = (1_usize, true, false);
    while depth > 0 {
        let byte = *out.get(at)?;
        let is_own = depth == 1;
        match byte {
            b'"' => {
                let text = out.get(at + 1..)?;
                let len = string_len(text);
                if is_own && is_key {
                    is_ours = decode(text.get(..len)?) == ROUTE;
                    is_key = false;
                }
                at += len + 1;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (is_own && byte == b',') {
            if !is_ours && member < at {
                if kept > start + 1 {
                    *out.get_mut(kept)? = b',';
                    kept += 1;
                }
                out.copy_within(member..at, kept);
                kept += at - member;
            }
            (member, is_key, is_ours) = (at + 1, true, false);
        }
        at += 1;
    }
    let end = at - 1;
    out.drain(kept..end);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    fn stripped(object: &str) -> Option<String> {
        let mut out = format!("kept{object}").into_bytes();
        strip(&mut out, 4)?;
        let text = String::from_utf8(out).expect("it is text still");
        text.strip_prefix("kept").map(String::from)
    }

    #[test]
    fn takes_only_what_is_at_the_top() {
        for (object, left) in [
            (r#"{}"#, r#"{}"#),
            (r#"{"maxconn_route":"alert"}"#, r#"{}"#),
            (
                r#"{"maxconn_route":1,"maxconn_route":{"a":[1,2]},"maxconn_route":"}"}"#,
                r#"{}"#,
            ),
            (
                r#"{"a":1,"maxconn_route":[{}],"b":{"maxconn_route":1}}"#,
                r#"{"a":1,"b":{"maxconn_route":1}}"#,
            ),
            (r#"{ "maxconn_route" : 1 , "a" : 2 } "#, r#"{ "a" : 2 } "#),
            (
                r#"{"maxconn\u005froute":1,"a":"\",\"maxconn_route\":"}"#,
                r#"{"a":"\",\"maxconn_route\":"}"#,
            ),
            (r#"{"maxconn_routes":1}"#, r#"{"maxconn_routes":1}"#),
        ] {
            assert_eq!(stripped(object).as_deref(), Some(left), "{object}");
        }
        for broken in ["{", r#"{"a"#, r#"{"a":[}"#] {
            assert_eq!(stripped(broken), None, "{broken}");
        }
    }

    /// Objects in which the key comes in all places.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a:,\"{}\\\\ ]{0,6}|\"?,?\"?maxconn_route\"?:?".prop_map(Value::from),
        ];
        let key = "[ab\"\\\\]{0,2}|maxconn_route";
        leaf.prop_recursive(3, 20, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_else_is_changed(members in prop::collection::vec(("[ab\"]{1,2}|maxconn_route", value()), 0..5)) {
            let text = |members: &mut dyn Iterator<Item = &(String, Value)>| {
                let members: Vec<String> = members
                    .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
                    .collect();
                format!("{{{}}}", members.join(","))
            };
            let object = text(&mut members.iter());
            let left = text(&mut members.iter().filter(|(key, _)| key != ROUTE));
            prop_assert_eq!(stripped(&object), Some(left.clone()));
            let has_it = |text: &str| serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|it| it.contains_key(ROUTE));
            prop_assert!(!has_it(&left));
            // The cheap check lets none of them by.
            prop_assert!(!has_it(&object) || !crate::may_go_back(object.as_bytes(), crate::first_quote));
            let mut mended = Vec::new();
            prop_assert!(crate::mend(object.as_bytes(), &mut mended));
            prop_assert_eq!(String::from_utf8(mended).ok(), Some(left));
        }
    }
}
