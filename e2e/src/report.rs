//! What is told, line by line.

use std::process::ExitCode;

use host_test::Error;

/// Counts what passed and what failed.
#[derive(Default)]
pub struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    /// Tells how something went: its figures, or what is wrong.
    pub fn tell(&mut self, name: &str, result: Result<String, Error>) {
        match result {
            Ok(figures) => {
                self.passed += 1;
                println!("ok     {name}: {figures}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED {name}: {error}");
            }
        }
    }

    /// Tells the sum.
    pub fn end(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        // A name that there is not must not look like success.
        ExitCode::from(u8::from(self.failed > 0 || self.passed == 0))
    }
}
