//! Reads JSON as a tree, for what is read once: configurations and descriptions of sources.
//!
//! Small rather than fast. Numbers stay text, for nothing that we read has fractions, and code that
//! reads floats is larger than all the rest here.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::scan::{JsonType, Malformed, Scanner};
use super::string::decode;

/// A value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A string, decoded.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Value<'a>>),
    /// An object's members in their order.
    Table(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The value that `json` is.
    ///
    /// # Errors
    /// It is not JSON, or nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[inline(never)]
    pub fn parse(json: &'a [u8]) -> Result<Value<'a>, Malformed> {
        if let Err(error) = core::str::from_utf8(json) {
            let at = error.valid_up_to();
            return Err(Malformed { at });
        }
        let mut scanner = Scanner::new(json);
        let value = read(&mut scanner)?;
        scanner.end()?;
        Ok(value)
    }

    /// The value of a member; of several of that name the last.
    pub fn member<'v>(
        members: &'v [(Cow<'a, str>, Value<'a>)],
        key: &str,
    ) -> Option<&'v Value<'a>> {
        let (_, value) = members.iter().rfind(|(name, _)| name == key)?;
        Some(value)
    }

    /// A number without sign, fraction and exponent.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// A number without fraction and exponent.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Number(digits) => match digits.strip_prefix('-') {
                Some(digits) => 0_i64.checked_sub_unsigned(digits.parse().ok()?),
                None => i64::try_from(digits.parse::<u64>().ok()?).ok(),
            },
            _ => None,
        }
    }
}

/// The depth is bounded by the scanner, and a level costs little stack.
fn read<'a>(scanner: &mut Scanner<'a>) -> Result<Value<'a>, Malformed> {
    match scanner.kind()? {
        JsonType::Object => {
            let mut state = scanner.begin_object()?;
            let mut members = Vec::new();
            while let Some(key) = scanner.next_key(&mut state)? {
                let key = match key {
                    Cow::Borrowed(raw) => decode(raw),
                    Cow::Owned(decoded) => Cow::Owned(decode(&decoded).into_owned()),
                };
                members.push((key, read(scanner)?));
            }
            Ok(Value::Table(members))
        }
        JsonType::Array => {
            let mut state = scanner.begin_array()?;
            let mut list = Vec::new();
            while scanner.next_element(&mut state)? {
                list.push(read(scanner)?);
            }
            Ok(Value::List(list))
        }
        JsonType::String => Ok(Value::Text(decode(scanner.string()?.0))),
        JsonType::Number | JsonType::Literal => {
            let range = scanner.skip_value()?;
            let text = core::str::from_utf8(scanner.text(range)).unwrap_or_default();
            Ok(match text {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                number => Value::Number(number),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn theirs(value: &Value<'_>) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => serde_json::from_str(number).unwrap(),
            Value::Text(text) => text.as_ref().into(),
            Value::List(list) => list.iter().map(theirs).collect(),
            Value::Table(members) => members
                .iter()
                .map(|(key, value)| (alloc::string::String::from(key.as_ref()), theirs(value)))
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads(parts in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\"a\""), Just("\"b\\n\""),
            Just("{\"a\":"), Just("1"), Just("-2"), Just("1.5"), Just("true"), Just("null"), Just(" "), Just("\u{e9}"),
        ], 0..12)) {
            let text = parts.concat();
            for text in [text.clone(), alloc::format!("[{text}]"), alloc::format!("{{\"k\":{text}}}")] {
                let ours = Value::parse(text.as_bytes()).ok();
                let wanted = serde_json::from_str::<serde_json::Value>(&text).ok();
                prop_assert_eq!(ours.as_ref().map(theirs), wanted, "{}", text);
            }
        }
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let Ok(Value::Table(members)) = Value::parse(br#"{"a":1,"a":2}"#) else {
            panic!("it is an object");
        };
        let found = Value::member(&members, "a");
        assert_eq!(found.and_then(Value::as_u64), Some(2));
        assert_eq!(Value::Number("-3").as_u64(), None);
        assert_eq!(Value::Number("-3").as_i64(), Some(-3));
        assert!(Value::parse(b"\"\xff\"").is_err());
        assert!(Value::parse(&[b'['; 60_000]).is_err());
    }
}
