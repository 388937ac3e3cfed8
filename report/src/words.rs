//! Numbers, sizes and spans of time as people write them.

/// `1 flood`, `9,316,085 floods`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `9316085` as `9,316,085`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `3 s`, `1 min 15 s`, `2 d 4 h`.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A short span: `10 min`, `90 s`, `2 h`.
pub fn pause(seconds: u64) -> String {
    match seconds {
        _ if seconds > 0 && seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ if seconds > 0 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// `1.3 GB`, by powers of 1,000.
pub fn bytes(bytes: f64) -> String {
    let mut size = bytes.max(0.0);
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if size < 999.5 {
            break;
        }
        size /= 1_000.0;
        unit = next;
    }
    match unit {
        "B" => format!("{size:.0} B"),
        _ if size >= 99.95 => format!("{size:.0} {unit}"),
        _ => format!("{size:.1} {unit}"),
    }
}

/// How often a second, as exactly as that says something: `50.0`, `0.02`.
pub fn rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1_000.0 => grouped(rate.round() as u64),
        rate if rate >= 0.1 || rate == 0.0 => format!("{rate:.1}"),
        rate if rate >= 0.001 => format!("{rate:.3}"),
        _ => "less than 0.001".to_string(),
    }
}

/// The first sentence of a text.
pub fn first_sentence(text: &str) -> &str {
    text.find(". ")
        .and_then(|end| text.get(..=end))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_as_people_write_them() {
        let told = [0, 999, 1_000, 9_316_085].map(grouped);
        assert_eq!(told, ["0", "999", "1,000", "9,316,085"]);
        let told = [3, 75, 3_700, 187_200].map(span);
        assert_eq!(told, ["3 s", "1 min 15 s", "1 h 1 min", "2 d 4 h"]);
        let told = [60, 600, 7_200, 90].map(pause);
        assert_eq!(told, ["1 min", "10 min", "2 h", "90 s"]);
        let told = [0.0, 999.0, 1_300_000_000.0, 803_520_000.0, 999_999.0].map(bytes);
        assert_eq!(told, ["0 B", "999 B", "1.3 GB", "804 MB", "1.0 MB"]);
        let told = [50.0, 0.0, 0.02, 0.000_1, 12_345.6].map(rate);
        assert_eq!(told, ["50.0", "0.0", "0.020", "less than 0.001", "12,346"]);
        assert_eq!(first_sentence("A b. C."), "A b.");
        assert_eq!(first_sentence("A b"), "A b");
    }
}
