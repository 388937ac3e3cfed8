//! Every way that the plugin can be loaded, and the cases that one of them can't carry.

use std::fs;

use toml::{Table, Value};

use crate::case::{Case, testdata};
use crate::wasm::Runtime;
use crate::{Error, bento, embed, fluent_bit, keyed, redpanda, wasi};

/// A host, or the model of one, that holds what its guest says of a case against what the core says.
pub struct Driver {
    /// Its name, as exclusions have it.
    pub name: &'static str,
    /// The guest that it loads.
    pub guest: &'static str,
    /// How a line of the surface of every module with this guest's ABI begins, and of no other's.
    pub mark: &'static str,
    /// Runs a case through the module; an error is the first difference.
    pub check: fn(&Case, &[u8], Runtime) -> Result<(), Error>,
}

/// All of them. A guest without a driver is a guest without a test.
pub const DRIVERS: [Driver; 7] = [
    Driver {
        name: "bento",
        guest: "bento",
        mark: "import bento_wasm.",
        check: bento::check,
    },
    Driver {
        name: "embed",
        guest: "embed",
        mark: "Func maxconn_push",
        check: embed::check,
    },
    Driver {
        name: "keyed",
        guest: "embed",
        mark: "Func maxconn_drive",
        check: keyed::check,
    },
    Driver {
        name: "fluent-bit",
        guest: "fluent-bit",
        mark: "Func maxconn_filter",
        check: fluent_bit::check,
    },
    Driver {
        name: "redpanda-broker",
        guest: "redpanda",
        mark: "import redpanda_transform.",
        check: redpanda::check_broker,
    },
    Driver {
        name: "redpanda-connect",
        guest: "redpanda",
        mark: "import redpanda_transform.",
        check: redpanda::check_connect,
    },
    Driver {
        name: "wasi",
        guest: "wasi",
        mark: "import wasi_snapshot_preview1.args_get",
        check: wasi::check,
    },
];

/// A case that a driver can't carry, and why.
#[derive(Clone, Debug)]
pub struct Exclusion {
    /// The driver's name.
    pub driver: String,
    /// The case's name.
    pub case: String,
}

/// Reads `testdata/exclusions.toml`: `[[exclusion]]` with `driver`, `case` and `reason`.
///
/// # Errors
/// The file is not like that, or names a driver or a case that there is not.
pub fn exclusions(cases: &[Case]) -> Result<Vec<Exclusion>, Error> {
    let path = testdata().join("exclusions.toml");
    let wrong = |problem: String| -> Error { format!("{}: {problem}", path.display()).into() };
    let table: Table = fs::read_to_string(&path)
        .map_err(|error| wrong(error.to_string()))?
        .parse()?;
    let entries = table.get("exclusion").and_then(Value::as_array);
    let mut exclusions = Vec::new();
    for entry in entries.into_iter().flatten() {
        let text = |key: &str| {
            let problem = || format!("an exclusion has no {key}; it needs driver, case and reason");
            entry
                .get(key)
                .and_then(Value::as_str)
                .ok_or_else(|| wrong(problem()))
        };
        let (driver, case, _) = (text("driver")?, text("case")?, text("reason")?);
        if !DRIVERS.iter().any(|known| known.name == driver) {
            return Err(wrong(format!("{driver}: there is no such driver")));
        }
        if !cases.iter().any(|known| known.name == case) {
            return Err(wrong(format!("{case}: there is no such case")));
        }
        exclusions.push(Exclusion {
            driver: driver.to_string(),
            case: case.to_string(),
        });
    }
    Ok(exclusions)
}

/// Whether a driver can't carry a case.
pub fn excludes(exclusions: &[Exclusion], driver: &Driver, case: &Case) -> bool {
    let mut exclusions = exclusions.iter();
    exclusions.any(|it| it.driver == driver.name && it.case == case.name)
}
