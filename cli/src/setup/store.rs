//! Puts templates and a lifecycle into Elasticsearch or OpenSearch.

use std::collections::BTreeMap;

use super::parts::{self, EARLIER, Features, Part, PartKind, TEMPLATE, digest};
use super::server::{Index, Server};
use super::{Fate, Options, SetupError};
use crate::address::HttpAddress;

/// The data streams that the index template is for.
const STREAMS: &str = "logs-*.maxconn-*";

/// Puts everything there that is not yet; a line for each part goes to `say`.
pub async fn run(
    server: &mut Server,
    address: &HttpAddress,
    options: &Options,
    say: &mut impl FnMut(&str),
) -> Result<Features, SetupError> {
    let features = server.features().await?;
    say(&format!("{address}: {features}"));
    if !features.has_lifecycle {
        say("  left out    lifecycle: this server has none; delete old indices by other means");
    }
    let parts = parts::all(features);
    for part in &parts {
        let is_index = part.kind == PartKind::Index;
        let is_earlier_there = is_index && lower(server, part, address, options, say).await?;
        match put(server, part, options.force).await? {
            Fate::Foreign => return Err(foreign(&part.path, address, say)),
            fate => say(&fate.line(&part.path)),
        }
        if is_earlier_there {
            server.delete(EARLIER).await?;
            say(&format!("  removed     {EARLIER}"));
        }
    }
    let Some(indices) = server.indices(STREAMS).await? else {
        say(&format!(
            "  NOT KNOWN   whether an index is in the way of {STREAMS}: the server does not tell"
        ));
        return Ok(features);
    };
    let digest = parts.iter().find_map(Part::mappings_digest);
    for stream in outdated(&indices, digest) {
        // Where somebody's own template is above ours, another index would be no better.
        match server.template_of(stream).await? {
            Some(name) if name != TEMPLATE => say(&format!(
                "  left alone  {stream}: it is of the index template {name}"
            )),
            _ => {
                server.post(&format!("/{stream}/_rollover")).await?;
                say(&format!("  new index   {stream}"));
            }
        }
    }
    // Those of data streams are hidden, by a dot or behind other words.
    let plain = indices
        .into_iter()
        .filter(|it| it.name.starts_with("logs-"));
    let plain: Vec<String> = plain.map(|it| it.name).collect();
    plain
        .iter()
        .for_each(|name| say(&format!("  IN THE WAY  {name}")));
    match plain.into_iter().next() {
        None => Ok(features),
        Some(name) => Err(SetupError::PlainIndex(name, address.clone())),
    }
}

/// Lowers the index template that an earlier version put there, if there is one, so that `part` can come beside it: no
/// stream is ever without.
async fn lower(
    server: &mut Server,
    part: &Part,
    address: &HttpAddress,
    options: &Options,
    say: &mut impl FnMut(&str),
) -> Result<bool, SetupError> {
    let Some(found) = server.get(EARLIER).await? else {
        return Ok(false);
    };
    if part.kind.digest_in(&found).is_none() && !options.force {
        return Err(foreign(EARLIER, address, say));
    }
    server.put(EARLIER, &part.giving_way()).await?;
    Ok(true)
}

fn foreign(path: &str, address: &HttpAddress, say: &mut impl FnMut(&str)) -> SetupError {
    say(&Fate::Foreign.line(path));
    SetupError::Foreign(path.to_string(), address.clone())
}

/// The data streams whose documents go into an index of other mappings than `digest` stands for, which may not take them.
fn outdated<'a>(indices: &'a [Index], digest: Option<&str>) -> Vec<&'a str> {
    let mut newest = BTreeMap::<&str, (u64, bool)>::new();
    for index in indices {
        let Some((stream, generation)) = index.stream() else {
            continue;
        };
        let known = newest.entry(stream).or_default();
        *known = (*known).max((generation, index.mappings.as_deref() != digest));
    }
    newest.retain(|_, (_, is_outdated)| *is_outdated);
    newest.into_keys().collect()
}

async fn put(server: &mut Server, part: &Part, force: bool) -> Result<Fate, SetupError> {
    let digest = digest(&part.body);
    let found = server.get(&part.path).await?;
    let theirs = found.as_ref().map(|found| part.kind.digest_in(found));
    let fate = Fate::of(theirs, &digest, force);
    if matches!(fate, Fate::LeftAlone | Fate::Foreign) {
        return Ok(fate);
    }
    let body = part.kind.with_digest(part.body.clone(), &digest);
    let query = found
        .as_ref()
        .map_or(String::new(), |found| part.kind.condition(found));
    server.put(&format!("{}{query}", part.path), &body).await?;
    Ok(fate)
}
