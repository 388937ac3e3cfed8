//! `maxconn setup` against servers that keep what is put to them.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// What a server holds, by path.
type Held = Arc<Mutex<BTreeMap<String, Value>>>;

/// A server that says of itself what `nodes` says; its URL.
fn server(nodes: Value, held: &Held) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let held = Arc::clone(held);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its own connection alone.
            let _ = serve(stream, &nodes, &held);
        }
    });
    Ok(url)
}

fn serve(mut stream: TcpStream, nodes: &Value, held: &Held) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut line, mut len) = (String::new(), 0);
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                len = value.trim().parse().unwrap_or(0);
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; len];
        reader.read_exact(&mut body)?;
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (status, answer) = answer(method, path, &body, nodes, held);
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(format!("{head}{answer}").as_bytes())?;
    }
}

fn answer(method: &str, path: &str, body: &[u8], nodes: &Value, held: &Held) -> (u16, Value) {
    let Ok(mut held) = held.lock() else {
        return (500, json!({}));
    };
    if path.starts_with("/_nodes") {
        return (200, json!({"nodes": {"a": nodes}}));
    }
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    if method == "PUT" {
        held.insert(
            path.to_string(),
            serde_json::from_slice(body).unwrap_or_default(),
        );
        return (200, json!({"acknowledged": true}));
    }
    let Some(body) = held.get(path) else {
        return (404, json!({"error": "not there"}));
    };
    let found = match path.split('/').nth(1) {
        Some("_component_template") => {
            json!({"component_templates": [{"component_template": body}]})
        }
        Some("_index_template") => json!({"index_templates": [{"index_template": body}]}),
        Some("_ilm") => json!({"maxconn": body}),
        _ => {
            let mut found = body.clone();
            found["_seq_no"] = json!(1);
            found
        }
    };
    (200, found)
}

fn setup(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_maxconn"))
        .arg("setup")
        .args(arguments)
        .output()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn elasticsearch() -> Value {
    json!({"version": "8.19.21", "build_flavor": "default", "modules": [{"name": "mapper-extras"}, {"name": "x-pack-ilm"}]})
}

#[test]
fn a_second_run_changes_nothing() -> Result<(), Box<dyn Error>> {
    for (nodes, product, lifecycle) in [
        (
            elasticsearch(),
            "Elasticsearch, with match_only_text, with",
            "/_ilm/policy/maxconn",
        ),
        (
            json!({"version": "3.8.0", "plugins": [{"name": "opensearch-index-management"}]}),
            "OpenSearch, without match_only_text, with",
            "/_plugins/_ism/policies/maxconn",
        ),
    ] {
        let held = Held::default();
        let url = server(nodes, &held)?;
        let first = setup(&["--elasticsearch", &url])?;
        assert!(first.status.success(), "{}", text(&first.stderr));
        let said = text(&first.stdout);
        assert!(said.contains(product), "{said}");
        assert_eq!(said.matches("created").count(), 4, "{said}");
        let after_first = held.lock().map_err(|_| "poisoned")?.clone();
        assert!(after_first.contains_key(lifecycle), "{after_first:?}");
        let second = setup(&["--elasticsearch", &url])?;
        assert_eq!(text(&second.stdout).matches("left alone").count(), 4);
        assert_eq!(*held.lock().map_err(|_| "poisoned")?, after_first);
    }
    Ok(())
}

#[test]
fn what_an_older_version_put_is_updated_and_what_others_put_is_not() -> Result<(), Box<dyn Error>> {
    let held = Held::default();
    let url = server(elasticsearch(), &held)?;
    let put = |path: &str, body: Value| {
        held.lock()
            .map(|mut held| held.insert(path.to_string(), body))
            .map_err(|_| "poisoned")
    };
    put(
        "/_component_template/maxconn-ecs",
        json!({"_meta": {"digest": "older"}}),
    )?;
    put(
        "/_component_template/maxconn-fields",
        json!({"template": {}}),
    )?;
    let output = setup(&["--elasticsearch", &url])?;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.contains("updated     /_component_template/maxconn-ecs"),
        "{said}"
    );
    assert!(
        said.contains("NOT OURS    /_component_template/maxconn-fields"),
        "{said}"
    );
    assert!(text(&output.stderr).contains("replace it with --force"));
    let forced = setup(&["--elasticsearch", &url, "--force"])?;
    assert!(forced.status.success(), "{}", text(&forced.stderr));
    Ok(())
}

#[test]
fn what_is_missing_is_left_out_and_said() -> Result<(), Box<dyn Error>> {
    let held = Held::default();
    let url = server(json!({"version": "8.19.21", "modules": []}), &held)?;
    let output = setup(&["--elasticsearch", &url])?;
    assert!(text(&output.stdout).contains("left out    lifecycle: this server has none"));
    let held = format!("{:?}", held.lock().map_err(|_| "poisoned")?);
    assert!(
        !held.contains("match_only_text") && !held.contains("lifecycle"),
        "{held}"
    );
    Ok(())
}

#[test]
fn print_needs_no_server_and_wrong_addresses_are_told() -> Result<(), Box<dyn Error>> {
    let printed: Value = serde_json::from_slice(&setup(&["--print"])?.stdout)?;
    assert!(printed["opensearch"]["PUT /_plugins/_ism/policies/maxconn"].is_object());
    for (arguments, code, sentence) in [
        (
            &["--elasticsearch", "es:9200"][..],
            2,
            "write it like http://127.0.0.1:9200",
        ),
        (
            &["--elasticsearch", "http://u:secret@es:9200"],
            2,
            "put the secret into a file",
        ),
        (
            &["--elasticsearch", "http://127.0.0.1:1"],
            1,
            "start the server, or name another address",
        ),
        (
            &["--elasticsearch", "http://es", "--api-key", "missing"],
            2,
            "cannot read the secret in missing",
        ),
        (&[], 2, "--elasticsearch"),
    ] {
        let output = setup(arguments)?;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains(sentence) && !said.contains("u:secret"),
            "{said}"
        );
    }
    Ok(())
}
