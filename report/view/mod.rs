//! The page of a report: its frame, its style and its script, which the writer puts into one file.
//!
//! The script is one classic script, so that a page opened from disk runs it, and its parts are read in this order: each uses
//! those before it. `render(report, root)` is what a page that makes its report itself calls.

/// The frame, with the places `<!--CSP-->`, `<!--STYLE-->`, `<!--DATA-->` and `<!--SCRIPT-->`.
pub const PAGE: &str = include_str!("index.html");

/// What goes into its `<style>`.
pub const STYLE: &str = concat!(
    include_str!("uplot-1.6.32/uPlot.min.css"),
    "\n",
    include_str!("view.css"),
);

/// What goes into its `<script>`.
pub const SCRIPT: &str = concat!(
    include_str!("uplot-1.6.32/uPlot.iife.min.js"),
    "\n",
    include_str!("text.js"),
    include_str!("chart.js"),
    include_str!("timeline.js"),
    include_str!("flood.js"),
    include_str!("view.js"),
);
