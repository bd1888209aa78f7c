//! Attributes that are kept sealed: readable in memory, opaque in the table.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use serde_dynamo::aws_sdk_dynamodb_1::{from_attribute_value, to_attribute_value};
use serde_json::Value;

use super::{Expression, Item, Table, Write};
use crate::error::Error;
use crate::seal::pack::{OF_ITEMS, pack, unpack};
use crate::seal::{self, Keys, Resealed, Seal};

/// How many items one call seals again.
const BATCH: usize = 100;
/// The attribute with the version of the key that an item's attributes are sealed with.
const KEY_VERSION: &str = "keyVersion";

/// What a sealed attribute was: a text as it is, anything else as JSON.
const TEXT: u8 = b'S';
const JSON: u8 = b'J';

/// The attribute that holds those which are sealed together.
const TOGETHER: &str = "sealed";
/// Ends the path of an attribute among those that are sealed together; no name has it.
const END_OF_PATH: u8 = 0;

/// Which attributes of a table's items are sealed; an item need not have all of them.
///
/// Each is named by its path, from the outermost map inwards.
#[derive(Debug)]
pub struct SealedAttributes {
    /// The attributes that identify an item, for which alone its values open.
    pub key: &'static [&'static str],
    /// Those that are sealed each by itself, so that an index can have them.
    pub apart: &'static [&'static [&'static str]],
    /// Those that are sealed as one: many small values take less room so, and less time. Each leaves a NULL in its place,
    /// so that a condition can still ask whether it is there.
    pub together: &'static [&'static [&'static str]],
}

/// Seals and opens the attributes of a table's items.
#[derive(Debug)]
pub(super) struct Sealing {
    seal: Seal,
    attributes: &'static SealedAttributes,
}

impl Sealing {
    pub(super) fn new(seal: Seal, attributes: &'static SealedAttributes) -> Self {
        Self { seal, attributes }
    }

    /// Returns the names of the attributes of the table's key.
    pub(super) fn key(&self) -> &'static [&'static str] {
        self.attributes.key
    }

    /// Seals the attributes of an item that is about to be written.
    pub(super) async fn seal(&self, item: &mut Item) -> Result<(), Error> {
        let SealedAttributes { apart, together, .. } = self.attributes;
        if !apart.iter().chain(*together).any(|path| find(item, path).is_some()) {
            return Ok(());
        }
        let keys = self.seal.keys().await?;
        for path in *apart {
            let Some(bytes) = take(item, path)? else { continue };
            let sealed = self.sealed(&keys, item, path, &bytes)?;
            if let Some(value) = find(item, path) {
                *value = sealed;
            }
        }
        let mut joined = Vec::new();
        for path in *together {
            if let Some(bytes) = take(item, path)? {
                join(&mut joined, path, &bytes)?;
            }
        }
        if !joined.is_empty() {
            let sealed = self.sealed(&keys, item, &[TOGETHER], &joined)?;
            item.insert(TOGETHER.to_owned(), sealed);
        }
        item.insert(KEY_VERSION.to_owned(), AttributeValue::S(keys.current().to_owned()));
        Ok(())
    }

    fn sealed(&self, keys: &Keys, item: &Item, path: &[&str], bytes: &[u8]) -> Result<AttributeValue, Error> {
        let sealed = self.seal.seal_bytes_with(keys, &self.record_id(item, path), &pack(bytes, OF_ITEMS))?;
        Ok(AttributeValue::B(Blob::new(sealed)))
    }

    /// Opens the attributes of an item that was read: all that are bytes, as nothing else is.
    ///
    /// The inner error is the item's own: it is damaged. The outer one says that the keys cannot be read.
    pub(super) async fn open(&self, item: &mut Item) -> Result<Result<(), Error>, Error> {
        item.remove(KEY_VERSION);
        let mut paths = Vec::new();
        sealed_paths(item, &mut Vec::new(), &mut paths);
        for path in paths {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let record_id = self.record_id(item, &path);
            let Some(AttributeValue::B(sealed)) = find(item, &path) else { continue };
            let sealed = std::mem::replace(sealed, Blob::new([]));
            let keys = self.seal.keys_with(seal::key_version_of(sealed.as_ref())).await?;
            let restored = opened(&keys, &record_id, sealed.as_ref()).and_then(|bytes| restore(item, &path, &bytes));
            if let Err(error) = restored {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Seals a batch of a table's items with the current key.
    pub(super) async fn reseal(&self, table: &Table) -> Result<Resealed, Error> {
        let keys = self.seal.keys().await?;
        let outdated = Expression::new("attribute_exists(#version) AND #version <> :version");
        let outdated = outdated.name("#version", KEY_VERSION).value(":version", keys.current());
        let items = table.scan_items(Some(outdated), BATCH).await?;
        let (found, mut resealed) = (items.len(), 0);
        for former in items {
            resealed += usize::from(self.reseal_item(table, &keys, former).await?);
        }
        Ok(Resealed { resealed, more: found == BATCH || resealed < found })
    }

    /// Seals one item again if it is still as it was read; returns whether it was.
    async fn reseal_item(&self, table: &Table, keys: &Keys, mut item: Item) -> Result<bool, Error> {
        let former_version = item.get(KEY_VERSION).cloned().unwrap_or(AttributeValue::Null(true));
        let mut change = Expression::new("SET #version = :version").value(":version", keys.current());
        let mut unchanged = Expression::new("#version = :formerVersion").name("#version", KEY_VERSION);
        unchanged = unchanged.attribute(":formerVersion", former_version);
        for (index, path) in self.places(&item).iter().enumerate() {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let record_id = self.record_id(&item, &path);
            let names: Vec<String> = (0..path.len()).map(|level| format!("#p{index}l{level}")).collect();
            for (name, attribute) in names.iter().zip(&path) {
                unchanged = unchanged.name(name, *attribute);
            }
            let place = names.join(".");
            let Some(AttributeValue::B(sealed)) = find(&mut item, &path).cloned() else {
                unchanged = unchanged.append(&format!(" AND attribute_not_exists({place})"));
                continue;
            };
            let held = self.seal.keys_with(seal::key_version_of(sealed.as_ref())).await?;
            let value = seal::open_bytes(&held, &record_id, sealed.as_ref()).map_err(Error::cannot("open a value"))?;
            let again = self.seal.seal_bytes_with(keys, &record_id, &value)?;
            change = change.append(&format!(", {place} = :new{index}"));
            change = change.attribute(&format!(":new{index}"), AttributeValue::B(Blob::new(again)));
            unchanged = unchanged.append(&format!(" AND {place} = :old{index}"));
            unchanged = unchanged.attribute(&format!(":old{index}"), AttributeValue::B(sealed));
        }
        let key = item.into_iter().filter(|(name, _)| self.attributes.key.contains(&name.as_str())).collect();
        Ok(table.update_item(key, change, Some(unchanged)).await?.is_some())
    }

    /// Where an item has bytes, and where it could have them: an older version may have sealed apart what is sealed
    /// together now.
    fn places(&self, item: &Item) -> Vec<Vec<String>> {
        let mut places = Vec::new();
        sealed_paths(item, &mut Vec::new(), &mut places);
        let together: &[&[&str]] = if self.attributes.together.is_empty() { &[] } else { &[&[TOGETHER]] };
        for path in self.attributes.apart.iter().chain(together) {
            if !places.iter().any(|place| place == path) {
                places.push(path.iter().map(|name| (*name).to_owned()).collect());
            }
        }
        places
    }

    /// What an attribute is sealed for: for its place in this item alone.
    fn record_id(&self, item: &Item, path: &[&str]) -> String {
        let text = |name: &&str| item.get(*name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
        let key: Vec<&str> = self.attributes.key.iter().map(text).collect();
        // Texts alone cannot fail.
        serde_json::to_string(&("item", key, path)).unwrap_or_default()
    }
}

/// Seals what the puts of a transaction write.
pub(super) async fn writes(writes: Vec<Write>) -> Result<Vec<TransactWriteItem>, Error> {
    let mut items = Vec::with_capacity(writes.len());
    for Write { mut item, sealing } in writes {
        if let (Some(put), Some(sealing)) = (&mut item.put, sealing) {
            sealing.seal(&mut put.item).await?;
        }
        items.push(item);
    }
    Ok(items)
}

fn find<'a>(item: &'a mut Item, path: &[&str]) -> Option<&'a mut AttributeValue> {
    let (first, rest) = path.split_first()?;
    let mut value = item.get_mut(*first)?;
    for name in rest {
        let AttributeValue::M(map) = value else { return None };
        value = map.get_mut(*name)?;
    }
    Some(value)
}

/// Adds where the bytes in an item are.
fn sealed_paths(item: &Item, within: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    for (name, value) in item {
        within.push(name.clone());
        match value {
            AttributeValue::B(_) => paths.push(within.clone()),
            AttributeValue::M(map) => sealed_paths(map, within, paths),
            _ => {}
        }
        within.pop();
    }
}

/// Takes a value out of an item and leaves a NULL in its place; `None` if it is not there.
fn take(item: &mut Item, path: &[&str]) -> Result<Option<Vec<u8>>, Error> {
    let value = find(item, path).map(|value| std::mem::replace(value, AttributeValue::Null(true)));
    value.map(to_bytes).transpose()
}

fn to_bytes(value: AttributeValue) -> Result<Vec<u8>, Error> {
    if let AttributeValue::S(text) = value {
        let mut bytes = text.into_bytes();
        bytes.insert(0, TEXT);
        return Ok(bytes);
    }
    let value: Value = from_attribute_value(value).map_err(Error::cannot("seal an attribute"))?;
    let mut bytes = vec![JSON];
    serde_json::to_writer(&mut bytes, &value).map_err(Error::cannot("seal an attribute"))?;
    Ok(bytes)
}

fn from_bytes(bytes: &[u8]) -> Result<AttributeValue, Error> {
    match bytes.split_first() {
        Some((&TEXT, text)) => String::from_utf8(text.to_vec()).map(AttributeValue::S).map_err(|_| damaged()),
        Some((&JSON, json)) => {
            let value: Value = serde_json::from_slice(json).map_err(|_| damaged())?;
            to_attribute_value(value).map_err(|_| damaged())
        }
        _ => Err(damaged()),
    }
}

/// Adds a value to those that are sealed together: its path, the length as four bytes, the lowest first, and the bytes.
fn join(joined: &mut Vec<u8>, path: &[&str], bytes: &[u8]) -> Result<(), Error> {
    let length = u32::try_from(bytes.len()).map_err(Error::cannot("seal an attribute"))?;
    joined.extend_from_slice(path.join(".").as_bytes());
    joined.push(END_OF_PATH);
    joined.extend_from_slice(&length.to_le_bytes());
    joined.extend_from_slice(bytes);
    Ok(())
}

/// Takes the first off the values that were sealed together: its path, its bytes and the rest.
fn split(joined: &[u8]) -> Option<(Vec<&str>, &[u8], &[u8])> {
    let end = joined.iter().position(|byte| *byte == END_OF_PATH)?;
    let path = std::str::from_utf8(&joined[..end]).ok()?.split('.').collect();
    let (length, rest) = joined[end + 1..].split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((path, bytes, rest))
}

/// Puts what was sealed at this path back where it belongs.
fn restore(item: &mut Item, path: &[&str], bytes: &[u8]) -> Result<(), Error> {
    if path != [TOGETHER] {
        if let Some(place) = find(item, path) {
            *place = from_bytes(bytes)?;
        }
        return Ok(());
    }
    item.remove(TOGETHER);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (path, bytes, others) = split(rest).ok_or_else(damaged)?;
        // An update may have removed or replaced it since.
        if let Some(place @ AttributeValue::Null(_)) = find(item, &path) {
            *place = from_bytes(bytes)?;
        }
        rest = others;
    }
    Ok(())
}

fn opened(keys: &Keys, record_id: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let packed = seal::open_bytes(keys, record_id, sealed).map_err(Error::cannot("open an attribute"))?;
    unpack(&packed).ok_or_else(damaged)
}

/// The text of a serde error can quote the input, so that it must not become a cause here.
fn damaged() -> Error {
    Error::new("open an attribute", "it is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_joined_is_split(values in prop::collection::vec(("[a-z]{1,9}", "[a-z]{1,9}", any::<Vec<u8>>()), 0..5)) {
            let mut joined = Vec::new();
            for (outer, inner, bytes) in &values {
                join(&mut joined, &[outer, inner], bytes).unwrap();
            }
            let mut rest = joined.as_slice();
            for (outer, inner, bytes) in &values {
                let (path, found, others) = split(rest).unwrap();
                prop_assert_eq!((path, found), (vec![outer.as_str(), inner], bytes.as_slice()));
                rest = others;
            }
            prop_assert_eq!(rest, &[] as &[u8]);
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(bytes: Vec<u8>) {
            let mut item = Item::from([("text".to_owned(), AttributeValue::Null(true))]);
            let _ = restore(&mut item, &[TOGETHER], &bytes);
            let _ = restore(&mut item, &["text"], &bytes);
        }
    }
}
