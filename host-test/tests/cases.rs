//! Every case through every driver, as `cargo test` sees it.

use host_test::run::{self, Guests};
use host_test::{Error, case};

#[test]
fn every_case_says_the_same_through_every_driver() -> Result<(), Error> {
    let cases = case::all()?;
    let guests = Guests::build(&cases)?;
    assert!(cases.len() >= 40, "cases are missing");
    let difference = |case: &case::Case| {
        let error = run::case(case, &guests).err()?;
        Some(format!("{}: {error}", case.name))
    };
    let differences: Vec<String> = cases.iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}
