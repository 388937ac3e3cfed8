//! The units for systemd that users copy.

use std::fs;

use crate::printed;

#[test]
fn every_unit_waits_for_the_clock_and_leaves_no_dump_of_its_memory() {
    let root = printed::root();
    let pipelines = fs::read_dir(root.join("pipelines")).unwrap().flatten();
    let folders = pipelines
        .map(|it| it.path())
        .chain([root.join("cli/systemd")]);
    let files = folders
        .filter_map(|it| fs::read_dir(it).ok())
        .flatten()
        .flatten()
        .map(|it| it.path());
    let units: Vec<_> = files
        .filter(|it| it.extension().is_some_and(|it| it == "service"))
        .collect();
    assert!(units.len() >= 2, "{units:?}");
    for unit in units {
        let text = fs::read_to_string(&unit).unwrap();
        let of = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap_or_default()
        };
        for key in ["After=", "Wants="] {
            assert!(
                of(key).split(' ').any(|it| it == "time-sync.target"),
                "{key} in {}",
                unit.display()
            );
        }
        assert_eq!(of("LimitCORE="), "0", "{}", unit.display());
        assert_eq!(of("UMask="), "0077", "{}", unit.display());
    }
}
