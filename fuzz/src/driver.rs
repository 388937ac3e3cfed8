//! The random driver: every input follows from a target, a seed and a number, on every machine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Target;
use crate::mutate::{Chance, change};

/// Something did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The input that shows it.
    pub input: Vec<u8>,
    /// Its number.
    pub number: u64,
}

/// The inputs of a target.
pub struct Inputs {
    seeds: Vec<Vec<u8>>,
    seed: u64,
}

impl Inputs {
    /// Those of a seed.
    pub fn new(target: &Target, seed: u64) -> Inputs {
        let mut seeds = (target.seeds)();
        seeds.push(Vec::new());
        Inputs { seeds, seed }
    }

    /// The input with this number: first what inputs begin from, then changes of it.
    pub fn get(&self, number: u64) -> Vec<u8> {
        if let Some(seed) = usize::try_from(number)
            .ok()
            .and_then(|at| self.seeds.get(at))
        {
            return seed.clone();
        }
        let mut chance = Chance::new(Chance::new(self.seed ^ number.rotate_left(32)).number());
        let mut bytes = match chance.below(16) {
            0 => (0..chance.below(256))
                .map(|_| chance.number() as u8)
                .collect(),
            _ => chance.of(&self.seeds).cloned().unwrap_or_default(),
        };
        let most = 1 << (1 + chance.below(4));
        for _ in 0..1 + chance.below(most) {
            let other = chance.below(self.seeds.len());
            let other = self.seeds.get(other).map_or(&[][..], Vec::as_slice);
            change(&mut bytes, other, &mut chance);
        }
        bytes
    }
}

/// Takes one input through a target; `false` if something did not hold. What, a panic has said.
pub fn holds(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok()
}

/// Takes the inputs with these numbers through a target, up to the first that fails.
///
/// # Errors
/// That one.
pub fn run(
    target: &Target,
    inputs: &Inputs,
    numbers: impl Iterator<Item = u64>,
) -> Result<u64, Failure> {
    let mut runs = 0;
    for number in numbers {
        let input = inputs.get(number);
        if !holds(target, &input) {
            return Err(Failure { input, number });
        }
        runs += 1;
    }
    Ok(runs)
}
