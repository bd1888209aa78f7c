//! Apps and their actions, in `APPS_TABLE`: `owner` is the tenant, or the tenant and the app of an action.

use jiff::Timestamp;
use shared::event::TenantId;
use shared::table::{Check, Write};
use shared::{Environment, Error};

pub(crate) use super::catalog::Lease;
use super::catalog::{ATTEMPTS, Catalog, Import, Item, Key, Ledger, Stored, Use, busy, pause};
use crate::app::{Action, App};
use crate::tag::Tag;

/// The record of an app.
pub(super) const APP: &str = "app";
/// The record of an action.
pub(super) const ACTION: &str = "action";

/// Of how many apps a list can be made.
pub(crate) const LIST_LIMIT: usize = 1_000;
/// The most actions of an app.
pub(crate) const ACTION_LIMIT: usize = 2_000;
/// The most actions that an app is created with, in one transaction.
pub(crate) const FIRST_ACTION_LIMIT: usize = 50;
/// The most actions and bytes in one transaction, of which DynamoDB takes 100 and 4 MB.
const BATCH_ACTIONS: usize = 50;
const BATCH_BYTES: usize = 3 * 1024 * 1024;

/// The table of apps. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Apps {
    catalog: Catalog,
}

/// Returns how the table of apps and products is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("APPS_TABLE")?.check(Item::check))
}

/// How an app was deleted, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// It is gone, with its actions.
    Deleted,
    /// There is none.
    Unknown,
    /// These access tags use it.
    InUse(Vec<Use>),
}

/// How actions were added to an app, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Addition {
    /// They are there.
    Added,
    /// There is no such app.
    UnknownApp,
    /// There is an action of this tag already.
    Exists(Tag),
    /// The app would have more than [`ACTION_LIMIT`].
    TooMany,
}

/// How an import of a document began, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The app is new.
    Created,
    /// The app was there: as it may be updated, or as the same document created it.
    Joined {
        /// Whether the same document created it.
        created: bool,
    },
    /// The app was there, and may not be updated.
    Exists,
    /// Another document is being imported.
    Busy,
}

/// An action to write, and what is there instead of it.
pub(crate) type ActionChange = (Action, Option<Stored<Action>>);

impl Apps {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { catalog: Catalog::new(environment)? })
    }

    /// Reads an app.
    pub(crate) async fn get(&self, tenant: &TenantId, app: &Tag) -> Result<Option<App>, Error> {
        Ok(self.find(tenant, app).await?.map(|stored| stored.value))
    }

    /// Reads an app with what is known of its record.
    pub(crate) async fn find(&self, tenant: &TenantId, app: &Tag) -> Result<Option<Stored<App>>, Error> {
        self.catalog.get(&Key::of_tenant(tenant, APP, app)).await
    }

    /// Reads a tenant's apps by tag, and one more than [`LIST_LIMIT`] at most.
    pub(crate) async fn all(&self, tenant: &TenantId) -> Result<Vec<Stored<App>>, Error> {
        self.catalog.all(tenant.to_string(), APP, LIST_LIMIT + 1).await
    }

    /// Reads an action.
    pub(crate) async fn action(&self, tenant: &TenantId, app: &Tag, action: &Tag) -> Result<Option<Action>, Error> {
        Ok(self.find_action(tenant, app, action).await?.map(|stored| stored.value))
    }

    /// Reads an action with what is known of its record.
    pub(crate) async fn find_action(
        &self,
        tenant: &TenantId,
        app: &Tag,
        action: &Tag,
    ) -> Result<Option<Stored<Action>>, Error> {
        self.catalog.get(&Key::below(tenant, app, ACTION, action)).await
    }

    /// Reads the actions of an app by tag.
    pub(crate) async fn actions(&self, tenant: &TenantId, app: &Tag) -> Result<Vec<Stored<Action>>, Error> {
        self.catalog.all(tenant.key(app.as_str()), ACTION, ACTION_LIMIT + BATCH_ACTIONS).await
    }

    /// Lists the access tags that use an app.
    pub(crate) async fn uses(&self, tenant: &TenantId, app: &Tag) -> Result<Vec<Use>, Error> {
        let ledger = self.catalog.ledger(tenant, app).await?.filter(|ledger| !ledger.value.is_deleted);
        Ok(ledger.map(|ledger| ledger.value.uses).unwrap_or_default())
    }

    /// Lists the apps of all tenants whose health is probed.
    pub(crate) async fn probed(&self) -> Result<Vec<(TenantId, Tag)>, Error> {
        let found = self.catalog.probed().await?;
        let app = |record: &str| Tag::parse(record.strip_prefix(APP)?.strip_prefix('#')?).ok();
        Ok(found.into_iter().filter_map(|(owner, record)| Some((TenantId::new(owner), app(&record)?))).collect())
    }

    /// Creates an app with its first actions, [`FIRST_ACTION_LIMIT`] at most; false if there is one of this tag.
    pub(crate) async fn create(&self, tenant: &TenantId, app: &App, actions: &[Action]) -> Result<bool, Error> {
        let key = key(tenant, app);
        for attempt in 1..=ATTEMPTS {
            // What was left of an app of the same name must not become part of this one.
            match self.catalog.ledger(tenant, &app.tag).await? {
                Some(ledger) if ledger.value.is_deleted => self.clear(tenant, &app.tag, ledger).await?,
                Some(_) => return Ok(false),
                None => {}
            }
            let ledger = Ledger { actions: actions.len(), ..Ledger::default() };
            let mut writes =
                vec![self.catalog.saving(&key, app, None)?, self.catalog.noting(tenant, &app.tag, None, &ledger)?];
            for action in actions {
                writes.push(self.catalog.saving(&Key::below(tenant, &app.tag, ACTION, &action.tag), action, None)?);
            }
            let unmet = self.catalog.transact(writes).await?;
            if unmet.is_empty() {
                return Ok(true);
            }
            if unmet.contains(&0) {
                return Ok(false);
            }
            pause(attempt).await;
        }
        Err(busy("create an app"))
    }

    /// Begins to import a document into an app, which is created if it is not there.
    pub(crate) async fn begin_import(
        &self,
        tenant: &TenantId,
        app: &App,
        lease: &Lease,
        now: Timestamp,
        update_if_exists: bool,
    ) -> Result<Begun, Error> {
        for attempt in 1..=ATTEMPTS {
            let former = match self.catalog.ledger(tenant, &app.tag).await? {
                Some(ledger) if ledger.value.is_deleted => {
                    self.clear(tenant, &app.tag, ledger).await?;
                    continue;
                }
                former => former,
            };
            let import = Some(Import { lease: lease.clone(), creates: former.is_none() });
            let Some(former) = former else {
                let ledger = Ledger { import, ..Ledger::default() };
                let writes = vec![
                    self.catalog.saving(&key(tenant, app), app, None)?,
                    self.catalog.noting(tenant, &app.tag, None, &ledger)?,
                ];
                if self.catalog.transact(writes).await?.is_empty() {
                    return Ok(Begun::Created);
                }
                pause(attempt).await;
                continue;
            };
            let mut creates = false;
            match &former.value.import {
                Some(running) if running.lease.digest == lease.digest => creates = running.creates,
                Some(running) if running.lease.until > now => return Ok(Begun::Busy),
                _ if !update_if_exists => return Ok(Begun::Exists),
                _ => {}
            }
            let import = Some(Import { lease: lease.clone(), creates });
            let ledger = Ledger { import, ..former.value.clone() };
            let noting = self.catalog.noting(tenant, &app.tag, Some(&former), &ledger)?;
            if self.catalog.transact(vec![noting]).await?.is_empty() {
                return Ok(Begun::Joined { created: creates });
            }
            pause(attempt).await;
        }
        Err(busy("begin an import"))
    }

    /// Ends the import of a document, so that another one can be imported.
    pub(crate) async fn end_import(&self, tenant: &TenantId, app: &Tag, digest: &str) -> Result<(), Error> {
        for attempt in 1..=ATTEMPTS {
            let Some(former) = self.catalog.ledger(tenant, app).await? else { return Ok(()) };
            if former.value.import.as_ref().is_none_or(|import| import.lease.digest != digest) {
                return Ok(());
            }
            let ledger = Ledger { import: None, ..former.value.clone() };
            let noting = self.catalog.noting(tenant, app, Some(&former), &ledger)?;
            if self.catalog.transact(vec![noting]).await?.is_empty() {
                return Ok(());
            }
            pause(attempt).await;
        }
        Err(busy("end an import"))
    }

    /// Replaces an app unless it has changed since it was read; returns whether it did.
    pub(crate) async fn replace(&self, tenant: &TenantId, former: &Stored<App>, app: &App) -> Result<bool, Error> {
        self.catalog.save(&key(tenant, app), app, Some(&former.stamp())).await
    }

    /// Deletes an app with its actions, unless an access tag uses it.
    ///
    /// The app is gone first and its actions follow; a deletion that was interrupted is finished by the next one, or
    /// before an app of the same tag is created.
    pub(crate) async fn delete(&self, tenant: &TenantId, app: &Tag) -> Result<Deletion, Error> {
        for attempt in 1..=ATTEMPTS {
            let Some(former) = self.catalog.ledger(tenant, app).await? else { return Ok(Deletion::Unknown) };
            if former.value.is_deleted {
                self.clear(tenant, app, former).await?;
                return Ok(Deletion::Deleted);
            }
            if !former.value.uses.is_empty() {
                return Ok(Deletion::InUse(former.value.uses));
            }
            let ledger = Ledger { is_deleted: true, ..former.value.clone() };
            let writes = vec![
                self.catalog.clearing(&Key::of_tenant(tenant, APP, app))?,
                self.catalog.noting(tenant, app, Some(&former), &ledger)?,
            ];
            if self.catalog.transact(writes).await?.is_empty() {
                if let Some(ledger) = self.catalog.ledger(tenant, app).await?.filter(|ledger| ledger.value.is_deleted) {
                    self.clear(tenant, app, ledger).await?;
                }
                return Ok(Deletion::Deleted);
            }
            pause(attempt).await;
        }
        Err(busy("delete an app"))
    }

    /// Deletes the actions of an app that has been deleted, and then its ledger.
    ///
    /// Each batch goes with a write of the ledger as it was read, so that whoever comes late touches no actions of a later
    /// app of the same tag.
    async fn clear(&self, tenant: &TenantId, app: &Tag, mut ledger: Stored<Ledger>) -> Result<(), Error> {
        loop {
            let actions = self.actions(tenant, app).await?;
            if actions.is_empty() {
                self.catalog.close(tenant, app, &ledger).await?;
                return Ok(());
            }
            for batch in actions.chunks(BATCH_ACTIONS) {
                let mut writes = vec![self.catalog.noting(tenant, app, Some(&ledger), &ledger.value)?];
                for action in batch {
                    writes.push(self.catalog.clearing(&Key::below(tenant, app, ACTION, &action.value.tag))?);
                }
                if !self.catalog.transact(writes).await?.is_empty() {
                    return Ok(());
                }
                match self.catalog.ledger(tenant, app).await? {
                    Some(next) if next.value.is_deleted => ledger = next,
                    _ => return Ok(()),
                }
            }
        }
    }

    /// Writes actions, as many at once as a transaction takes: new ones that must not exist, and others that must be as
    /// they were read.
    ///
    /// Returns how many were written before the first that could not be.
    pub(crate) async fn write_actions(
        &self,
        tenant: &TenantId,
        app: &Tag,
        changes: &[ActionChange],
    ) -> Result<(usize, Addition), Error> {
        let mut written = 0;
        while written < changes.len() {
            let batch = batch(&changes[written..]);
            match self.write_batch(tenant, app, batch).await? {
                Addition::Added => written += batch.len(),
                refused => return Ok((written, refused)),
            }
        }
        Ok((written, Addition::Added))
    }

    async fn write_batch(&self, tenant: &TenantId, app: &Tag, changes: &[ActionChange]) -> Result<Addition, Error> {
        let key = |action: &Action| Key::below(tenant, app, ACTION, &action.tag);
        let added = changes.iter().filter(|(_, former)| former.is_none()).count();
        for attempt in 1..=ATTEMPTS {
            let ledger = self.catalog.ledger(tenant, app).await?.filter(|ledger| !ledger.value.is_deleted);
            let Some(former) = ledger else { return Ok(Addition::UnknownApp) };
            let actions = former.value.actions + added;
            if actions > ACTION_LIMIT {
                return Ok(Addition::TooMany);
            }
            let mut writes: Vec<Write> = Vec::with_capacity(changes.len() + 1);
            for (action, former) in changes {
                let former = former.as_ref().map(Stored::stamp);
                writes.push(self.catalog.saving(&key(action), action, former.as_ref())?);
            }
            let ledger = Ledger { actions, ..former.value.clone() };
            writes.push(self.catalog.noting(tenant, app, Some(&former), &ledger)?);
            let unmet = self.catalog.transact(writes).await?;
            match unmet.first().map(|first| changes.get(*first)) {
                None => return Ok(Addition::Added),
                Some(Some((action, _))) => return Ok(Addition::Exists(action.tag.clone())),
                Some(None) => pause(attempt).await,
            }
        }
        Err(busy("write the actions of an app"))
    }

    /// Replaces an action unless it has changed since it was read; returns whether it did.
    pub(crate) async fn replace_action(
        &self,
        tenant: &TenantId,
        app: &Tag,
        former: &Stored<Action>,
        action: &Action,
    ) -> Result<bool, Error> {
        self.catalog.save(&Key::below(tenant, app, ACTION, &action.tag), action, Some(&former.stamp())).await
    }

    /// Deletes an action; false if there is none.
    pub(crate) async fn delete_action(&self, tenant: &TenantId, app: &Tag, action: &Tag) -> Result<bool, Error> {
        for attempt in 1..=ATTEMPTS {
            let ledger = self.catalog.ledger(tenant, app).await?.filter(|ledger| !ledger.value.is_deleted);
            let Some(former) = ledger else { return Ok(false) };
            let ledger = Ledger { actions: former.value.actions.saturating_sub(1), ..former.value.clone() };
            let writes = vec![
                self.catalog.deleting(&Key::below(tenant, app, ACTION, action))?,
                self.catalog.noting(tenant, app, Some(&former), &ledger)?,
            ];
            let unmet = self.catalog.transact(writes).await?;
            if unmet.is_empty() {
                return Ok(true);
            }
            if unmet.contains(&0) {
                return Ok(false);
            }
            pause(attempt).await;
        }
        Err(busy("delete an action"))
    }
}

fn key(tenant: &TenantId, app: &App) -> Key {
    Key::of_tenant(tenant, APP, &app.tag).probed(app.health.is_some())
}

/// Returns as many of the first changes as one transaction takes.
fn batch(changes: &[ActionChange]) -> &[ActionChange] {
    let mut bytes = 0;
    let fitting = changes.iter().take(BATCH_ACTIONS).take_while(|(action, _)| {
        bytes += shared::json::size_bytes(action);
        bytes <= BATCH_BYTES
    });
    let count = fitting.count();
    &changes[..count.max(1).min(changes.len())]
}
