//! Tables themselves: created, described, listed, given indexes and a time to live.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Map, Value as Json, json};

use super::{Catalog, bytes, table};
use crate::error::Error;
use crate::request::{self, AttributeDefinition, IndexDefinition, KeyElement};
use crate::schema::{Attribute, Index, Key, Projected, Table};
use crate::store::{self, failed};

/// How many names a page of `ListTables` has.
const LIST_LIMIT: usize = 100;

/// An operation on tables themselves.
pub(crate) enum Admin {
    Create(request::CreateTable),
    Delete(request::Named),
    Describe(request::Named),
    List(request::ListTables),
    Update(request::UpdateTable),
    DescribeTimeToLive(request::Named),
    UpdateTimeToLive(request::UpdateTimeToLive),
}

impl Admin {
    /// Reads a request, `None` if the operation is not one of these.
    pub(super) fn read(name: &str, body: &[u8]) -> Result<Option<Self>, Error> {
        Ok(Some(match name {
            "CreateTable" => Self::Create(request::read(body)?),
            "DeleteTable" => Self::Delete(request::read(body)?),
            "DescribeTable" => Self::Describe(request::read(body)?),
            "ListTables" => Self::List(request::read(body)?),
            "UpdateTable" => Self::Update(request::read(body)?),
            "DescribeTimeToLive" => Self::DescribeTimeToLive(request::read(body)?),
            "UpdateTimeToLive" => Self::UpdateTimeToLive(request::read(body)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn is_write(&self) -> bool {
        !matches!(self, Self::Describe(_) | Self::List(_) | Self::DescribeTimeToLive(_))
    }

    /// Does it and returns the body of the answer.
    pub(crate) fn run(&self, connection: &Connection, catalog: &mut Catalog, now_s: i64) -> Result<Vec<u8>, Error> {
        let context = &mut Context { connection, catalog, now_s };
        let answer = match self {
            Self::Create(request) => create(request, context)?,
            Self::Delete(request) => delete(&request.table_name, context)?,
            Self::Describe(request) => {
                json!({"Table": describe(table(context.catalog, &request.table_name)?, context)?})
            }
            Self::List(request) => list(request, context.catalog),
            Self::Update(request) => update(request, context)?,
            Self::DescribeTimeToLive(request) => describe_ttl(table(context.catalog, &request.table_name)?),
            Self::UpdateTimeToLive(request) => update_ttl(request, context)?,
        };
        match answer {
            Json::Object(answer) => bytes(&answer),
            _ => bytes(&Map::new()),
        }
    }
}

/// What an operation works on.
struct Context<'c> {
    connection: &'c Connection,
    catalog: &'c mut Catalog,
    now_s: i64,
}

fn create(request: &request::CreateTable, context: &mut Context<'_>) -> Result<Json, Error> {
    if context.catalog.contains_key(&request.table_name) {
        return Err(Error::in_use(format!("Table already exists: {}", request.table_name)));
    }
    let definitions = &request.attribute_definitions;
    let index = |is_local: bool| move |index: &IndexDefinition| index_of(index, definitions, is_local);
    let global = request.global_secondary_indexes.iter().map(index(false));
    let local = request.local_secondary_indexes.iter().map(index(true));
    let indexes: Vec<Index> = global.chain(local).collect::<Result<_, _>>()?;
    let table = Table {
        id: context.catalog.values().map(|table| table.id).max().unwrap_or_default() + 1,
        name: request.table_name.clone(),
        key: key(&request.key_schema, definitions)?,
        indexes,
        ttl: None,
        created_at: context.now_s,
    };
    store::create(context.connection, &table).map_err(|error| failed(&error))?;
    save(table, context)?;
    Ok(json!({"TableDescription": describe(self::table(context.catalog, &request.table_name)?, context)?}))
}

fn save(table: Table, context: &mut Context<'_>) -> Result<(), Error> {
    let definition = serde_json::to_string(&table).map_err(|error| Error::internal(error.to_string()))?;
    store::save_definition(context.connection, &table, &definition).map_err(|error| failed(&error))?;
    context.catalog.insert(table.name.clone(), Arc::new(table));
    Ok(())
}

fn key(schema: &[KeyElement], definitions: &[AttributeDefinition]) -> Result<Key, Error> {
    let attribute = |kind: &str| {
        let Some(element) = schema.iter().find(|element| element.key_type == kind) else { return Ok(None) };
        let name = &element.attribute_name;
        let defined = definitions.iter().find(|definition| definition.attribute_name == *name);
        let undefined = || {
            Error::validation(format!(
                "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [{name}]"
            ))
        };
        let defined = defined.ok_or_else(undefined)?;
        Ok(Some(Attribute { name: name.clone(), kind: defined.attribute_type }))
    };
    let partition = attribute("HASH")?.ok_or_else(|| {
        Error::validation("No Hash Key specified in schema. All Dynamo DB tables must have exactly one hash key")
    })?;
    Ok(Key { partition, sort: attribute("RANGE")? })
}

fn index_of(index: &IndexDefinition, definitions: &[AttributeDefinition], is_local: bool) -> Result<Index, Error> {
    let projection = match index.projection.projection_type.as_str() {
        "ALL" => Projected::All,
        "KEYS_ONLY" => Projected::KeysOnly,
        "INCLUDE" => Projected::Include(index.projection.non_key_attributes.clone()),
        other => return Err(Error::validation(format!("the projection type `{other}` is not known"))),
    };
    Ok(Index { name: index.index_name.clone(), key: key(&index.key_schema, definitions)?, projection, is_local })
}

fn delete(name: &str, context: &mut Context<'_>) -> Result<Json, Error> {
    let table = table(context.catalog, name)?.clone();
    let description = describe(&table, context)?;
    store::drop_table(context.connection, &table).map_err(|error| failed(&error))?;
    context.catalog.remove(name);
    Ok(json!({"TableDescription": description}))
}

fn list(request: &request::ListTables, catalog: &Catalog) -> Json {
    let limit = request.limit.unwrap_or(LIST_LIMIT).min(LIST_LIMIT);
    let after = request.exclusive_start_table_name.as_deref().unwrap_or_default();
    let mut names: Vec<&String> = catalog.keys().filter(|name| name.as_str() > after).collect();
    let has_more = names.len() > limit;
    names.truncate(limit);
    let mut answer = json!({"TableNames": names});
    if let Some(last) = names.last().filter(|_| has_more) {
        answer["LastEvaluatedTableName"] = json!(last);
    }
    answer
}

fn update(request: &request::UpdateTable, context: &mut Context<'_>) -> Result<Json, Error> {
    let mut table = Table::clone(table(context.catalog, &request.table_name)?);
    for update in &request.global_secondary_index_updates {
        let create =
            update.create.as_ref().ok_or_else(|| Error::validation("only indexes that are created are supported"))?;
        if table.indexes.iter().any(|index| index.name == create.index_name) {
            return Err(Error::validation(format!(
                "Attempting to create an index which already exists: {}",
                create.index_name
            )));
        }
        table.indexes.push(index_of(create, &request.attribute_definitions, false)?);
        let at = table.indexes.len() - 1;
        store::create_index(context.connection, &table, at).map_err(|error| failed(&error))?;
        store::fill_index(context.connection, &table, at)?;
    }
    save(table, context)?;
    Ok(json!({"TableDescription": describe(self::table(context.catalog, &request.table_name)?, context)?}))
}

fn describe_ttl(table: &Table) -> Json {
    match &table.ttl {
        Some(name) => json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": name}}),
        None => json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}),
    }
}

fn update_ttl(request: &request::UpdateTimeToLive, context: &mut Context<'_>) -> Result<Json, Error> {
    let mut table = Table::clone(table(context.catalog, &request.table_name)?);
    let asked = &request.time_to_live_specification;
    table.ttl = asked.enabled.then(|| asked.attribute_name.clone());
    store::set_expiries(context.connection, &table)?;
    save(table, context)?;
    Ok(json!({"TimeToLiveSpecification": {"AttributeName": asked.attribute_name, "Enabled": asked.enabled}}))
}

fn describe(table: &Table, context: &Context<'_>) -> Result<Json, Error> {
    let (count, size) = store::count(context.connection, table).map_err(|error| failed(&error))?;
    let schema = |key: &Key| {
        let partition = json!({"AttributeName": key.partition.name, "KeyType": "HASH"});
        let sort = key.sort.as_ref().map(|sort| json!({"AttributeName": sort.name, "KeyType": "RANGE"}));
        [Some(partition), sort].into_iter().flatten().collect::<Vec<_>>()
    };
    let index = |index: &Index| {
        let projection = match &index.projection {
            Projected::All => json!({"ProjectionType": "ALL"}),
            Projected::KeysOnly => json!({"ProjectionType": "KEYS_ONLY"}),
            Projected::Include(names) => json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": names}),
        };
        json!({"IndexName": index.name, "KeySchema": schema(&index.key), "Projection": projection, "IndexStatus": "ACTIVE"})
    };
    let mut attributes: Vec<(&str, String)> = Vec::new();
    for key in [&table.key].into_iter().chain(table.indexes.iter().map(|index| &index.key)) {
        for attribute in [Some(&key.partition), key.sort.as_ref()].into_iter().flatten() {
            attributes.push((&attribute.name, format!("{:?}", attribute.kind)));
        }
    }
    attributes.sort_unstable();
    attributes.dedup();
    let attributes: Vec<Json> =
        attributes.into_iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect();
    let mut description = json!({
        "TableName": table.name, "TableStatus": "ACTIVE", "CreationDateTime": table.created_at,
        "KeySchema": schema(&table.key), "AttributeDefinitions": attributes, "ItemCount": count, "TableSizeBytes": size,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
    });
    for (field, is_local) in [("GlobalSecondaryIndexes", false), ("LocalSecondaryIndexes", true)] {
        let indexes: Vec<Json> = table.indexes.iter().filter(|one| one.is_local == is_local).map(index).collect();
        if !indexes.is_empty() {
            description[field] = indexes.into();
        }
    }
    Ok(description)
}
