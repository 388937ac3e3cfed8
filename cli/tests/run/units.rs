//! The units for systemd that users copy.

use std::fs;

use test_support::data;

#[test]
fn every_unit_waits_for_the_clock_and_leaves_no_dump_of_its_memory() {
    let pipelines = fs::read_dir(data::path("pipelines")).unwrap().flatten();
    let folders = pipelines
        .map(|it| it.path())
        .chain([data::path("cli/systemd")]);
    let files = folders
        .filter_map(|it| fs::read_dir(it).ok())
        .flatten()
        .flatten();
    let mut units: Vec<_> = files.map(|it| it.path()).collect();
    units.retain(|it| it.extension().is_some_and(|it| it == "service"));
    assert!(units.len() >= 2, "{units:?}");
    for unit in units {
        let text = fs::read_to_string(&unit).unwrap();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let of = |key: &str| value(key).unwrap_or_default();
        for key in ["After=", "Wants="] {
            let waits = of(key).split(' ').any(|it| it == "time-sync.target");
            assert!(waits, "{key} in {}", unit.display());
        }
        let values = (of("LimitCORE="), of("UMask="));
        assert_eq!(values, ("0", "0077"), "{}", unit.display());
    }
}
