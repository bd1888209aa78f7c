//! The table of channels.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::event::{ChannelId, TenantId};
use shared::seal::{Resealed, Seal, Sealed, SealedAttribute, reseal};
use shared::table::{self, Expression, Table};
use shared::{Environment, Error};

use crate::channel::{Channel, ChannelSettings};

const KEY: &str = "channelId";
/// The most channels that one list is computed from.
pub(crate) const LIST_LIMIT: usize = 10_000;

/// What is sealed in a record, each for the record's own id.
const SEALED: [SealedAttribute; 2] = [
    SealedAttribute { path: &["credentials"], sealed_for: str::to_owned },
    SealedAttribute { path: &["previous", "credentials"], sealed_for: str::to_owned },
];

/// A channel as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelRecord {
    /// The key.
    pub channel_id: ChannelId,
    /// The tenant of the channel.
    pub tenant_id: TenantId,
    /// What a client chose.
    #[serde(rename = "definition")]
    pub settings: ChannelSettings,
    /// The sealed credentials, unless unsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Sealed>,
    /// The credentials before these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousCredentials>,
    /// The version of the key that seals both, see [`Sealed::common_version`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<String>,
    /// When the channel was created.
    #[serde(with = "shared::clock::iso")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub updated_at: Timestamp,
    /// Counts the changes.
    pub version: u64,
}

/// Credentials that were replaced and are still valid for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviousCredentials {
    /// The credentials.
    pub credentials: Sealed,
    /// Until when they are valid.
    #[serde(with = "shared::clock::iso")]
    pub valid_until: Timestamp,
}

impl ChannelRecord {
    /// Replaces what is sealed.
    pub(crate) fn seal_with(&mut self, credentials: Option<Sealed>, previous: Option<PreviousCredentials>) {
        let sealed = credentials.iter().chain(previous.iter().map(|previous| &previous.credentials));
        self.key_version = Sealed::common_version(sealed).map(str::to_owned);
        (self.credentials, self.previous) = (credentials, previous);
    }

    /// Returns the channel as it is shown at `now`, with the API at `base_url`.
    pub(crate) fn shown(self, base_url: &str, now: Timestamp) -> Channel {
        Channel {
            webhook_url: format!("{base_url}/webhooks/{}", self.channel_id),
            channel_id: self.channel_id,
            settings: self.settings,
            previous_valid_until: self.previous.map(|previous| previous.valid_until).filter(|until| *until > now),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// Stores the channels.
#[derive(Debug, Clone)]
pub(crate) struct ChannelStore {
    table: Table,
}

impl ChannelStore {
    /// Uses the table that `CHANNELS_TABLE` names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("CHANNELS_TABLE")? })
    }

    /// Stores a new channel; returns `false` if its id is taken.
    pub(crate) async fn create(&self, record: &ChannelRecord) -> Result<bool, Error> {
        self.table.put_if(record, table::is_new(KEY)).await
    }

    /// Returns a channel if it exists in a tenant.
    pub(crate) async fn of_tenant(&self, id: &ChannelId, tenant: &TenantId) -> Result<Option<ChannelRecord>, Error> {
        Ok(self.get(id).await?.filter(|record| record.tenant_id == *tenant))
    }

    /// Returns a channel if it exists.
    pub(crate) async fn get(&self, id: &ChannelId) -> Result<Option<ChannelRecord>, Error> {
        self.table.get(&table::key(KEY, id.as_str())).await
    }

    /// Returns all channels of a tenant, the oldest first, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn list(&self, tenant: &TenantId) -> Result<Vec<ChannelRecord>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        let mut records: Vec<ChannelRecord> = self.table.scan(Some(of_tenant), LIST_LIMIT + 1).await?;
        records.sort_by(|a, b| (a.created_at, &a.channel_id).cmp(&(b.created_at, &b.channel_id)));
        Ok(records)
    }

    /// Replaces a channel; returns `false` if it is no longer in the version before this one.
    pub(crate) async fn replace(&self, record: &ChannelRecord) -> Result<bool, Error> {
        let unchanged = Expression::new("#version = :before").name("#version", "version");
        self.table.put_if(record, unchanged.value(":before", record.version - 1)).await
    }

    /// Deletes a channel; returns `false` if there was none.
    pub(crate) async fn delete(&self, id: &ChannelId) -> Result<bool, Error> {
        let deleted: Option<Value> = self.table.delete(&table::key(KEY, id.as_str()), None).await?;
        Ok(deleted.is_some())
    }

    /// Seals a batch of channels with the current key.
    pub(crate) async fn reseal(&self, seal: &Seal) -> Result<Resealed, Error> {
        reseal(&self.table, seal, &[KEY], &SEALED).await
    }
}
