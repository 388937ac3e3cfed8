//! Every target with as many inputs of the random driver as a test may take.

use maxconn_fuzz::driver::{Inputs, run};
use maxconn_fuzz::targets::TARGETS;

const SEED: u64 = 1;

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("every test is named after a target");
    let inputs = Inputs::new(target, SEED);
    if let Err(failure) = run(target, &inputs, 0..target.runs) {
        let file = std::env::temp_dir().join(format!("maxconn-fuzz-{name}.input"));
        let kept = std::fs::write(&file, &failure.input);
        panic!(
            "{name}: {}: input {} does not hold ({kept:?}); run it again by\n  cargo run --release -p maxconn-fuzz -- {name} {}",
            target.promise,
            failure.number,
            file.display()
        );
    }
}

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn no_target_is_left_out() {
            let named = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|target| target.name), named);
        }
    };
}

tests!(
    json, head, forging, redaction, engine, restore, keyed, guest, linear, config, body, http,
    records, state, bake, plugin
);
