//! How much memory a guest takes under attack: first more floods at once than it may remember, then ten
//! million events, each of another user from another address.

use std::hint::black_box;

use maxconn_host::{Instance, Limits};
use test_support::refusal;

use crate::Error;
use crate::report::{Row, Target};

/// Keys that come once.
const KEYS: u64 = 10_000_000;

/// Floods that are open at once before them: more than either configuration remembers.
const FLOODS: u64 = 2_500;

/// The events of each: enough to open it.
const EVENTS_PER_FLOOD: u64 = 31;

/// When the guest's memory must have stopped growing.
const SETTLED_AFTER: u64 = KEYS / 10;

/// Lines pushed at once.
const BATCH_LINES: u64 = 1_000;

/// Attacks the built-in guest with its default limits and with small ones.
pub fn measure() -> Result<Vec<Row>, Error> {
    let small = r#"{"max_keys":2000,"max_floods":256}"#;
    let mut rows = attack("default limits", "{}", 4.0)?;
    let limits = "`max_keys = 2_000`, `max_floods = 256`";
    rows.extend(attack(limits, small, 2.0)?);
    Ok(rows)
}

fn attack(name: &str, config: &str, at_most_mib: f64) -> Result<Vec<Row>, Error> {
    let mut instance = maxconn::builtin::plugin(Limits::default())?.instantiate()?;
    instance.configure(config.as_bytes(), |_, _| {})?;
    let mut lines = String::new();
    for _ in 0..EVENTS_PER_FLOOD {
        for flood in 0..FLOODS {
            lines += &refused(0, KEYS + flood);
            if flood % BATCH_LINES == BATCH_LINES - 1 || flood == FLOODS - 1 {
                push(&mut instance, &mut lines)?;
            }
        }
    }
    let mut settled = 0.0;
    for key in 0..KEYS {
        // So fast that the floods stay open throughout, and hold what memory they may.
        lines += &refused(1 + key / 100_000, key);
        if key % BATCH_LINES == BATCH_LINES - 1 {
            push(&mut instance, &mut lines)?;
        }
        if key == SETTLED_AFTER {
            settled = mebibytes(&instance);
        }
    }
    let all = mebibytes(&instance);
    check(&mut instance)?;
    let (memory, growth) = (
        "guest memory, 10 M keys",
        "growth over the last 9 M of them",
    );
    Ok(Row::all([
        (
            &format!("{memory}, {name}"),
            all,
            " MiB",
            Target::AtMost(at_most_mib),
        ),
        (
            &format!("{growth}, {name}"),
            all - settled,
            " MiB",
            Target::Exactly(0.0),
        ),
    ]))
}

/// Pushes the lines and forgets them; the output is read and dropped, as a host would hand it on.
fn push(instance: &mut Instance, lines: &mut String) -> Result<(), Error> {
    instance.push(lines.as_bytes(), None, |_, bytes| {
        black_box(bytes);
    })?;
    lines.clear();
    Ok(())
}

/// Fails unless the guest recognised every line of the attack.
fn check(instance: &mut Instance) -> Result<(), Error> {
    let mut document = Vec::new();
    instance.statistics(|_, bytes| document.extend_from_slice(bytes))?;
    let statistics: serde_json::Value = serde_json::from_slice(&document)?;
    let path = "/maxconn/statistics/events/mail_max_userip_connections";
    let events = statistics.pointer(path).and_then(serde_json::Value::as_u64);
    if events == Some(KEYS + FLOODS * EVENTS_PER_FLOOD) {
        return Ok(());
    }
    Err(format!("the guest recognised {events:?} events of the attack").into())
}

fn mebibytes(instance: &Instance) -> f64 {
    instance.memory_bytes() as f64 / f64::from(1 << 20)
}

/// One refusal, `second` seconds into the day: each key has a user and an address of its own.
fn refused(second: u64, key: u64) -> String {
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let time = format!("2026-01-05T{hour:02}:{minute:02}:{second:02}.000Z");
    let ip = format!("2001:db8::{:x}:{:x}", key >> 16, key & 0xffff);
    refusal::line(&time, &format!("u{key:x}@example.org"), &ip)
}
