//! Definitions of sessions, and sessions, in `SESSIONS_TABLE`.
//!
//! A definition is owned by the tenant; its sessions are owned by tenant, product and tag. A session is good as long as
//! its definition is the one that it was started with, it is not revoked itself, and its user has not been revoked since
//! it was started, neither in its environment nor in all: four records, which one request reads.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::derived_hex24;
use shared::event::TenantId;
use shared::seal::Resealed;
use shared::table::{Check, Expression, Query, SealedAttributes, TRANSACTION_LIMIT, Table, is_new};
use shared::{Environment, Error};

use super::json_text;
use super::owner::Owner;
use crate::session::Definition;
use crate::tag::{Slug, Tag};

/// Of how many definitions or sessions a list can be made.
pub(crate) const LIST_LIMIT: usize = 10_000;
/// How many sessions of a deleted definition are removed with it.
const REMOVED_AT_ONCE: usize = 1_000;

const SEALED: SealedAttributes =
    SealedAttributes { key: &["owner", "record"], apart: &[], together: &[&["identifier"], &["data"]] };
const DEFINITIONS: &str = "definition#";
const SESSIONS: &str = "session#";
const USERS: &str = "user#";

/// A definition as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefinitionRecord {
    owner: TenantId,
    record: String,
    #[serde(with = "json_text")]
    pub(crate) definition: Definition,
    /// Differs from that of every other definition, also of one of the same tag before it.
    pub(crate) definition_id: String,
    /// Counts the changes.
    pub(crate) version: u64,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRecord {
    pub(crate) owner: String,
    pub(crate) record: String,
    pub(crate) session_id: String,
    pub(crate) definition_id: String,
    pub(crate) env: Slug,
    /// Whose it is.
    pub(crate) identifier: String,
    /// How often its user had been revoked when it was started.
    pub(crate) user_generation: u64,
    /// The JSON of its data.
    pub(crate) data: String,
    #[serde(with = "shared::clock::iso")]
    pub(crate) start_timestamp: Timestamp,
    /// The generation of the refresh token that is valid now.
    pub(crate) generation: u32,
    /// When that replaced the one before it, in milliseconds since 1970.
    pub(crate) rotated_at_ms: i64,
    /// When its newest token ends, in seconds since 1970.
    pub(crate) ends_at_s: i64,
    /// Until when it can be refreshed, in seconds since 1970.
    pub(crate) refreshable_until_s: i64,
    pub(crate) revoked: bool,
    /// When the record is removed, in seconds since 1970.
    pub(crate) expires_at: i64,
}

/// A user who was revoked, in one environment or in all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserRecord {
    owner: String,
    record: String,
    /// How often.
    user_generation: u64,
}

/// What decides whether a session is good, as it was at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The id of the definition, if there is one.
    pub(crate) definition_id: Option<String>,
    /// The definition that the session was started with, and whether it was revoked.
    pub(crate) session: Option<(String, u64, bool)>,
    /// How often the user has been revoked, in its environment or in all.
    pub(crate) user_generation: u64,
}

/// How often users have been revoked, by their records.
pub(crate) struct RevokedUsers(BTreeMap<String, u64>);

/// The table of sessions.
pub(crate) struct Sessions {
    table: Table,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    fn read<T: serde::de::DeserializeOwned>(item: Value) -> Result<(), Error> {
        serde_json::from_value::<T>(item).map(drop).map_err(Error::cannot("read a record of sessions"))
    }
    Ok(environment.sealed_table("SESSIONS_TABLE", &SEALED)?.check(|item: Value| {
        match item["record"].as_str().unwrap_or_default() {
            record if record.starts_with(DEFINITIONS) => read::<DefinitionRecord>(item),
            record if record.starts_with(USERS) => read::<UserRecord>(item),
            _ => read::<SessionRecord>(item),
        }
    }))
}

impl DefinitionRecord {
    /// Returns the record of a new definition.
    pub(crate) fn new(tenant: &TenantId, definition: Definition, definition_id: String) -> Self {
        let record = definition_record(&definition.product, &definition.tag);
        Self { owner: tenant.clone(), record, definition, definition_id, version: 0 }
    }
}

impl Owner<'_> {
    /// Returns the record of a session.
    pub(crate) fn session_record(session_id: &str) -> String {
        format!("{SESSIONS}{session_id}")
    }

    fn session(&self, session_id: &str) -> Value {
        json!({"owner": self.key(), "record": Self::session_record(session_id)})
    }

    /// Returns the record of a user in an environment, or in all of them.
    fn user_record(&self, env: Option<&Slug>, identifier: &str) -> String {
        let hash = derived_hex24(&[b"session user", self.key().as_bytes(), identifier.as_bytes()]);
        format!("{USERS}{hash}#{}", env.map_or("*", Slug::as_str))
    }

    fn user(&self, env: Option<&Slug>, identifier: &str) -> Value {
        json!({"owner": self.key(), "record": self.user_record(env, identifier)})
    }
}

impl SessionRecord {
    /// Tells whether it or its user has been revoked.
    pub(crate) fn is_revoked(&self, user_generation: u64) -> bool {
        self.revoked || self.user_generation != user_generation
    }

    /// Tells whether its newest token is good.
    pub(crate) fn is_good(&self, definition_id: &str, user_generation: u64, now_s: i64) -> bool {
        self.definition_id == definition_id && !self.is_revoked(user_generation) && now_s < self.ends_at_s
    }
}

impl Sessions {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.sealed_table("SESSIONS_TABLE", &SEALED)? })
    }

    /// Seals a batch of records with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }

    /// Creates a definition; false if there is one of its product and tag.
    pub(crate) async fn define(&self, record: &DefinitionRecord) -> Result<bool, Error> {
        self.table.put_if(record, is_new("record")).await
    }

    /// Reads a definition.
    pub(crate) async fn definition(&self, owner: Owner<'_>) -> Result<Option<DefinitionRecord>, Error> {
        self.table.get(&definition_key(owner)).await
    }

    /// Reads the definitions of a tenant, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn definitions(&self, tenant: &TenantId) -> Result<Vec<DefinitionRecord>, Error> {
        self.table.query(Query::new(beginning(tenant.as_str(), DEFINITIONS)).limit(LIST_LIMIT + 1)).await
    }

    /// Replaces a definition as it was read; false if it has been changed since.
    pub(crate) async fn change(&self, record: &DefinitionRecord) -> Result<bool, Error> {
        let changed = DefinitionRecord { version: record.version + 1, ..record.clone() };
        self.table.put_if(&changed, unchanged(record)).await
    }

    /// Deletes a definition, and with it ends its sessions; returns it as it was.
    pub(crate) async fn delete_definition(&self, owner: Owner<'_>) -> Result<Option<DefinitionRecord>, Error> {
        self.table.delete(&definition_key(owner), None).await
    }

    /// Removes the records of up to 1,000 sessions that have ended with their definition.
    pub(crate) async fn remove(&self, owner: Owner<'_>, definition_id: &str) -> Result<(), Error> {
        let query = Query::new(beginning(&owner.key(), SESSIONS)).limit(REMOVED_AT_ONCE);
        let mut deletes = Vec::new();
        for row in self.table.query_rows(query).await? {
            let of: Option<String> = row.attribute("definitionId");
            if let Some(record) = row.attribute::<String>("record").filter(|_| of.as_deref() == Some(definition_id)) {
                deletes.push(self.table.deleting(&json!({"owner": owner.key(), "record": record}), None)?);
            }
        }
        for deletes in deletes.chunks(TRANSACTION_LIMIT) {
            self.table.transact(deletes.to_vec()).await?;
        }
        Ok(())
    }

    /// Starts a session; its id is random, so one with the same id can only be itself.
    pub(crate) async fn start(&self, record: &SessionRecord) -> Result<(), Error> {
        self.table.put_if(record, is_new("record")).await.map(drop)
    }

    /// Reads a session.
    pub(crate) async fn session(&self, owner: Owner<'_>, id: &str) -> Result<Option<SessionRecord>, Error> {
        self.table.get(&owner.session(id)).await
    }

    /// Reads the sessions of a definition, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn sessions(&self, owner: Owner<'_>) -> Result<Vec<SessionRecord>, Error> {
        self.table.query(Query::new(beginning(&owner.key(), SESSIONS)).limit(LIST_LIMIT + 1)).await
    }

    /// Reads how often each user of a definition has been revoked.
    pub(crate) async fn revoked_users(&self, owner: Owner<'_>) -> Result<RevokedUsers, Error> {
        let users: Vec<UserRecord> = self.table.query(Query::new(beginning(&owner.key(), USERS))).await?;
        Ok(RevokedUsers(users.into_iter().map(|user| (user.record, user.user_generation)).collect()))
    }

    /// Reads what decides whether a session is good, strongly consistent and in one request.
    pub(crate) async fn standing(
        &self,
        owner: Owner<'_>,
        env: &Slug,
        session_id: &str,
        identifier: &str,
    ) -> Result<Standing, Error> {
        let keys = [
            definition_key(owner),
            owner.session(session_id),
            owner.user(Some(env), identifier),
            owner.user(None, identifier),
        ];
        let mut standing = Standing::default();
        for row in self.table.get_rows(&keys).await? {
            let record: String = row.attribute("record").unwrap_or_default();
            let definition_id = row.attribute("definitionId");
            let user_generation: u64 = row.attribute("userGeneration").unwrap_or_default();
            if record.starts_with(DEFINITIONS) {
                standing.definition_id = definition_id;
            } else if record.starts_with(USERS) {
                standing.user_generation += user_generation;
            } else {
                let is_revoked = row.attribute("revoked").unwrap_or(true);
                standing.session = definition_id.map(|definition_id| (definition_id, user_generation, is_revoked));
            }
        }
        Ok(standing)
    }

    /// Replaces the refresh token of a session as it was read by the next one, with new times; false if another request
    /// did so first or it was revoked.
    pub(crate) async fn rotate(&self, former: &SessionRecord, next: &SessionRecord) -> Result<bool, Error> {
        let rotate = Expression::new(
            "SET generation = :next, rotatedAtMs = :now, endsAtS = :end, refreshableUntilS = :until, \
             expiresAt = :removal",
        );
        let rotate = rotate.value(":next", next.generation).value(":now", next.rotated_at_ms);
        let rotate = rotate.value(":end", next.ends_at_s).value(":until", next.refreshable_until_s);
        let rotate = rotate.value(":removal", next.expires_at);
        let unchanged = Expression::new("generation = :generation AND revoked = :false");
        let unchanged = unchanged.value(":generation", former.generation).value(":false", false);
        let key = json!({"owner": former.owner, "record": former.record});
        Ok(self.table.update::<SessionRecord>(&key, rotate, Some(unchanged)).await?.is_some())
    }

    /// Revokes a session; false if it was revoked before, `None` if there is none.
    pub(crate) async fn revoke(&self, owner: Owner<'_>, session_id: &str) -> Result<Option<bool>, Error> {
        let revoke = || Expression::new("SET revoked = :true").value(":true", true);
        let valid = Expression::new("revoked = :false").value(":false", false);
        let key = owner.session(session_id);
        if self.table.update::<SessionRecord>(&key, revoke(), Some(valid)).await?.is_some() {
            return Ok(Some(true));
        }
        Ok(self.table.get::<SessionRecord>(&key).await?.map(|_| false))
    }

    /// Revokes all sessions that a user has now, in one environment or in all.
    pub(crate) async fn revoke_user(
        &self,
        owner: Owner<'_>,
        env: Option<&Slug>,
        identifier: &str,
    ) -> Result<(), Error> {
        let raise = Expression::new("ADD userGeneration :one").value(":one", 1);
        self.table.update::<UserRecord>(&owner.user(env, identifier), raise, None).await.map(drop)
    }
}

impl RevokedUsers {
    /// Returns how often a user has been revoked that counts in an environment.
    pub(crate) fn generation(&self, owner: Owner<'_>, env: &Slug, identifier: &str) -> u64 {
        let of = |env| self.0.get(&owner.user_record(env, identifier)).copied().unwrap_or_default();
        of(Some(env)) + of(None)
    }
}

fn beginning(owner: &str, prefix: &str) -> Expression {
    let key = Expression::new("#owner = :owner AND begins_with(#record, :prefix)");
    key.name("#owner", "owner").name("#record", "record").value(":owner", owner).value(":prefix", prefix)
}

fn definition_key(owner: Owner<'_>) -> Value {
    json!({"owner": owner.tenant, "record": definition_record(owner.product, owner.tag)})
}

fn definition_record(product: &Tag, tag: &Tag) -> String {
    format!("{DEFINITIONS}{product}#{tag}")
}

/// The condition that a definition is as it was read.
fn unchanged(record: &DefinitionRecord) -> Expression {
    let condition = Expression::new("version = :version AND definitionId = :id");
    condition.value(":version", record.version).value(":id", &record.definition_id)
}
