//! A Java that is new enough: what `java` is on the path may not be.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use host_test::Error;

/// What OpenSearch 3 needs.
const VERSION_MIN: u32 = 21;

/// A development kit.
pub struct Java {
    /// Its folder.
    pub home: PathBuf,
}

impl Java {
    /// The first one that fits: `JAVA_HOME`, the one on the path, or one of those that are installed.
    pub fn find() -> Result<Java, Error> {
        let mut homes: Vec<PathBuf> = env::var_os("JAVA_HOME")
            .into_iter()
            .map(PathBuf::from)
            .collect();
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = env::split_paths(&path).filter_map(|folder| {
            // It may be a link to the real one: HOME/bin/java.
            let java = fs::canonicalize(folder.join("java")).ok()?;
            Some(java.parent()?.parent()?.to_path_buf())
        });
        homes.extend(on_path);
        let installed = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
        let mut installed: Vec<PathBuf> = installed.map(|entry| entry.path()).collect();
        installed.sort();
        homes.extend(installed);
        let java = homes.into_iter().map(|home| Java { home });
        java.into_iter().find(Java::fits).ok_or_else(|| {
            format!(
                "the stores need a JDK of Java {VERSION_MIN} or newer, and there is none in JAVA_HOME, on the path or \
                 in /usr/lib/jvm; install one from https://adoptium.net"
            )
            .into()
        })
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }

    fn fits(&self) -> bool {
        let version = Command::new(self.program("java")).arg("-version").output();
        let said = version.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        let is_new = said.is_ok_and(|said| major(&said).is_some_and(|it| it >= VERSION_MIN));
        is_new && self.program("javac").exists()
    }
}

/// The number in `openjdk version "25.0.1" 2025-10-21`.
fn major(said: &str) -> Option<u32> {
    let (_, version) = said.split_once('"')?;
    let digits = version.split(|it: char| !it.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn versions_are_read() {
        for (said, version) in [
            ("openjdk version \"25.0.1\" 2025-10-21 LTS\nmore", Some(25)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("java version \"1.8.0_292\"", Some(1)),
            ("openjdk version \"26-ea\" 2026-03-17", Some(26)),
            ("", None),
        ] {
            assert_eq!(major(said), version, "{said}");
        }
    }
}
