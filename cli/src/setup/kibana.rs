//! Puts the dashboards into Kibana or OpenSearch Dashboards.

use std::collections::BTreeMap;

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::dashboards::{self, Flavour, SavedObject};
use super::server::{Server, shown};
use super::{Fate, Options, Place, SetupError};
use crate::address::HttpAddress;
use crate::http::client::Answer;

/// Where objects are imported.
pub const IMPORT_PATH: &str = "/api/saved_objects/_import?overwrite=true";
/// The oldest Kibana that takes objects in the form that they have.
const KIBANA_MIN: (u32, u32) = (8, 8);

/// A product that has dashboards.
struct Product {
    flavour: Flavour,
    /// Not everybody is told.
    version: Option<String>,
}

/// Puts every object there that is not yet; a line for each goes to `say`.
pub async fn run(
    server: &mut Server,
    address: &HttpAddress,
    options: &Options,
    say: &mut impl FnMut(&str),
) -> Result<Flavour, SetupError> {
    // Each product wants its own, and takes no notice of the other's.
    for name in ["kbn-xsrf", "osd-xsrf"] {
        server
            .headers
            .push((name, HeaderValue::from_static("maxconn")));
    }
    let Product { flavour, version } = product(server, options).await?;
    let where_to = enter(server, flavour, options)?;
    let version = version.map_or(String::new(), |it| format!(" {it}"));
    say(&format!(
        "{address}: {}{version}{where_to}",
        flavour.title()
    ));

    let objects = dashboards::objects(flavour);
    let found = held(server, &objects).await?;
    let fates: Vec<Fate> = objects
        .iter()
        .map(|object| {
            let found = found.get(&object.name());
            let found = found.map(|digest| digest.as_deref());
            Fate::of(found, &object.digest().unwrap_or_default(), options.force)
        })
        .collect();
    let mut foreign = None;
    for (object, _) in objects
        .iter()
        .zip(&fates)
        .filter(|(_, it)| **it == Fate::Foreign)
    {
        say(&Fate::Foreign.line(&object.name()));
        foreign = foreign.or(Some(object.name()));
    }
    if let Some(name) = foreign {
        return Err(SetupError::Foreign(name, address.clone()));
    }
    let is_wanted = |fate: &Fate| *fate != Fate::LeftAlone;
    let wanted = objects
        .iter()
        .zip(&fates)
        .filter(|(_, fate)| is_wanted(fate));
    let wanted: Vec<SavedObject> = wanted.map(|(object, _)| object.clone()).collect();
    let refused = match wanted.is_empty() {
        true => BTreeMap::new(),
        false => import(server, &wanted).await?,
    };
    // Where one is refused, the answer lists others as done that may not be: what is there tells.
    let stored = match refused.is_empty() {
        true => None,
        false => Some(held(server, &objects).await?),
    };
    for (object, fate) in objects.iter().zip(fates) {
        let name = object.name();
        let is_stored = stored
            .as_ref()
            .is_none_or(|it| it.get(&name) == Some(&object.digest()));
        match refused.get(&name) {
            Some(why) => say(&format!("  REFUSED     {name}: {why}")),
            None if is_stored => say(&fate.line(&name)),
            None => say(&format!("  not stored  {name}: because of what is refused")),
        }
    }
    match refused.len() {
        0 => Ok(flavour),
        count => Err(SetupError::Objects(server.name.clone(), count)),
    }
}

/// Which product it is: by its headers, else by the words of its status.
async fn product(server: &mut Server, options: &Options) -> Result<Product, SetupError> {
    let answer = server.ask(Method::GET, "/api/status", None).await?;
    let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let overall = &status["status"]["overall"];
    let text = String::from_utf8_lossy(&answer.body);
    let flavour = if answer.headers.contains_key("osd-name") {
        Some(Flavour::OpenSearch)
    } else if answer.headers.contains_key("kbn-name") {
        Some(Flavour::Kibana)
    } else if overall["state"].is_string() {
        Some(Flavour::OpenSearch)
    } else if overall["level"].is_string() {
        Some(Flavour::Kibana)
    } else {
        None
    };
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        let is_kibana = flavour == Some(Flavour::Kibana) || text.starts_with("Kibana");
        let flavour = if is_kibana {
            Flavour::Kibana
        } else {
            Flavour::OpenSearch
        };
        return Err(SetupError::NotReady(server.name.clone(), flavour));
    }
    if !answer.status.is_success() && (flavour.is_some() || is_access(answer.status)) {
        return Err(refusal(server, &answer));
    }
    let Some(flavour) = flavour else {
        return Err(SetupError::NoDashboards(server.name.clone()));
    };
    let version = status["version"]["number"].as_str().map(shown);
    if flavour == Flavour::Kibana
        && let Some(version) = &version
        && is_too_old(version)
    {
        return Err(SetupError::TooOld(server.name.clone(), version.clone()));
    }
    match (flavour, &options.space, &options.tenant) {
        (Flavour::OpenSearch, Some(_), _) => Err(SetupError::NoSpaces(server.name.clone())),
        (Flavour::Kibana, _, Some(_)) => Err(SetupError::NoTenants(server.name.clone())),
        _ => Ok(Product { flavour, version }),
    }
}

/// It wants to know who asks, or sends to where one says so.
fn is_access(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || status.is_redirection()
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(|it| it.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(Some(major)), Some(Some(minor))) if (major, minor) < KIBANA_MIN)
}

fn refusal(server: &Server, answer: &Answer) -> SetupError {
    match server.value(answer) {
        Err(error) => error,
        Ok(_) => SetupError::NoDashboards(server.name.clone()),
    }
}

/// From now on the space or tenant is meant; words that say which.
fn enter(server: &mut Server, flavour: Flavour, options: &Options) -> Result<String, SetupError> {
    if let (Flavour::Kibana, Some(space)) = (flavour, &options.space) {
        server.prefix += &format!("/s/{space}");
        return Ok(format!(", space {space}"));
    }
    if let Some(tenant) = &options.tenant {
        server.headers.push(("securitytenant", tenant.clone()));
        return Ok(format!(
            ", tenant {}",
            shown(tenant.to_str().unwrap_or_default())
        ));
    }
    Ok(String::new())
}

/// Those of the objects that are there, by name, with the digest of those that are ours.
async fn held(
    server: &mut Server,
    objects: &[SavedObject],
) -> Result<BTreeMap<String, Option<String>>, SetupError> {
    let wanted = objects
        .iter()
        .map(|it| json!({"type": it.kind, "id": it.id}));
    let wanted: Value = wanted.collect();
    let path = "/api/saved_objects/_bulk_get";
    let answer = server.ask(Method::POST, path, Some(&wanted)).await?;
    let answer = server.value(&answer)?;
    let found = answer["saved_objects"].as_array().into_iter().flatten();
    let found = found.filter(|it| it["attributes"].is_object() && it["error"].is_null());
    Ok(found
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default();
            let digest = dashboards::digest_in(text("type"), &it["attributes"]);
            (format!("{}/{}", text("type"), text("id")), digest)
        })
        .collect())
}

/// Objects as the lines of a file.
pub fn lines(objects: &[SavedObject]) -> String {
    objects.iter().map(|it| format!("{}\n", it.body)).collect()
}

/// Imports objects; those that were refused, and why. Its status says nothing, and neither do its counts.
async fn import(
    server: &mut Server,
    objects: &[SavedObject],
) -> Result<BTreeMap<String, String>, SetupError> {
    // No line of JSON begins with a dash, so that it is in none of them.
    const BOUNDARY: &str = "maxconn-saved-objects";
    let body = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"maxconn.ndjson\"\r\n\
         content-type: application/ndjson\r\n\r\n{}\r\n--{BOUNDARY}--\r\n",
        lines(objects)
    );
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let answer = server.send(Method::POST, IMPORT_PATH, &form, body).await?;
    let answer = server.value(&answer)?;
    if answer["success"] == true {
        return Ok(BTreeMap::new());
    }
    let errors = answer["errors"].as_array().into_iter().flatten();
    let refused: BTreeMap<String, String> = errors
        .map(|it| {
            let text = |key: &str| shown(it[key].as_str().unwrap_or_default());
            (
                format!("{}/{}", text("type"), text("id")),
                why(&it["error"]),
            )
        })
        .collect();
    if refused.is_empty() {
        let reason = "it does not say that the import was a success, nor why not".to_string();
        let name = server.name.clone();
        return Err(SetupError::Refused(
            Place::Dashboards,
            name,
            StatusCode::OK,
            reason,
        ));
    }
    Ok(refused)
}

/// Why an object was refused, and what to do.
fn why(error: &Value) -> String {
    let references = error["references"].as_array().into_iter().flatten();
    let references = references.map(|it| {
        let text = |key: &str| it[key].as_str().unwrap_or_default();
        format!("{}/{}", text("type"), text("id"))
    });
    match error["type"].as_str() {
        Some("missing_references") => {
            let missing = shown(&references.collect::<Vec<_>>().join(", "));
            format!("it refers to {missing}, which is gone; run this again")
        }
        Some("conflict" | "ambiguous_conflict") => {
            "another space has it; give this one another name there, or delete it".to_string()
        }
        Some("unsupported_type") => "this version has no such objects; update it".to_string(),
        other => {
            let message = error["message"].as_str().or(other);
            shown(message.unwrap_or("no reason given"))
        }
    }
}
