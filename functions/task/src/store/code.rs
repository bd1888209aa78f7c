//! The code of functions, in parts in `CODE_TABLE`; a short text is in the record that names it instead.
//!
//! Each upload has parts of its own, which are there before anything names them and never change. So code is removed
//! with the last version that names its upload, whatever is uploaded at the same time.

use std::io::{Read as _, Write as _};

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::event::TenantId;
use shared::table::{Check, Expression, Query, Table};
use shared::{Environment, Error};

use crate::code::{Code, Form, Runnable};

/// The longest text in the record that names it: a record of 4 KB is read at the lowest price.
const INLINE_LIMIT_BYTES: usize = 3 * 1024;
/// `DynamoDB` limits an item to 400 KB in all.
const PART_BYTES: usize = 350 * 1024;
/// How much unpacked code a process keeps.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// What code is, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodeRef {
    pub(crate) form: Form,
    /// The SHA-256 of the bytes, in hex.
    pub(crate) hash: String,
    /// The size of the text or the archive.
    pub(crate) size_bytes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inline: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<Upload>,
}

impl CodeRef {
    /// Tells whether there is no code, as for a function that needs none.
    pub(crate) fn is_empty(&self) -> bool {
        self.size_bytes == 0
    }
}

/// The parts of code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) parts: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    tenant_id: TenantId,
    /// `<upload>#<number>`.
    part: String,
    content: Bytes,
}

/// The table of code. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CodeStore {
    table: Table,
    /// By hash.
    programs: Cache<String, Runnable>,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("CODE_TABLE")?.check(|_: Part| Ok(())))
}

impl CodeStore {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let weight = |_: &String, program: &Runnable| u32::try_from(program.size_bytes()).unwrap_or(u32::MAX);
        let programs = Cache::builder().max_capacity(CACHE_BYTES).weigher(weight).build();
        Ok(Self { table: environment.table("CODE_TABLE")?, programs })
    }

    /// Writes the parts of an upload, which nothing may name before.
    pub(crate) async fn write(&self, tenant: &TenantId, id: &str, parts: Vec<Bytes>) -> Result<(), Error> {
        for (number, content) in parts.into_iter().enumerate() {
            self.table.put(&Part { tenant_id: tenant.clone(), part: part_name(id, number), content }).await?;
        }
        Ok(())
    }

    /// Reads code as it was sent; `None` if its upload has been removed.
    pub(crate) async fn read(&self, tenant: &TenantId, place: &CodeRef) -> Result<Option<Code>, Error> {
        let Some(upload) = &place.upload else {
            let bytes = place.inline.clone().unwrap_or_default().into();
            return Ok(Some(Code { form: place.form, bytes }));
        };
        let of_upload = Expression::new("tenantId = :tenant AND begins_with(part, :upload)")
            .value(":tenant", tenant)
            .value(":upload", format!("{}#", upload.id));
        let parts: Vec<Part> = self.table.query(Query::new(of_upload)).await?;
        if parts.len() != upload.parts {
            return Ok(None);
        }
        let mut packed = BytesMut::new();
        parts.iter().for_each(|part| packed.put_slice(&part.content));
        let bytes = match place.form {
            Form::Text => inflated(&packed, place.size_bytes)?,
            Form::Zip => packed.freeze(),
        };
        let code = Code { form: place.form, bytes };
        match code.hash() == place.hash {
            true => Ok(Some(code)),
            false => {
                Err(Error::new("read code", format!("the parts of upload {} are not what was written", upload.id)))
            }
        }
    }

    /// Reads code as it is run, from the cache if it is there; `None` if its upload has been removed.
    pub(crate) async fn program(&self, tenant: &TenantId, place: &CodeRef) -> Result<Option<Runnable>, Error> {
        if let Some(text) = &place.inline {
            return Ok(Some(Runnable::Text(text.as_str().into())));
        }
        if let Some(program) = self.programs.get(&place.hash).await {
            return Ok(Some(program));
        }
        let Some(code) = self.read(tenant, place).await? else { return Ok(None) };
        let program = code.program().map_err(|message| Error::new("unpack code", message))?;
        self.programs.insert(place.hash.clone(), program.clone()).await;
        Ok(Some(program))
    }

    /// Removes the parts of an upload that nothing names.
    pub(crate) async fn remove(&self, tenant: &TenantId, upload: &Upload) -> Result<(), Error> {
        for number in 0..upload.parts {
            let key = json!({"tenantId": tenant, "part": part_name(&upload.id, number)});
            self.table.delete::<Part>(&key, None).await?;
        }
        Ok(())
    }
}

/// Where code is to be, and the parts that have to be written there at first.
pub(crate) fn placed(code: &Code, upload_id: String) -> Result<(CodeRef, Vec<Bytes>), Error> {
    let blank = CodeRef { form: code.form, hash: code.hash(), size_bytes: code.bytes.len(), ..CodeRef::default() };
    if code.form == Form::Text && code.bytes.len() <= INLINE_LIMIT_BYTES {
        return Ok((CodeRef { inline: Some(code.as_sent()), ..blank }, Vec::new()));
    }
    let packed = match code.form {
        Form::Text => deflated(&code.bytes)?,
        Form::Zip => code.bytes.clone(),
    };
    let starts = (0..packed.len()).step_by(PART_BYTES);
    let parts: Vec<Bytes> = starts.map(|at| packed.slice(at..packed.len().min(at + PART_BYTES))).collect();
    let upload = Upload { id: upload_id, parts: parts.len() };
    Ok((CodeRef { upload: Some(upload), ..blank }, parts))
}

fn part_name(upload: &str, number: usize) -> String {
    format!("{upload}#{number:03}")
}

fn deflated(bytes: &[u8]) -> Result<Bytes, Error> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).map_err(Error::cannot("compress code"))?;
    Ok(encoder.finish().map_err(Error::cannot("compress code"))?.into())
}

fn inflated(bytes: &[u8], size_bytes: usize) -> Result<Bytes, Error> {
    let mut text = Vec::with_capacity(size_bytes);
    let limited = DeflateDecoder::new(bytes).take(size_bytes as u64 + 1);
    { limited }.read_to_end(&mut text).map_err(Error::cannot("unpack code"))?;
    Ok(text.into())
}
