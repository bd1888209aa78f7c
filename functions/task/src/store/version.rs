//! The versions of functions, and notes of the uploads that no version names, in `FUNCTION_VERSIONS_TABLE`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::event::TenantId;
use shared::seal::{Resealed, Seal, Sealed, reseal};
use shared::table::{Check, Expression, Query, Table, Write};
use shared::{Environment, Error};

use super::code::{CodeRef, Upload};
use super::function::{Function, VALUES, opened, sealed};
use crate::access::Creator;

/// How many versions of a function are kept.
pub(crate) const KEPT: u32 = 50;
/// How the entries of notes begin; no name of a function has such a character.
const NOTE: &str = "#upload#";

/// A version of a function: what it ran and with which settings.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) function: Function,
    /// Who made it.
    pub(crate) creator: Creator,
    /// The version that was made current again by it.
    pub(crate) rollback_of: Option<u32>,
}

/// A version as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    tenant_id: &'a TenantId,
    entry: String,
    #[serde(flatten)]
    function: &'a Function,
    code: &'a CodeRef,
    #[serde(flatten)]
    creator: &'a Creator,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_of: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_variables: Option<&'a Sealed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<&'a str>,
}

/// A version as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(flatten)]
    function: Function,
    code: CodeRef,
    #[serde(flatten)]
    creator: Creator,
    rollback_of: Option<u32>,
    sealed_variables: Option<Sealed>,
}

/// Uploads that no version names: not yet, or not any more.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    tenant_id: TenantId,
    entry: String,
    pub(crate) uploads: Vec<Upload>,
    #[serde(with = "shared::clock::iso")]
    pub(crate) since: Timestamp,
}

impl Note {
    /// A note of uploads under an id.
    pub(crate) fn new(tenant: &TenantId, id: &str, uploads: Vec<Upload>, since: Timestamp) -> Self {
        Self { tenant_id: tenant.clone(), entry: format!("{NOTE}{id}"), uploads, since }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Version(#[expect(dead_code, reason = "only whether it can be read counts")] Box<Stored>),
    Note(#[expect(dead_code, reason = "only whether it can be read counts")] Note),
}

/// The table of versions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Versions {
    table: Table,
    seal: Seal,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("FUNCTION_VERSIONS_TABLE")?.check(|_: Entry| Ok(())))
}

impl Versions {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { table: environment.table("FUNCTION_VERSIONS_TABLE")?, seal: environment.seal()? })
    }

    /// Reads a version with the values of its variables.
    pub(crate) async fn get(&self, tenant: &TenantId, name: &str, number: u32) -> Result<Option<Version>, Error> {
        let entry = entry(name, number);
        let Some(mut stored) = self.table.get::<Stored>(&key(tenant, &entry)).await? else { return Ok(None) };
        if let Some(sealed) = stored.sealed_variables.take() {
            stored.function.environment_variables = opened(&self.seal, &tenant.key(&entry), &sealed).await?;
        }
        Ok(Some(version(stored)))
    }

    /// Reads the versions of a function, the newest first; the values of their variables are masked.
    pub(crate) async fn all(&self, tenant: &TenantId, name: &str) -> Result<Vec<Version>, Error> {
        let of_function = Self::beginning(tenant, &format!("{name}#"));
        let stored: Vec<Stored> = self.table.query(Query::new(of_function).descending()).await?;
        Ok(stored.into_iter().map(version).collect())
    }

    /// Prepares to write a version.
    pub(crate) async fn writing(&self, tenant_id: &TenantId, version: &Version) -> Result<Write, Error> {
        let Version { function, creator, rollback_of } = version;
        let entry = entry(&function.name, function.version);
        let sealed = sealed(&self.seal, &tenant_id.key(&entry), &function.environment_variables).await?;
        let record = Record {
            tenant_id,
            entry,
            function,
            code: &function.code,
            creator,
            rollback_of: *rollback_of,
            sealed_variables: sealed.as_ref(),
            key_version: sealed.as_ref().map(Sealed::key_version),
        };
        self.table.writing(&record, None)
    }

    /// Prepares to remove a version.
    pub(crate) fn removing(&self, tenant: &TenantId, name: &str, number: u32) -> Result<Write, Error> {
        self.table.deleting(&key(tenant, &entry(name, number)), None)
    }

    /// Writes a note.
    pub(crate) async fn note(&self, note: &Note) -> Result<(), Error> {
        self.table.put(note).await
    }

    /// Prepares to write a note.
    pub(crate) fn noting(&self, note: &Note) -> Result<Write, Error> {
        self.table.writing(note, None)
    }

    /// Prepares to remove the note of an upload, as a version names it.
    pub(crate) fn naming(&self, tenant: &TenantId, upload: &Upload) -> Result<Write, Error> {
        self.table.deleting(&key(tenant, &format!("{NOTE}{}", upload.id)), None)
    }

    /// Removes a note whose uploads are gone.
    pub(crate) async fn forget(&self, note: &Note) -> Result<(), Error> {
        self.table.delete::<Note>(&key(&note.tenant_id, &note.entry), None).await.map(drop)
    }

    /// Reads the notes of a tenant.
    pub(crate) async fn notes(&self, tenant: &TenantId) -> Result<Vec<Note>, Error> {
        self.table.query(Query::new(Self::beginning(tenant, NOTE))).await
    }

    /// Seals the variables of a batch of versions with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        reseal(&self.table, &self.seal, &["tenantId", "entry"], &[VALUES]).await
    }

    fn beginning(tenant: &TenantId, start: &str) -> Expression {
        Expression::new("tenantId = :tenant AND begins_with(#entry, :start)")
            .name("#entry", "entry")
            .value(":tenant", tenant)
            .value(":start", start)
    }
}

fn version(stored: Stored) -> Version {
    let Stored { function, code, creator, rollback_of, .. } = stored;
    Version { function: Function { code, ..function }, creator, rollback_of }
}

/// The number has as many digits as any, so that the order of texts is that of numbers.
fn entry(name: &str, number: u32) -> String {
    format!("{name}#{number:010}")
}

fn key(tenant: &TenantId, entry: &str) -> Value {
    json!({"tenantId": tenant, "entry": entry})
}
