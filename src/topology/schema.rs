//! The configuration's JSON schema: shapes from the types that read it, sentences from the
//! annotated file beside them, so that neither can be stale.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use crate::topology::StageName;
use crate::topology::annotated::{Note, notes};
use crate::topology::{Config, Decimal, DeviceName, Subnet};

/// Keys that are the same as others elsewhere, and described there.
const ALIKE: &[(&str, &str)] = &[
    ("account.risk", "risk"),
    ("fix.session", "session"),
    ("venue.backup", "venue.primary"),
    ("venue", "fix.session"),
    ("peers", "entry"),
    ("feed", "entry"),
];

macro_rules! written_as {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

written_as!(Decimal, "Amount", {
    "type": ["string"], "pattern": r"^-?[0-9_]+(\.[0-9]{1,4})?$"
});
written_as!(DeviceName, "Device", { "type": "string" });
written_as!(Subnet, "Subnet", {
    "type": "string", "pattern": r"^\d+\.\d+\.\d+\.\d+/\d+$"
});
written_as!(StageName, "Stage", {
    "type": "string",
    "pattern": "^(gateway|fix|peers|venues|prices|sequencer|risk|dealer|matching(-[0-9]+)?|away|\
                collector|recorder|feed)$"
});

/// A key or a table of the configuration, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explained {
    /// From the top, with dots; `*` where the user gives the name.
    pub key: String,
    /// What may stand there.
    pub kind: String,
    /// What it is when it is absent.
    pub default: Option<String>,
    /// What it is for.
    pub text: String,
}

/// The JSON schema of a configuration, for editors.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut schema = generator.root_schema_for::<Config>().to_value();
    let notes = notes();
    describe(&mut schema, "", &notes);
    schema
}

/// Writes the file's sentences into a schema.
fn describe(schema: &mut Value, path: &str, notes: &[Note]) {
    if let Some(items) = schema.get_mut("items") {
        describe(items, path, notes);
    }
    for choice in schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
        describe(choice, path, notes);
    }
    if let Some(named) = schema.get_mut("additionalProperties").filter(|named| named.is_object()) {
        describe(named, &format!("{path}.*"), notes);
    }
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, property) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        describe(property, &path, notes);
        if let (Some(text), Some(property)) = (text_of(&path, notes), property.as_object_mut()) {
            property.insert("description".into(), text.into());
        }
    }
}

/// What the annotated file says of a key, or of the one it is the same as.
fn text_of(path: &str, notes: &[Note]) -> Option<String> {
    let fits = |note: &&Note| {
        let (mut left, mut right) = (path.split('.'), note.path.split('.'));
        left.by_ref().zip(right.by_ref()).all(|(left, right)| left == "*" || left == right)
            && path.split('.').count() == note.path.split('.').count()
    };
    let told = notes.iter().filter(fits).map(|note| &note.text).find(|text| !text.is_empty());
    told.cloned().or_else(|| {
        ALIKE.iter().find_map(|(here, there)| {
            let rest = path.strip_prefix(here)?.strip_prefix('.')?;
            text_of(&format!("{there}.{rest}"), notes)
        })
    })
}

/// Every key and table, in order.
pub fn explained() -> Vec<Explained> {
    let mut all = Vec::new();
    collect(&schema(), "", &mut all);
    all
}

fn collect(schema: &Value, path: &str, all: &mut Vec<Explained>) {
    schema.get("items").into_iter().for_each(|items| collect(items, path, all));
    for choice in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect(choice, path, all);
    }
    if let Some(named) = schema.get("additionalProperties").filter(|named| named.is_object()) {
        collect(named, &format!("{path}.*"), all);
    }
    let none = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).unwrap_or(&none) {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let default = property.get("default").filter(|value| !is_large(value));
        all.push(Explained {
            key: key.clone(),
            kind: kind_of(property),
            default: default.map(Value::to_string),
            text: text.into(),
        });
        collect(property, &key, all);
    }
}

/// A table's default says nothing that its keys' do not.
fn is_large(value: &Value) -> bool {
    value.is_object() || value.is_null() || value.as_array().is_some_and(|list| !list.is_empty())
}

/// What may stand at a key, in a word or two.
fn kind_of(schema: &Value) -> String {
    let words = |list: &Value| -> Option<String> {
        let words = list.as_array()?.iter().filter_map(Value::as_str);
        let words: Vec<_> = words.filter(|word| *word != "null").collect();
        (!words.is_empty()).then(|| words.join(" | "))
    };
    if let Some(choices) = schema.get("enum").and_then(words) {
        return choices;
    }
    let one_of = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    if let Some(choices) = one_of {
        let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
        let kinds = choices.iter().filter(|choice| !is_null(choice)).map(|choice| {
            let constant = choice.get("const").and_then(Value::as_str);
            constant.map_or_else(|| kind_of(choice), str::to_owned)
        });
        return kinds.collect::<Vec<_>>().join(" | ");
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind_of(items));
    }
    let kind = schema
        .get("type")
        .and_then(|kind| kind.as_str().map(str::to_owned).or_else(|| words(kind)));
    match kind.as_deref() {
        Some("object") => "table".into(),
        Some("integer") => match schema.get("maximum").and_then(Value::as_u64) {
            Some(most) => format!("integer to {most}"),
            None => "integer".into(),
        },
        Some(kind) => kind.to_owned(),
        None => "value".into(),
    }
}

/// The keys below and at `key`, or those that come nearest to it.
///
/// # Errors
/// No such key: those that are most like it.
pub fn explain(key: &str) -> Result<Vec<Explained>, Vec<String>> {
    let all = explained();
    let fits = |one: &&Explained| {
        let mut asked = key.split('.');
        let whole = one.key.split('.').count() >= key.split('.').count();
        whole
            && one
                .key
                .split('.')
                .all(|part| asked.next().is_none_or(|asked| part == "*" || part == asked))
    };
    let found: Vec<_> = all.iter().filter(fits).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let mut near: Vec<_> = all
        .iter()
        .map(|one| {
            let whole = strsim::jaro_winkler(&one.key, key);
            let tail = strsim::jaro_winkler(&last(&one.key), &last(key));
            (whole.max(tail), one.key.clone())
        })
        .collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0));
    Err(near.into_iter().take(3).map(|(_, key)| key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_sentence_in_the_annotated_file() {
        let bare: Vec<_> =
            explained().into_iter().filter(|one| one.text.is_empty()).map(|one| one.key).collect();
        assert!(bare.is_empty(), "say in config/appliance.toml what these are: {bare:#?}");
    }

    #[test]
    fn every_note_is_of_a_key_that_is_read() {
        let known = explained();
        for note in notes() {
            assert!(explain(&note.path).is_ok(), "{} is read by nobody", note.path);
        }
        assert!(known.len() > 120, "{}", known.len());
    }

    #[test]
    fn a_key_is_explained_and_a_wrong_one_answered_with_its_like() {
        let one = explain("rate.standard.burst").expect("a key");
        assert_eq!((one.len(), &*one[0].key), (1, "rate.*.burst"));
        let heartbeat = explain("entry.heartbeat_ms").expect("a key");
        assert_eq!(heartbeat[0].default.as_deref(), Some("100"));
        assert!(heartbeat[0].text.contains("Silence of three heartbeats"));
        assert!(explain("entry").expect("a table").len() > 8);
        let near = explain("entry.hartbeat").expect_err("no key");
        assert_eq!(near[0], "entry.heartbeat_ms");
    }

    #[test]
    fn the_defaults_are_what_the_schema_allows() {
        let schema = schema();
        let defaults = serde_json::to_value(Config::default()).expect("plain data");
        let keys = defaults.as_object().expect("a table");
        let known = schema["properties"].as_object().expect("an object");
        for key in keys.keys() {
            assert!(known.contains_key(key), "{key}");
        }
        assert_eq!(schema["additionalProperties"], Value::Bool(false));
    }
}
