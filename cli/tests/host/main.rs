//! The host against guests: the built-in one, and in `plugins` ones that lack, hang, trap, grow or lie.

use maxconn_host::{HostError, Instance, Kind, Limits, Source, Verdict, Want};
use test_support::data::rows;
use test_support::refusal::{each_second, message};

mod plugins;

/// 2026-01-05: what the years of the lines below are told by.
const REFERENCE_MS: i64 = 1_767_571_200_000;

fn builtin() -> Instance {
    let plugin = maxconn::builtin::plugin(Limits::default()).unwrap();
    let mut instance = plugin.instantiate().unwrap();
    instance.source(0, &source()).unwrap();
    instance
}

fn source() -> Source {
    Source {
        reference_time_ms: Some(REFERENCE_MS),
        clock_time_ms: None,
        ..Source::default()
    }
}

fn gathered(all: &mut Vec<(Kind, String)>) -> impl FnMut(Kind, &[u8]) + '_ {
    |kind, bytes| all.push((kind, String::from_utf8(bytes.to_vec()).unwrap()))
}

fn push(instance: &mut Instance, lines: &str, all: &mut Vec<(Kind, String)>) {
    let pushed = instance.push(lines.as_bytes(), None, gathered(all));
    pushed.unwrap();
}

#[test]
fn whatever_the_length_of_a_record_it_is_answered() {
    let text = |start: &str, fill: &str, bytes: usize| {
        let mut line = format!("Jan  5 00:00:00 {start}");
        line.extend(std::iter::repeat_n(fill, bytes / fill.len()));
        line.into_bytes()
    };
    // A user's name goes into four places of a record, and into more where it is redacted.
    let user = message("alice", "192.0.2.7").replace(": user=<alice>", "") + ", user=<";
    let dots = format!("{user}.> ");
    let whole = 8 * 1024 * 1024 - 1024;
    let mut all: Vec<Vec<u8>> = Vec::new();
    for bytes in [200_000, 260_000, 1 << 20, whole] {
        for fill in ["x", "\x01", ". ", "\n", "{}\n", "\\u0001", "1,"] {
            all.push(text("nothing ", fill, bytes));
            all.push(text(&user, fill, bytes));
            all.push(text(&dots, fill, bytes));
            let json = [&b"{\"message\":\""[..], &text(&user, fill, bytes), b">\"}"].concat();
            all.push(json);
        }
        let mut invalid = text(&user, "x", bytes);
        invalid.iter_mut().skip(300).for_each(|byte| *byte = 0xff);
        all.push(invalid);
        let array = text(&user, "\x01", bytes / 4);
        let array: Vec<String> = array.iter().map(u8::to_string).collect();
        all.push(format!("{{\"MESSAGE\":[{}]}}", array.join(",")).into_bytes());
    }
    for config in ["{}", "{\"redact_key\":\"0123456789abcdef\"}"] {
        let mut instance = builtin();
        instance.configure(config.as_bytes(), |_, _| {}).unwrap();
        let want = Want {
            records: true,
            enriched: true,
            alerts: true,
            views: true,
            held_back: true,
            ids: true,
        };
        instance.want(want).unwrap();
        for (number, record) in all.iter().enumerate() {
            let record = &record[..record.len().min(whole)];
            let told = |error: HostError| panic!("{number} of {config}: {error}");
            instance.push(record, None, |_, _| {}).unwrap_or_else(told);
            let one = record.split(|byte| *byte == b'\n').next().unwrap();
            instance
                .push_record(one, None, b"", |_, _| {})
                .map_or_else(told, |_| ());
            let mut times = Vec::new();
            let asked = &record[..record.len().min(200_000)];
            instance.line_times(asked, &mut times).unwrap_or_else(told);
        }
        let memory = instance.memory_bytes();
        assert!(memory <= 48 << 20, "{memory} bytes with {config}");
        // It goes on as if nothing had happened.
        let mut out = Vec::new();
        push(&mut instance, &each_second(0..50), &mut out);
        assert!(out.iter().any(|(kind, _)| *kind == Kind::Alert));
    }
}

#[test]
fn batches_and_single_records_give_the_same() {
    let (mut batch, mut single) = (Vec::new(), Vec::new());
    let mut instance = builtin();
    push(&mut instance, &each_second(0..50), &mut batch);
    instance.finish(None, gathered(&mut batch)).unwrap();

    let mut instance = builtin();
    let mut suppressed = 0;
    for record in each_second(0..50).lines() {
        let verdict = instance.push_record(record.as_bytes(), None, b"", gathered(&mut single));
        suppressed += u32::from(verdict.unwrap() == Verdict::Suppressed);
    }
    instance.finish(None, gathered(&mut single)).unwrap();
    assert_eq!(batch, single);
    assert_eq!(suppressed, 21);
    let is_enriched = |it: &&(Kind, String)| it.0 == Kind::Enriched;
    assert_eq!(batch.iter().filter(is_enriched).count(), 29);
}

#[test]
fn a_snapshot_goes_on_as_if_nothing_had_happened() {
    let (mut whole, mut halves) = (Vec::new(), Vec::new());
    let mut instance = builtin();
    push(&mut instance, &each_second(0..90), &mut whole);
    instance.finish(None, gathered(&mut whole)).unwrap();

    let mut first = builtin();
    push(&mut first, &each_second(0..45), &mut halves);
    let snapshot = first.snapshot().unwrap();
    let mut second = builtin();
    second.restore(&snapshot, gathered(&mut halves)).unwrap();
    push(&mut second, &each_second(45..90), &mut halves);
    second.finish(None, gathered(&mut halves)).unwrap();
    assert_eq!(whole, halves);

    let mut damaged = snapshot;
    *damaged.last_mut().unwrap() ^= 1;
    for snapshot in [&damaged[..], b""] {
        let restored = second.restore(snapshot, |_, _| {});
        assert!(matches!(restored, Err(HostError::Refused { .. })));
    }
}

/// What comes out for fifty refusals, by kind; of which 21 are counted as held back, whatever is wanted.
fn kinds_of_a_flood(want: Want) -> Vec<Kind> {
    let mut instance = builtin();
    instance.want(want).unwrap();
    let (mut all, mut statistics) = (Vec::new(), Vec::new());
    push(&mut instance, &each_second(0..50), &mut all);
    instance.statistics(gathered(&mut statistics)).unwrap();
    let counted = &statistics[0].1;
    assert!(counted.contains(r#""suppressed":21"#), "{counted}");
    all.into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn what_is_not_wanted_is_not_written_and_yet_counted() {
    let kinds = kinds_of_a_flood(Want {
        records: false,
        enriched: false,
        alerts: false,
        views: true,
        held_back: false,
        ids: false,
    });
    assert_eq!(kinds, [Kind::View; 50]);
}

#[test]
fn records_whose_id_is_ours_are_told_apart_on_request() {
    let message = serde_json::Value::from(each_second(0..1).trim_end());
    let records = r#"
                                                         | Enriched
        ,"__CURSOR":"s=1"                                | Identified
        ,"event":{"kind":"x"},"__CURSOR":"s=1"           | Identified
        ,"event":{"id":"x"},"__CURSOR":"s=1"             | Enriched
        ,"event.id":"x","__CURSOR":"s=1"                 | Enriched
        ,"e\u0076ent":{"\u0069d":null},"__CURSOR":"s=1"  | Enriched
        ,"event":1,"__CURSOR":"s=1"                      | Enriched
        ,"event":{"id":"x"},"event":{},"__CURSOR":"s=1"  | Enriched"#;
    for ids in [true, false] {
        let mut instance = builtin();
        let want = Want {
            ids,
            ..Want::default()
        };
        instance.want(want).unwrap();
        for [more, kind] in rows(records) {
            let (record, mut all) = (format!("{{\"message\":{message}{more}}}\n"), Vec::new());
            push(&mut instance, &record, &mut all);
            let expected = if ids { kind } else { "Enriched" };
            assert_eq!(all.len(), 1, "{record}");
            assert_eq!(format!("{:?}", all[0].0), expected, "{record}");
        }
    }
}

#[test]
fn events_that_a_flood_holds_back_are_written_on_request_and_counted_as_before() {
    let kinds = kinds_of_a_flood(Want {
        held_back: true,
        ..Want::default()
    });
    let enriched = kinds.iter().filter(|kind| **kind == Kind::Enriched);
    assert_eq!(enriched.count(), 50);
}

#[test]
fn a_wrong_configuration_is_refused_and_changes_nothing() {
    let mut instance = builtin();
    let error = instance
        .configure(br#"{"rule":[{"name":"userip","quiet":"1s"}]}"#, |_, _| {})
        .unwrap_err();
    let HostError::Refused { path, mend, .. } = error else {
        panic!("{error}")
    };
    assert!(path.starts_with("rule[0]"), "{path}");
    assert!(!mend.is_empty());
    // Nested as deep as it goes: the guest's stack must hold.
    for depth in [100, 128, 100_000] {
        let configured = instance.configure("[".repeat(depth).as_bytes(), |_, _| {});
        assert!(matches!(configured, Err(HostError::Refused { .. })));
    }
    push(&mut instance, &each_second(0..50), &mut Vec::new());
}

#[test]
fn times_of_lines_are_told_without_taking_them() {
    let mut instance = builtin();
    instance.source(3, &source()).unwrap();
    let mut times = Vec::new();
    let lines = b"no time\nJan  5 00:00:01 h d: x\n2026-01-05T00:00:02Z h d: y\n";
    instance.line_times(lines, &mut times).unwrap();
    let [first, second] = [1_000, 2_000].map(|after_ms| Some(REFERENCE_MS + after_ms));
    assert_eq!(times, [None, first, second]);
    instance.select_source(0).unwrap();
    instance
        .select_source(4)
        .expect_err("a source that nobody described");
}

#[test]
fn input_that_is_too_large_is_refused() {
    let error = builtin()
        .push(&vec![b'x'; 9 << 20], None, |_, _| {})
        .unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
}
