//! Which part of the output is written.

use clap::ValueEnum;
use maxconn_host::{Kind, Want};

/// A part of what comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Selection {
    /// All that a pipeline would get.
    #[default]
    #[value(skip)]
    All,
    /// Alerts.
    Alerts,
    /// Records that carry an event, enriched.
    Events,
    /// Both of them, and what `statistics_every` brings.
    Changed,
    /// Nothing.
    #[value(skip)]
    Nothing,
}

impl Selection {
    /// Whether output of this kind is a part of it.
    pub fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Passed | Kind::Wrapped => self == Selection::All,
            Kind::Statistics => matches!(self, Selection::All | Selection::Changed),
            Kind::Enriched | Kind::Identified => {
                !matches!(self, Selection::Alerts | Selection::Nothing)
            }
            Kind::Alert => !matches!(self, Selection::Events | Selection::Nothing),
            Kind::View => false,
        }
    }

    /// What a guest is to write for it.
    pub fn want(self) -> Want {
        Want {
            records: self.has(Kind::Passed),
            enriched: self.has(Kind::Enriched),
            alerts: self.has(Kind::Alert),
            ..Want::default()
        }
    }
}
