//! Every guest with a case's configuration baked into it runs that case, given none.

use host_test::drivers::{DRIVERS, excludes, exclusions};
use host_test::wasm::Runtime;
use host_test::{Error, case, guest};
use maxconn_host::bake::bake;

#[test]
fn baked_guests_run_the_cases_of_their_configuration() -> Result<(), Error> {
    let cases = case::all()?;
    let exclusions = exclusions(&cases)?;
    let mut runs = 0;
    for driver in &DRIVERS {
        let module = guest(driver.guest)?;
        for case in &cases {
            let is_excluded = excludes(&exclusions, driver, case);
            let (Some(config), false) = (&case.config, is_excluded) else {
                continue;
            };
            let mut wasm = module.clone();
            bake(&mut wasm, config.as_bytes())?;
            let mut case = case.clone();
            case.is_baked = true;
            // The interpreter: a module of its own for every case would have to be compiled.
            (driver.check)(&case, &wasm, Runtime::Wasmi)
                .map_err(|error| format!("{}, {}: {error}", driver.name, case.name))?;
            runs += 1;
        }
    }
    let is_whole = runs >= 20 * DRIVERS.len();
    assert!(
        is_whole,
        "{runs} runs: cases with a configuration are missing"
    );
    Ok(())
}
