//! The local data of a plan: `resolver.hosts` and `resolver.local`. `local_data.rs` says what they mean.
//!
//! ```json
//! {"hosts": [{"file": "/etc/hosts", "text": "192.0.2.1 printer", "ttl": 600, "reverse": true}],
//!  "local": [{"name": "lan.", "type": "static", "source": "namewise.toml:3", "views": ["inside"],
//!             "records": [{"text": "printer A 192.0.2.1", "source": "namewise.toml:5"}]}]}
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use nw_wire::Name;

use super::read::{At, Errors, Object};
use super::tables::{read_all, read_name, set};
use crate::local_data::{LocalData, LocalType};

/// TTL of records that have none, seconds.
const TTL: u32 = 3600;

/// Read the local data of the resolver in *object*: those of all clients, and those of single views by the name of the view.
pub(super) fn read(
    object: &mut Object<'_>,
    errors: &mut Errors,
) -> (Arc<LocalData>, HashMap<String, Arc<LocalData>>) {
    let mut data = LocalData::default();
    let mut of_views: HashMap<String, LocalData> = HashMap::new();
    for at in object.key("hosts").map(|at| at.items(errors)).unwrap_or_default() {
        read_hosts(&at, &mut data, errors);
    }
    for at in object.key("local").map(|at| at.items(errors)).unwrap_or_default() {
        read_zone(&at, &mut data, &mut of_views, errors);
    }
    (Arc::new(data), of_views.into_iter().map(|(name, data)| (name, Arc::new(data))).collect())
}

fn read_hosts(at: &At<'_>, data: &mut LocalData, errors: &mut Errors) {
    let Some(mut object) = at.object(errors) else { return };
    let file = object.required("file", errors).and_then(|at| at.text(errors));
    let text = object.required("text", errors).and_then(|at| at.text(errors));
    let reverse = object.key("reverse").and_then(|at| at.truth(errors)).unwrap_or(true);
    let mut ttl = TTL;
    set(&mut ttl, &mut object, "ttl", 0, i32::MAX as u64, errors);
    object.end(errors);
    let (Some(file), Some(text)) = (file, text) else { return };
    for error in data.add_hosts(file, text, ttl, reverse).err().unwrap_or_default() {
        errors.add(at.path(), error);
    }
}

fn read_zone(
    at: &At<'_>,
    common: &mut LocalData,
    of_views: &mut HashMap<String, LocalData>,
    errors: &mut Errors,
) {
    let Some(mut object) = at.object(errors) else { return };
    let views = object.key("views");
    let views = views.map(|at| read_all(Some(at), |at, errors| at.text(errors).map(str::to_owned), errors));
    let name = object.key("name").map_or_else(|| Some(Name::root()), |at| read_name(&at, errors));
    let kind = object.key("type").and_then(|at| at.parsed(parse_type, errors));
    let source = object.key("source").and_then(|at| at.text(errors)).unwrap_or_default();
    let records = object.key("records").map(|at| at.items(errors)).unwrap_or_default();
    object.end(errors);
    let Some(name) = name else { return };
    let mut texts = Vec::new();
    for at in records {
        let Some(mut record) = at.object(errors) else { continue };
        let text = record.required("text", errors);
        let source = record.key("source").and_then(|at| at.text(errors)).unwrap_or_default();
        record.end(errors);
        texts.extend(text.map(|text| (text, source)));
    }
    let mut add = |data: &mut LocalData| {
        for (text, source) in &texts {
            text.parsed(|text| data.add_record(&name, text, TTL, source), errors);
        }
        if let Some(kind) = kind
            && let Err(error) = data.add_zone(&name, kind, source)
        {
            errors.add(at.path(), error);
        }
    };
    match views {
        None => add(common),
        Some(views) => views.into_iter().for_each(|view| add(of_views.entry(view).or_default())),
    }
}

fn parse_type(text: &str) -> Result<LocalType, String> {
    let found = LocalType::NAMED.iter().find(|(name, _)| *name == text);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let names = LocalType::NAMED.map(|(name, _)| name);
        format!("{text:?} is not a type of a local zone; expected one of {}", names.join(", "))
    })
}
