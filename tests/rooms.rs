//! What one room knows no other says again.

use std::fs;
use std::path::Path;

use maxconn_core::recognisers::SERVERS;

/// The code of a file, without its comments and its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next();
    let lines = text.unwrap_or_default().lines();
    lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn check(folder: &Path, files: &mut usize) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("records/src/recognisers") {
            check(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            *files += 1;
            let text = code(&fs::read_to_string(&path).expect("a file"));
            for server in SERVERS {
                let name = server.name;
                assert!(!text.contains(name), "{} names {name}", path.display());
                for needle in server.needles {
                    assert!(!text.contains(needle), "{}: {needle}", path.display());
                }
            }
        }
    }
}

#[test]
fn no_server_is_named_outside_of_its_entry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    for folder in ["src", "records/src"] {
        check(&root.join(folder), &mut files);
    }
    let pipelines = fs::read_dir(root.join("pipelines")).expect("the guests");
    for pipeline in pipelines {
        let folder = pipeline.expect("an entry").path().join("src");
        if folder.is_dir() {
            check(&folder, &mut files);
        }
    }
    assert!(files > 70, "{files} files");
}
