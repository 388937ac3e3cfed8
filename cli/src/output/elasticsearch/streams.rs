//! Chooses the data stream of a document.

use maxconn_core::recognisers;
use maxconn_host::Kind;

/// The data streams.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Of events, alerts and statistics.
    pub ours: OurStreams,
    /// Of all other records; `None` if they are not written.
    pub records: Option<String>,
}

/// Where events, alerts and statistics go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OurStreams {
    /// All into this one.
    One(String),
    /// To each server's own: `logs-SERVER.maxconn-NAMESPACE`.
    OfServers {
        /// The last part of their names.
        namespace: String,
    },
}

/// What takes the place of a server where a document names none: statistics say that they are of this module.
const NO_SERVER: &str = "maxconn";

impl OurStreams {
    /// The data stream of a document, by what it is and its `event.module`. `patterns` are the names of the patterns of
    /// one's own.
    pub fn of(&self, kind: Kind, module: Option<&str>, patterns: &[String]) -> String {
        let namespace = match self {
            OurStreams::One(stream) => return stream.clone(),
            OurStreams::OfServers { namespace } => namespace,
        };
        // An alert is ours from end to end, and so are statistics. An event's module may be what its sender wrote there, who could have a store
        // make any number of streams: of those only names that we know count.
        let is_known = |module: &&str| {
            matches!(kind, Kind::Alert | Kind::Statistics)
                || recognisers::named(module).is_some()
                || patterns.iter().any(|name| name == module)
        };
        let module = module.filter(is_known).unwrap_or(NO_SERVER);
        format!("logs-{module}.maxconn-{namespace}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_a_stream_and_no_sender_can_make_another() {
        let streams = OurStreams::OfServers {
            namespace: "eu".to_string(),
        };
        let patterns = ["my-app".to_string()];
        for (kind, module, stream) in [
            (Kind::Enriched, Some("dovecot"), "logs-dovecot.maxconn-eu"),
            (Kind::Identified, Some("php-fpm"), "logs-php-fpm.maxconn-eu"),
            (Kind::Enriched, Some("my-app"), "logs-my-app.maxconn-eu"),
            // Of a configuration before.
            (Kind::Alert, Some("your-app"), "logs-your-app.maxconn-eu"),
            (Kind::Enriched, Some("your-app"), "logs-maxconn.maxconn-eu"),
            (Kind::Enriched, Some("../x"), "logs-maxconn.maxconn-eu"),
            (Kind::Enriched, None, "logs-maxconn.maxconn-eu"),
            (Kind::Statistics, Some("maxconn"), "logs-maxconn.maxconn-eu"),
            (Kind::Statistics, Some("dovecot"), "logs-dovecot.maxconn-eu"),
        ] {
            let found = streams.of(kind, module, &patterns);
            assert_eq!(found, stream, "{kind:?} {module:?}");
        }
        let one = OurStreams::One("one".to_string());
        assert_eq!(one.of(Kind::Alert, Some("nginx"), &[]), "one");
    }
}
