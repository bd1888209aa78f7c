//! The data of auths and the tokens made of them, sealed, in `CREDENTIALS_TABLE`.
//!
//! `owner` is the tenant, the product and the access tag; `record` is the environment and the auth. Every change is
//! conditional on what was read, so that data that is given meanwhile always wins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::clock::{Clock, Ids};
use shared::event::TenantId;
use shared::seal::Resealed;
use shared::table::{Check, Expression, Query, SealedAttributes, Table};
use shared::{Environment, Error};
use tokio::sync::Mutex as Turn;

use crate::failure::Failure;
use crate::product::Place;
use crate::tag::{Slug, Tag};

const SEALED: SealedAttributes = SealedAttributes { key: &["owner", "record"], apart: &[&["content"]], together: &[] };
/// How often a change is tried again that met another one.
const ATTEMPTS: usize = 20;

/// What is kept of an auth at a place.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stored {
    /// The app that the data is for.
    pub(crate) app: Tag,
    /// The data as it was given, possibly with `$Secret{…}`.
    pub(crate) data: Map<String, Value>,
    /// The refresh token that took the place of the one in the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated: Option<Rotated>,
    /// The token that was made of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Token>,
    /// Why the last attempt at a token failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<Failed>,
    /// Who is getting a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lease: Option<Lease>,
    /// How many attempts at a token have ended.
    pub(crate) round: u64,
    /// When the data was given.
    #[serde(with = "shared::clock::iso")]
    pub(crate) updated_at: Timestamp,
    /// Which giving of the data this is.
    data_id: String,
    version: u64,
}

/// A refresh token that a token endpoint gave in place of the one before.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rotated {
    pub(crate) refresh_token: String,
    /// The refresh token in the data that it descends from, hashed.
    pub(crate) origin: String,
}

/// A token that was made of the data of an auth.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    /// What `$Auth{tag}{…}` is walked in.
    pub(crate) value: Value,
    /// What it was made of and for, hashed; of use for nothing else.
    pub(crate) made_for: String,
    #[serde(with = "shared::clock::iso")]
    pub(crate) obtained_at: Timestamp,
    #[serde(with = "shared::clock::iso")]
    pub(crate) expires_at: Timestamp,
    /// The attempt that got it.
    pub(crate) round: u64,
    /// When the app refused it, if it did.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) refused_at: Option<Timestamp>,
    /// When the app refused the token before this one, if that is why there is this one.
    #[serde(default, with = "shared::clock::iso::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) replaces_refused_at: Option<Timestamp>,
}

/// An attempt at a token that failed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failed {
    /// Why; without any secret.
    pub(crate) failure: Failure,
    /// What the token was to be made of and for, hashed.
    pub(crate) made_for: String,
    #[serde(with = "shared::clock::iso")]
    pub(crate) at: Timestamp,
    /// Until when no other attempt is made.
    #[serde(with = "shared::clock::iso")]
    pub(crate) retry_at: Timestamp,
    /// The attempt.
    pub(crate) round: u64,
}

/// The right to get a token, which ends by itself if the one who has it crashes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lease {
    id: String,
    #[serde(with = "shared::clock::iso")]
    taken_at: Timestamp,
    #[serde(with = "shared::clock::iso")]
    until: Timestamp,
}

impl Stored {
    /// Tells whether no other data was given in between.
    pub(crate) fn is_of_same_data(&self, other: &Self) -> bool {
        self.data_id == other.data_id
    }
}

impl Lease {
    /// How far apart the clocks of two machines may be.
    pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(60);

    /// Tells whether somebody still has it; one from a future that a clock was set back from is nobody's.
    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        now < self.until && now + Self::SKEW >= self.taken_at
    }
}

/// An item of the table.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    owner: String,
    record: String,
    data_id: String,
    version: u64,
    /// A [`Stored`] as JSON, so that its numbers stay as they were given.
    content: String,
}

/// The table of credentials. Cheap to clone.
#[derive(Clone)]
pub(crate) struct StoredCredentials {
    table: Table,
    clock: Clock,
    ids: Ids,
    /// Whose turn it is in this process, by key.
    turns: Arc<Mutex<HashMap<String, Weak<Turn<()>>>>>,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.sealed_table("CREDENTIALS_TABLE", &SEALED)?.check(|item: Item| item.stored().map(drop)))
}

impl StoredCredentials {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let table = environment.sealed_table("CREDENTIALS_TABLE", &SEALED)?;
        let (clock, ids) = (environment.clock.clone(), environment.ids.clone());
        Ok(Self { table, clock, ids, turns: Arc::default() })
    }

    /// Stores the data of an auth at a place in place of any that it had.
    ///
    /// The same data again keeps the token that was made of it, and the refresh token that has taken the place of the one
    /// in it.
    pub(crate) async fn put(&self, place: &Place, auth: &Tag, data: &Map<String, Value>) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let former = self.get(place, auth).await?;
            let done = match former.filter(|former| former.app == place.app) {
                Some(former) if former.data == *data => {
                    self.replace(place, auth, &Stored { failed: None, ..former.clone() }, &former).await?
                }
                _ => {
                    let stored = Stored {
                        app: place.app.clone(),
                        data: data.clone(),
                        rotated: None,
                        token: None,
                        failed: None,
                        lease: None,
                        round: 0,
                        updated_at: self.clock.now(),
                        data_id: self.ids.uuid().to_string(),
                        version: 0,
                    };
                    self.table.put(&item(place, auth, &stored)?).await.map(|()| true)?
                }
            };
            if done {
                return Ok(());
            }
        }
        Err(Error::new("store credentials", "they are changed too often at the same time"))
    }

    /// Reads what is stored for an auth at a place, for whatever app.
    pub(crate) async fn get(&self, place: &Place, auth: &Tag) -> Result<Option<Stored>, Error> {
        let item: Option<Item> = self.table.get(&key(place, auth)).await?;
        item.map(|item| item.stored()).transpose()
    }

    /// Tells whether there is data for an auth of the place's app.
    #[cfg(test)]
    pub(crate) async fn is_configured(&self, place: &Place, auth: &Tag) -> Result<bool, Error> {
        Ok(self.get(place, auth).await?.is_some_and(|stored| stored.app == place.app))
    }

    /// Reads what is stored for an access tag: environments, auths, and what they have.
    pub(crate) async fn of_access_tag(
        &self,
        tenant: &TenantId,
        product: &Tag,
        access_tag: &Tag,
    ) -> Result<Vec<(Slug, Tag, Stored)>, Error> {
        let items: Vec<Item> = self.table.query(of_owner(&owner(tenant, product, access_tag))).await?;
        let read = |item: Item| {
            let (env, auth) = item.record.split_once('#')?;
            Some(item.stored().map(|stored| (Slug::parse(env).ok(), Tag::parse(auth).ok(), stored)))
        };
        let read: Vec<_> = items.into_iter().filter_map(read).collect::<Result<_, _>>()?;
        Ok(read.into_iter().filter_map(|(env, auth, stored)| Some((env?, auth?, stored))).collect())
    }

    /// Removes what is stored for an auth at a place; false if there was nothing.
    pub(crate) async fn delete(&self, place: &Place, auth: &Tag) -> Result<bool, Error> {
        let deleted: Option<Item> = self.table.delete(&key(place, auth), None).await?;
        Ok(deleted.is_some())
    }

    /// Removes everything that is stored at a place.
    pub(crate) async fn delete_place(&self, place: &Place) -> Result<(), Error> {
        let Place { tenant_id, product, access_tag, env, .. } = place;
        self.delete_where(tenant_id, product, access_tag, |record| {
            record.split_once('#').is_some_and(|(of, _)| of == env.as_str())
        })
        .await
    }

    /// Removes everything that is stored for an access tag.
    pub(crate) async fn delete_access_tag(
        &self,
        tenant: &TenantId,
        product: &Tag,
        access_tag: &Tag,
    ) -> Result<(), Error> {
        self.delete_where(tenant, product, access_tag, |_| true).await
    }

    async fn delete_where(
        &self,
        tenant: &TenantId,
        product: &Tag,
        access_tag: &Tag,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let owner = owner(tenant, product, access_tag);
        let rows = self.table.query_rows(of_owner(&owner)).await?;
        let records = rows.iter().filter_map(|row| row.attribute::<String>("record"));
        for record in records.filter(|record| is_meant(record)) {
            let _: Option<Item> = self.table.delete(&json!({"owner": owner, "record": record}), None).await?;
        }
        Ok(())
    }

    /// Takes the right to get a token, unless something has changed since `former` was read.
    pub(crate) async fn lease(
        &self,
        place: &Place,
        auth: &Tag,
        former: &Stored,
        time: SignedDuration,
    ) -> Result<Option<Lease>, Error> {
        let now = self.clock.now();
        let lease = Lease { id: self.ids.uuid().to_string(), taken_at: now, until: now + time };
        let leased = Stored { lease: Some(lease.clone()), ..former.clone() };
        if self.replace(place, auth, &leased, former).await? {
            return Ok(Some(lease));
        }
        // It was written all the same if the answer to that was lost.
        let current = self.get(place, auth).await?;
        Ok(current.and_then(|current| current.lease).filter(|held| *held == lease))
    }

    /// Changes what is stored as long as it is about the same data as `former`, and gives back its lease.
    ///
    /// Returns what is stored then: `None` if other data was given meanwhile, or none is there any more.
    pub(crate) async fn conclude(
        &self,
        place: &Place,
        auth: &Tag,
        former: &Stored,
        lease: &Lease,
        change: impl Fn(&mut Stored),
    ) -> Result<Option<Stored>, Error> {
        for _ in 0..ATTEMPTS {
            let Some(current) = self.get(place, auth).await?.filter(|current| current.data_id == former.data_id) else {
                return Ok(None);
            };
            let mut next = current.clone();
            change(&mut next);
            next.lease = next.lease.filter(|held| held != lease);
            if self.replace(place, auth, &next, &current).await? {
                return Ok(Some(next));
            }
        }
        Err(Error::new("store a token", "the credentials are changed too often at the same time"))
    }

    /// Writes in place of what was read; false if it has changed since, or is gone.
    pub(crate) async fn replace(
        &self,
        place: &Place,
        auth: &Tag,
        next: &Stored,
        former: &Stored,
    ) -> Result<bool, Error> {
        let unchanged = Expression::new("dataId = :dataId AND #version = :version").name("#version", "version");
        let unchanged = unchanged.value(":dataId", &former.data_id).value(":version", former.version);
        let next = Stored { version: former.version + 1, ..next.clone() };
        self.table.put_if(&item(place, auth, &next)?, unchanged).await
    }

    /// Returns what one at a time of this process has, for those who get a token for an auth at a place.
    pub(crate) fn turn(&self, place: &Place, auth: &Tag) -> Arc<Turn<()>> {
        let key = key(place, auth).to_string();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }

    /// Seals a batch of records with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.table.reseal().await
    }
}

impl Item {
    /// Reads the content; what is wrong with it is not said, as it would be quoted.
    fn stored(&self) -> Result<Stored, Error> {
        let stored: Stored =
            serde_json::from_str(&self.content).map_err(|_| Error::new("read credentials", "they are damaged"))?;
        // Only the content is sealed, so that it must be about this very item.
        match stored.version == self.version && stored.data_id == self.data_id {
            true => Ok(stored),
            false => Err(Error::new("read credentials", "they are damaged")),
        }
    }
}

fn item(place: &Place, auth: &Tag, stored: &Stored) -> Result<Item, Error> {
    Ok(Item {
        owner: owner(&place.tenant_id, &place.product, &place.access_tag),
        record: record(place, auth),
        data_id: stored.data_id.clone(),
        version: stored.version,
        content: serde_json::to_string(stored).map_err(|_| Error::new("write credentials", "they are not JSON"))?,
    })
}

fn key(place: &Place, auth: &Tag) -> Value {
    json!({"owner": owner(&place.tenant_id, &place.product, &place.access_tag), "record": record(place, auth)})
}

fn owner(tenant: &TenantId, product: &Tag, access_tag: &Tag) -> String {
    tenant.key(&format!("{product}#{access_tag}"))
}

fn record(place: &Place, auth: &Tag) -> String {
    format!("{}#{auth}", place.env)
}

fn of_owner(owner: &str) -> Query {
    Query::new(Expression::new("#owner = :owner").name("#owner", "owner").value(":owner", owner))
}
