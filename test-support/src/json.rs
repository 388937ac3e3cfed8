//! JSON as careful encoders write it, within JSON within JSON; and all texts that a document has.

use serde_json::{Value, json};

/// A JSON string in which all but letters, digits and spaces is escaped, and `q`, which tests mark names by.
pub fn careful(text: &str) -> String {
    let mut json = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b' ' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'p' | b'r'..=b'z')) => {
                json.push(char::from(byte));
            }
            _ => json += &format!("\\u{unit:04X}"),
        }
    }
    json + "\""
}

/// A text in JSON in JSON …; for each level whether its encoder is careful.
pub fn wrapped(text: &str, levels: &[bool]) -> String {
    levels.iter().fold(text.to_string(), |text, is_careful| {
        let json = if *is_careful {
            careful(&text)
        } else {
            json!(text).to_string()
        };
        format!("{{\"user\": {json}}}")
    })
}

/// Every text in a document, keys and arrays of bytes too.
pub fn texts(document: &Value, found: &mut Vec<String>) {
    match document {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => {
            let byte = |value: &Value| u8::try_from(value.as_u64()?).ok();
            if let Some(bytes) = values.iter().map(byte).collect::<Option<Vec<u8>>>() {
                found.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            values.iter().for_each(|value| texts(value, found));
        }
        Value::Object(members) => {
            for (key, value) in members {
                found.push(key.clone());
                texts(value, found);
            }
        }
        _ => {}
    }
}
