//! Writes the page: one file that needs no network, whose policy lets nothing run but what is written here.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::view;

/// The page of a report's JSON.
pub fn page(json: &str) -> String {
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; \
         base-uri 'none'; form-action 'none'\">",
        digest(view::SCRIPT),
        digest(view::STYLE)
    );
    let parts = [
        ("<!--CSP-->", policy),
        ("<!--STYLE-->", format!("<style>{}</style>", view::STYLE)),
        (
            "<!--DATA-->",
            format!(
                "<script type=\"application/json\" id=\"report\">{}</script>",
                inert(json)
            ),
        ),
        (
            "<!--SCRIPT-->",
            format!("<script>{}</script>", view::SCRIPT),
        ),
    ];
    // Each marker is looked for in the template alone, never in what was put in before.
    let mut page = String::with_capacity(view::PAGE.len() + view::SCRIPT.len() + json.len() * 2);
    let mut rest = view::PAGE;
    while let Some((at, marker, part)) = parts
        .iter()
        .filter_map(|(marker, part)| Some((rest.find(marker)?, marker, part)))
        .min_by_key(|(at, ..)| *at)
    {
        page.push_str(rest.get(..at).unwrap_or_default());
        page.push_str(part);
        rest = rest.get(at + marker.len()..).unwrap_or_default();
    }
    page.push_str(rest);
    page
}

/// What a policy calls a part of the page.
fn digest(part: &str) -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(part.as_bytes())))
}

/// JSON that says the same and that no reader of HTML or scripts takes for anything else.
fn inert(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 8);
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "</script><!--SCRIPT--><img src=x onerror=alert(1)>&amp;\u{2028}\u{2029}\"'`$(x)";

    #[test]
    fn no_name_gets_out_of_the_data() {
        let json = serde_json::json!({"name": HOSTILE}).to_string();
        let page = page(&json);
        let plain = super::page("{}");
        // As many tags and comments as without it.
        for tag in ["<script", "</script", "<!--", "<img", "onerror=alert"] {
            let count = |text: &str| text.matches(tag).count();
            let more = usize::from(tag == "onerror=alert");
            assert_eq!(count(&page), count(&plain) + more, "{tag}");
        }
        let (_, data) = page.split_once("id=\"report\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        assert!(!data.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
        let read: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(read["name"], HOSTILE);
    }

    #[test]
    fn the_policy_names_exactly_what_is_there() {
        let page = page("{}");
        let (_, style) = page.split_once("<style>").unwrap();
        let (style, _) = style.split_once("</style>").unwrap();
        let (_, script) = page.rsplit_once("<script>").unwrap();
        let (script, _) = script.split_once("</script>").unwrap();
        for part in [style, script] {
            assert!(page.contains(&format!("'{}'", digest(part))));
        }
        for marker in ["<!--CSP-->", "<!--STYLE-->", "<!--DATA-->", "<!--SCRIPT-->"] {
            assert!(!page.contains(marker), "{marker}");
        }
        assert!(!page.contains("unsafe-"));
        // Nothing is fetched.
        for word in ["src=\"http", "href=\"http", "@import", "url(http"] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
