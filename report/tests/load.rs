//! Loads in the forms that programs write (testdata/load/), and what is said of those that cannot be read.

use maxconn_report::load::{Load, Source};
use maxconn_report::zone::Zone;
use test_support::data;

/// File, source, what the values are, whether they are means, how many series are left out; the points.
type Row = (
    &'static str,
    Source,
    &'static str,
    bool,
    usize,
    &'static [(i64, f64)],
);

const START: i64 = 1_798_761_600_000;

#[rustfmt::skip]
const READ: &[Row] = &[
    ("csv-plain.csv", Source::Csv, "load", false, 0, &[(START, 0.42), (START + 60_000, 0.57), (START + 180_000, 7.13)]),
    ("csv-grafana.csv", Source::Csv, "load 1m", false, 2, &[(START, 0.42), (START + 60_000, 0.57)]),
    ("csv-german.csv", Source::Csv, "Last", false, 0, &[(START, 0.42), (START + 60_000, 0.57)]),
    ("csv-blanks.txt", Source::Csv, "load", false, 2, &[(START, 0.42), (START + 60_000, 0.57)]),
    ("csv-epoch-ms.csv", Source::Csv, "load", false, 0, &[(START, 0.42), (START + 60_000, 0.57)]),
    ("csv-epoch.tsv", Source::Csv, "load", false, 0, &[(START, 0.42), (START + 60_000, 0.57)]),
    ("collectd-load.csv", Source::Collectd, "shortterm", false, 2, &[(1_795_966_482_992, 5.216_309)]),
    ("prometheus.json", Source::Prometheus, "node_load1 mail:9100", false, 1,
        &[(START, 0.42), (START + 60_000, 0.57), (START + 180_500, 7.13)]),
    ("munin-spool.txt", Source::Munin, "load", false, 0, &[(START, 0.42), (START + 300_000, 0.57), (START + 900_000, 7.13)]),
    ("munin-fetch.txt", Source::Munin, "load", true, 0, &[(START + 300_000, 1.5), (START + 600_000, 1.7)]),
    ("rrdtool-fetch.txt", Source::Rrdtool, "load1", true, 1,
        &[(START + 300_000, 0.5), (START + 600_000, 0.7), (START + 1_200_000, 4.2), (START + 1_500_000, 5.1)]),
    ("rrdtool-xport.json", Source::Rrdtool, "load1", true, 1,
        &[(START + 300_000, 0.5), (START + 600_000, 0.7), (START + 1_200_000, 4.2), (START + 1_500_000, 5.1)]),
    ("rrdtool-xport-showtime.json", Source::Rrdtool, "load", true, 0,
        &[(START + 300_000, 0.5), (START + 600_000, 0.7), (START + 1_200_000, 4.2), (START + 1_500_000, 5.1)]),
    ("sar-q.txt", Source::Sar, "load average over a minute", false, 0, &[(1_795_965_567_000, 3.12)]),
    ("sar-iso.txt", Source::Sar, "load average over a minute", false, 0, &[(1_795_965_567_000, 3.12)]),
    ("sar-12h.txt", Source::Sar, "load average over a minute", false, 0,
        &[(1_799_193_301_000, 0.42), (1_799_193_901_000, 7.13), (1_799_194_501_000, 7.2)]),
    ("sar-u.txt", Source::Sar, "CPU busy", true, 0, &[(1_795_965_567_000, 95.98)]),
    ("sadf-d.csv", Source::Sadf, "load average over a minute", false, 0, &[(1_795_965_567_000, 3.12)]),
    ("sadf-epoch.csv", Source::Sadf, "load average over a minute", false, 0, &[(1_795_965_567_000, 3.12)]),
    ("sadf-all.csv", Source::Sadf, "load average over a minute", false, 0, &[(1_795_965_567_000, 3.12)]),
    ("sadf-cpu.csv", Source::Sadf, "CPU busy", true, 0, &[(1_795_965_567_000, 95.98)]),
    ("sadf.json", Source::Sadf, "load average over a minute", false, 0, &[(1_795_965_567_000, 3.12)]),
];

#[test]
fn each_form_is_told_by_its_content() {
    for (file, source, name, is_mean, left_out, points) in READ {
        let load = Load::read(
            &data::read(&format!("testdata/load/{file}")),
            &Zone::default(),
        );
        let load = load.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(load.source, *source, "{file}");
        assert_eq!(load.name, *name, "{file}");
        assert_eq!(load.is_mean, *is_mean, "{file}");
        assert_eq!(load.left_out, *left_out, "{file}");
        assert!(load.points.len() >= points.len(), "{file}");
        for (found, expected) in load.points.iter().zip(*points) {
            assert_eq!(found.0, expected.0, "{file}");
            assert!((found.1 - expected.1).abs() < 1e-9, "{file}: {found:?}");
        }
        if points.len() > 1 && !file.starts_with("rrd") {
            assert_eq!(load.points.len(), points.len(), "{file}");
        }
    }
    // A new form needs its row.
    let files = std::fs::read_dir(data::path("testdata/load"))
        .unwrap()
        .count();
    assert_eq!(files, READ.len() + 2);
}

#[test]
fn times_without_a_zone_are_in_the_one_that_is_asked_for() {
    let zone = Zone::of_rule("CET-1CEST,M3.5.0,M10.5.0/3", None).unwrap();
    for (file, hours) in [
        ("csv-grafana.csv", 1),
        ("csv-plain.csv", 0),
        ("csv-epoch.tsv", 0),
    ] {
        let load = Load::read(&data::read(&format!("testdata/load/{file}")), &zone).unwrap();
        assert_eq!(load.points[0].0, START - hours * 3_600_000, "{file}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_place_and_mend() {
    let is_said = |content: &[u8], said: &str| {
        let error = Load::read(content, &Zone::default()).expect_err(said);
        assert!(error.to_string().starts_with(said), "{error}\n{said}");
    };
    let rows = include_str!("unreadable.json");
    let rows: Vec<(String, String)> = serde_json::from_str(rows).unwrap();
    for (content, said) in &rows {
        is_said(content.as_bytes(), said);
    }
    let answer = |name| data::read(&format!("testdata/load/prometheus-{name}.json"));
    let said =
        "Prometheus answered with an error: 1:7: parse error: unexpected \"{\"; mend the query";
    is_said(&answer("error"), said);
    let said = "it is the answer to a query of one moment; ask /api/v1/query_range with";
    is_said(&answer("instant"), said);
    let said = "line 2: it is no text in UTF-8; a binary file such as sa05";
    is_said(b"RRD\x000003\n\xff\xfe\0", said);
}

/// In one walk: what looked back at each line would never end.
#[test]
fn a_long_table_costs_what_its_lines_cost() {
    let lines: String = (0..300_000)
        .map(|second| format!("{},0.5\n", START / 1_000 + second))
        .collect();
    let load = Load::read(lines.as_bytes(), &Zone::default()).unwrap();
    assert_eq!((load.points.len(), load.step_ms()), (300_000, 1_000));
}
