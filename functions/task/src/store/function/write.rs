//! How a function changes: its code first, then the function and its new version in one transaction.
//!
//! Uploads that no version names, not yet or not any more, are noted. So whenever a process dies, a later change of the
//! tenant's functions removes what it left behind.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::Error;
use shared::directory::function_key;
use shared::event::TenantId;
use shared::seal::Sealed;
use shared::table::{Expression, Write, is_new};

use super::{Function, Functions, Record, Stored, sealed};
use crate::access::Creator;
use crate::code::Code;
use crate::store::code::{CodeRef, Upload, placed};
use crate::store::version::{KEPT, Note, Version};

/// How long an upload that is noted may still be under way.
const UPLOAD_TIME: SignedDuration = SignedDuration::from_hours(1);
/// How often a deletion is tried again that met a change.
const ATTEMPTS: usize = 10;

/// A change of a function, or a new one.
pub(crate) struct Change<'a> {
    /// The function as it was read before; `None` for a new one.
    pub(crate) former: Option<&'a Function>,
    /// The function as it is to be; its version, revision and former code are set by [`Functions::save`].
    pub(crate) next: Function,
    /// Who makes it.
    pub(crate) creator: Creator,
    /// The version that becomes current again.
    pub(crate) rollback_of: Option<u32>,
}

impl Functions {
    /// Uploads code, unless the function has the same already; nothing names it before the function is saved.
    pub(crate) async fn upload(
        &self,
        tenant: &TenantId,
        code: &Code,
        former: Option<&Function>,
    ) -> Result<CodeRef, Error> {
        let hash = code.hash();
        if let Some(former) = former.filter(|former| former.code.hash == hash && former.code.form == code.form) {
            return Ok(former.code.clone());
        }
        let (place, parts) = placed(code, format!("{}-{}", &hash[..16], self.ids.hex24()))?;
        if let Some(upload) = &place.upload {
            self.versions.note(&Note::new(tenant, &upload.id, vec![upload.clone()], self.clock.now())).await?;
            self.code.write(tenant, &upload.id, parts).await?;
        }
        Ok(place)
    }

    /// Removes an upload that came to nothing.
    pub(crate) async fn discard(&self, tenant: &TenantId, place: &CodeRef) -> Result<(), Error> {
        let Some(upload) = &place.upload else { return Ok(()) };
        self.remove(tenant, &Note::new(tenant, &upload.id, vec![upload.clone()], self.clock.now())).await
    }

    /// Saves a function, with a new version if a run of it may differ; `None` if it is not as it was read any more, or a
    /// new one's name is taken.
    pub(crate) async fn save(&self, tenant: &TenantId, change: Change<'_>) -> Result<Option<Function>, Error> {
        let Change { former, mut next, creator, rollback_of } = change;
        let is_new_version = former.is_none_or(|former| !former.runs_as(&next));
        next.version = former.map_or(0, |former| former.version) + u32::from(is_new_version);
        next.change_id = self.ids.hex24();
        next.revision = former.map_or(0, |former| former.revision) + 1;
        let condition = former.map_or_else(|| is_new("name"), |former| unchanged(former.revision));
        let mut writes = vec![self.writing(tenant, &next, condition).await?];
        let mut unnamed: Option<Note> = None;
        if is_new_version {
            let version = Version { function: next.clone(), creator, rollback_of };
            writes.push(self.versions.writing(tenant, &version).await?);
            if let Some(upload) = &next.code.upload {
                writes.push(self.versions.naming(tenant, upload)?);
            }
            if let Some(oldest) = next.version.checked_sub(KEPT).filter(|number| *number > 0) {
                writes.push(self.versions.removing(tenant, &next.name, oldest)?);
                unnamed = self.unnamed_without(tenant, &next, oldest).await?;
                writes.extend(unnamed.as_ref().map(|note| self.versions.noting(note)).transpose()?);
            }
        }
        let unmet = self.table.transact(writes).await?;
        self.cache.invalidate(&tenant.key(&next.name)).await;
        // A write of ours whose answer was lost counts as ours.
        if !unmet.is_empty() && !self.is_last(tenant, &next).await? {
            return Ok(None);
        }
        if unnamed.is_some() || is_new_version && next.code.upload.is_some() {
            self.tidy(tenant, unnamed).await;
        }
        Ok(Some(next))
    }

    /// Deletes a function with its versions and their code; false if there was none.
    pub(crate) async fn delete(&self, tenant: &TenantId, name: &str) -> Result<bool, Error> {
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.stored(tenant, name).await? else { return Ok(false) };
            let versions = self.versions.all(tenant, name).await?;
            let mut writes = vec![self.table.deleting(&function_key(tenant, name), Some(unchanged(stored.revision)))?];
            for version in &versions {
                writes.push(self.versions.removing(tenant, name, version.function.version)?);
            }
            let codes = versions.iter().map(|version| &version.function.code).chain([&stored.code]);
            let uploads: BTreeSet<Upload> = codes.filter_map(|code| code.upload.clone()).collect();
            let note = Note::new(tenant, &self.ids.hex24(), uploads.into_iter().collect(), self.clock.now());
            if !note.uploads.is_empty() {
                writes.push(self.versions.noting(&note)?);
            }
            let unmet = self.table.transact(writes).await?;
            self.cache.invalidate(&tenant.key(name)).await;
            if unmet.is_empty() {
                self.tidy(tenant, Some(note)).await;
                return Ok(true);
            }
        }
        Err(Error::new("delete a function", format!("`{name}` is being changed all the time")))
    }

    /// Tells whether the change that led to a function is the last one that was written.
    async fn is_last(&self, tenant: &TenantId, function: &Function) -> Result<bool, Error> {
        Ok(self.stored(tenant, &function.name).await?.is_some_and(|stored| stored.change_id == function.change_id))
    }

    async fn stored(&self, tenant: &TenantId, name: &str) -> Result<Option<Stored>, Error> {
        match shared::event::command::is_function_name(name) {
            true => self.table.get(&function_key(tenant, name)).await,
            false => Ok(None),
        }
    }

    async fn writing(&self, tenant_id: &TenantId, function: &Function, condition: Expression) -> Result<Write, Error> {
        let id = tenant_id.key(&function.name);
        let sealed = sealed(&self.seal, &id, &function.environment_variables).await?;
        let record = Record {
            tenant_id,
            function,
            code: &function.code,
            revision: function.revision,
            change_id: &function.change_id,
            sealed_variables: sealed.as_ref(),
            key_version: sealed.as_ref().map(Sealed::key_version),
        };
        self.table.writing(&record, Some(condition))
    }

    /// The upload that nothing names any more once a version is gone.
    async fn unnamed_without(&self, tenant: &TenantId, next: &Function, oldest: u32) -> Result<Option<Note>, Error> {
        let versions = self.versions.all(tenant, &next.name).await?;
        let (gone, kept): (Vec<_>, Vec<_>) =
            versions.into_iter().map(|version| version.function).partition(|function| function.version == oldest);
        let upload = gone.into_iter().find_map(|function| function.code.upload);
        let is_kept = |upload: &Upload| kept.iter().chain([next]).any(|kept| kept.code.upload.as_ref() == Some(upload));
        let upload = upload.filter(|upload| !is_kept(upload));
        Ok(upload.map(|upload| Note::new(tenant, &upload.id.clone(), vec![upload], self.clock.now())))
    }

    async fn remove(&self, tenant: &TenantId, note: &Note) -> Result<(), Error> {
        for upload in &note.uploads {
            self.code.remove(tenant, upload).await?;
        }
        self.versions.forget(note).await
    }

    /// Removes what nothing names any more; what fails is left to a later change.
    async fn tidy(&self, tenant: &TenantId, unnamed: Option<Note>) {
        let tidied = async {
            if let Some(note) = unnamed {
                self.remove(tenant, &note).await?;
            }
            self.sweep(tenant, self.clock.now()).await
        };
        if let Err(error) = tidied.await {
            tracing::warn!(error = error.chain(), "code that nothing names is still there");
        }
    }

    /// Removes what processes left behind that died while they uploaded code.
    async fn sweep(&self, tenant: &TenantId, now: Timestamp) -> Result<(), Error> {
        for note in self.versions.notes(tenant).await? {
            if note.since + UPLOAD_TIME < now {
                self.remove(tenant, &note).await?;
            }
        }
        Ok(())
    }
}

/// The condition that a function is as it was read.
fn unchanged(revision: u64) -> Expression {
    Expression::new("revision = :revision").value(":revision", revision)
}
