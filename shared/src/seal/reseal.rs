//! Sealing what a table holds again after the key ring got a new key.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Seal, Sealed};
use crate::error::Error;
use crate::table::{Expression, Table};

/// How many records one call seals again.
const BATCH: usize = 100;
/// The attribute with the version of the key that seals a record's values, see [`Sealed::common_version`].
const KEY_VERSION: &str = "keyVersion";

/// An attribute of a record that is sealed.
#[derive(Debug, Clone, Copy)]
pub struct SealedAttribute {
    /// Where it is, from the outermost map inwards.
    pub path: &'static [&'static str],
    /// What it is sealed for, given the id of the record.
    pub sealed_for: fn(&str) -> String,
}

/// How far the sealing with a new key has come.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Resealed {
    /// How many records were sealed with the current key.
    pub resealed: usize,
    /// Whether there may be more; the next call goes on.
    pub more: bool,
}

/// Seals a batch of a table's records with the current key; call it until there are no more.
///
/// Every record with sealed attributes has an attribute `keyVersion`. The id of a record is the text of its key; the
/// parts of a key of several attributes are joined by `#`. A record that changes meanwhile is left to the next call.
pub async fn reseal(
    table: &Table,
    seal: &Seal,
    key_names: &[&str],
    attributes: &[SealedAttribute],
) -> Result<Resealed, Error> {
    let version = seal.current_version().await?;
    let outdated =
        Expression::new("attribute_exists(keyVersion) AND keyVersion <> :version").value(":version", &version);
    let records: Vec<Value> = table.scan(Some(outdated), BATCH).await?;
    let mut resealed = 0;
    for record in &records {
        let parts: Vec<&str> = key_names.iter().filter_map(|name| record[*name].as_str()).collect();
        let key: Map<String, Value> =
            key_names.iter().zip(&parts).map(|(name, part)| ((*name).to_owned(), Value::from(*part))).collect();
        let (change, unchanged) = changes(seal, record, &parts.join("#"), attributes).await?;
        let done: Option<Value> = table.update(&Value::Object(key), change, Some(unchanged)).await?;
        resealed += usize::from(done.is_some());
    }
    Ok(Resealed { resealed, more: records.len() == BATCH || resealed < records.len() })
}

/// What replaces the sealed attributes of a record, on the condition that they are still as they were read.
async fn changes(
    seal: &Seal,
    record: &Value,
    id: &str,
    attributes: &[SealedAttribute],
) -> Result<(Expression, Expression), Error> {
    let mut sealed_again: Vec<Sealed> = Vec::new();
    let mut change = Expression::new("SET keyVersion = :version");
    let mut unchanged = Expression::new("keyVersion = :former").value(":former", &record[KEY_VERSION]);
    for (index, SealedAttribute { path, sealed_for }) in attributes.iter().enumerate() {
        let names: Vec<String> = (0..path.len()).map(|level| format!("#p{index}l{level}")).collect();
        let place = names.join(".");
        for (name, attribute) in names.iter().zip(*path) {
            unchanged = unchanged.name(name, *attribute);
        }
        let Some(text) = record.pointer(&format!("/{}", path.join("/"))).and_then(Value::as_str) else {
            unchanged = unchanged.append(&format!(" AND attribute_not_exists({place})"));
            continue;
        };
        let former = Sealed(text.to_owned());
        let sealed_for = sealed_for(id);
        let sealed = seal.seal(&sealed_for, &seal.open(&sealed_for, &former).await?).await?;
        change = change.append(&format!(", {place} = :new{index}")).value(&format!(":new{index}"), &sealed);
        let condition = format!(" AND {place} = :old{index}");
        unchanged = unchanged.append(&condition).value(&format!(":old{index}"), &former);
        sealed_again.push(sealed);
    }
    let version = Sealed::common_version(&sealed_again).unwrap_or_default().to_owned();
    Ok((change.value(":version", version), unchanged))
}
