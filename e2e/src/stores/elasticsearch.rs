//! Elasticsearch 8, from the archive that its own tests use: with security, TLS and API keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;
use serde_json::json;

use super::client::Client;
use super::{Kit, files, is_ready};
use crate::process::{self, Running, free_ports, give_away, unprivileged};

const VERSION: &str = "8.19.21";
/// The name and the password `secret` of a user who may do everything, as its files have them.
const USERS: &str = "e2e:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
/// The same for a request.
const BASIC: &str = "Basic ZTJlOnNlY3JldA==";

/// An Elasticsearch on loopback.
pub struct Elasticsearch {
    _running: Running,
    /// Asks it, as one who may do everything.
    pub client: Client,
    /// The authority of its certificate.
    pub authority: PathBuf,
}

impl Elasticsearch {
    /// Starts one in a folder.
    pub fn start(kit: &Kit, folder: &Path) -> Result<Elasticsearch, Error> {
        let home = kit.from.join(format!("elasticsearch-{VERSION}"));
        add_analysis(kit, &home)?;
        let [http, transport] = free_ports()?;
        let config = folder.join("config");
        for name in ["config", "data", "logs", "tmp"] {
            fs::create_dir(folder.join(name))?;
        }
        let tls = guest_build::workspace().join("cli/tests/run/tls");
        let at = folder.display();
        for (name, text) in [
            (
                "elasticsearch.yml",
                format!(
                    "network.host: 127.0.0.1\n\
                     http.port: {http}\n\
                     transport.port: {transport}\n\
                     discovery.type: single-node\n\
                     cluster.routing.allocation.disk.threshold_enabled: false\n\
                     path.data: {at}/data\n\
                     path.logs: {at}/logs\n\
                     xpack.security.enabled: true\n\
                     xpack.security.http.ssl.enabled: true\n\
                     xpack.security.http.ssl.certificate: server.pem\n\
                     xpack.security.http.ssl.key: server.key\n"
                ),
            ),
            (
                // Faster to start, and small.
                "jvm.options",
                format!(
                    "-Xms512m\n-Xmx512m\n-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1\n-Djava.io.tmpdir={at}/tmp\n"
                ),
            ),
            ("users", USERS.to_string()),
            ("users_roles", "superuser:e2e\n".to_string()),
        ] {
            fs::write(config.join(name), text)?;
        }
        for name in ["server.pem", "server.key"] {
            fs::copy(tls.join(name), config.join(name))?;
        }
        fs::copy(
            home.join("config/log4j2.properties"),
            config.join("log4j2.properties"),
        )?;
        give_away(folder)?;
        process::run(unprivileged("test")?.arg("-x").arg(home.join("bin/elasticsearch")))
            .map_err(|_| format!("the user nobody, as whom Elasticsearch runs, cannot get to {at}; move the repository"))?;
        let mut command = unprivileged(home.join("bin/elasticsearch"))?;
        command
            .env("ES_JAVA_HOME", &kit.java.home)
            .env("ES_PATH_CONF", &config)
            .env("ES_TMPDIR", folder.join("tmp"))
            .env("HOME", folder)
            .current_dir(folder);
        // Killed, it takes the server along: that ends when nobody is at the other end of its standard input.
        let mut running = Running::start("Elasticsearch", command, &folder.join("log"))?;
        let authority = tls.join("authority.pem");
        let url = format!("https://localhost:{http}");
        let client = Client::new(url, Some(BASIC.to_string()), Some(&authority))?;
        running.until("it answers", |_| Ok(is_ready(&client)))?;
        Ok(Elasticsearch {
            _running: running,
            client,
            authority,
        })
    }

    /// An API key, encoded: with privileges of the cluster, and others for some data streams.
    pub fn api_key(
        &self,
        cluster: &[&str],
        streams: Option<(&str, &[&str])>,
    ) -> Result<String, Error> {
        let of = |(names, privileges): (&str, &[&str])| json!({"names": [names], "privileges": privileges});
        let indices = streams.map(of);
        let indices: Vec<_> = indices.into_iter().collect();
        let role = json!({"cluster": cluster, "indices": indices});
        let key = json!({"name": "e2e", "role_descriptors": {"e2e": role}});
        let answer = self.client.must("POST", "/_security/api_key", &key)?;
        Ok(answer["encoded"].as_str().ok_or("no key came")?.to_string())
    }
}

/// Gives it our plugin: see `Analysis.java`.
fn add_analysis(kit: &Kit, home: &Path) -> Result<(), Error> {
    let folder = home.join("plugins/analysis");
    let classes = kit.from.join("classes");
    fs::create_dir_all(&folder)?;
    process::run(
        Command::new(kit.java.program("javac"))
            .args(["--release", "17", "-proc:none", "-nowarn", "-cp"])
            .arg(home.join("lib/*"))
            .arg("-d")
            .arg(&classes)
            .arg(files().join("Analysis.java")),
    )?;
    process::run(
        Command::new(kit.java.program("jar"))
            .arg("cf")
            .arg(folder.join("analysis.jar"))
            .arg("-C")
            .arg(&classes)
            .arg("."),
    )?;
    let descriptor = format!(
        "name=analysis\ndescription=what the index of security wants\nversion=1\n\
         elasticsearch.version={VERSION}\njava.version=17\nclassname=Analysis\n"
    );
    fs::write(folder.join("plugin-descriptor.properties"), descriptor)?;
    Ok(())
}
