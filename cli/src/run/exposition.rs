//! The two text formats of `/metrics`: OpenMetrics 1.0, and Prometheus's own (0.0.4) for whoever does not ask for it.
//!
//! They differ in what they call a counter's family, in units, which the older one has none of, and in its end.

/// What OpenMetrics is asked for by, and called.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The same for Prometheus's own.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a client takes OpenMetrics, by its `Accept`.
pub fn takes_openmetrics(accept: &str) -> bool {
    let kinds = accept.split(',').map(|kind| kind.split(';').next());
    kinds
        .flatten()
        .any(|kind| kind.trim() == "application/openmetrics-text")
}

/// OpenMetrics as Prometheus's own format.
pub fn to_prometheus(openmetrics: &str) -> String {
    let counters: Vec<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let mut words = line.splitn(4, ' ');
        let described = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(text)) if counters.contains(&name) => {
                format!("# {what} {name}_total {text}")
            }
            _ => line.to_string(),
        };
        out.push_str(&described);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_says_the_same() {
        let openmetrics = "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total 7\n\
                           # HELP b On or off.\n# TYPE b gauge\nb 1\n# EOF\n";
        assert_eq!(
            to_prometheus(openmetrics),
            "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\na_bytes_total 7\n\
             # HELP b On or off.\n# TYPE b gauge\nb 1\n"
        );
    }

    #[test]
    fn a_client_gets_what_it_asks_for() {
        for (accept, takes) in [
            (
                "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
                true,
            ),
            (
                "text/plain;version=0.0.4;q=0.5, application/openmetrics-text; version=0.0.1",
                true,
            ),
            ("text/plain", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(takes_openmetrics(accept), takes, "{accept}");
        }
    }
}
