//! Functions, code with its settings each, in `FUNCTIONS_TABLE`: their names are unique within a tenant.

mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::future::Cache;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use shared::clock::{Clock, Ids};
use shared::directory::function_key;
use shared::event::TenantId;
use shared::event::command::is_function_name;
use shared::seal::{Resealed, Seal, Sealed, SealedAttribute, reseal};
use shared::table::{Check, Expression, Query, Table};
use shared::{Environment, Error};

use crate::code::{Code, Runnable};
use crate::lambda::LambdaTarget;
use crate::scripts::Scripts;
use crate::store::code::{CodeRef, CodeStore};
use crate::store::task::{INTERRUPTED, Priority};
use crate::store::version::Versions;
pub(crate) use write::Change;

/// What stands for the value of an environment variable wherever it is shown.
pub(crate) const MASK: &str = "*****";
/// The values of the environment variables, as JSON.
pub(super) const VALUES: SealedAttribute =
    SealedAttribute { path: &["sealedVariables"], sealed_for: |id| format!("function/{id}/variables") };
/// How long another process may still run the previous version of a function.
const CACHED: Duration = Duration::from_secs(5);
const CACHED_FUNCTIONS: u64 = 1_000;
/// Of how many functions a list can be made.
pub(crate) const LIST_LIMIT: usize = 1_000;

/// A function: code and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Function {
    /// The unique name.
    pub(crate) name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Where its code is.
    #[serde(skip)]
    pub(crate) code: CodeRef,
    /// The number of its current version, which each change of what it runs makes.
    pub(crate) version: u32,
    /// How often it was changed at all.
    #[serde(skip)]
    pub(crate) revision: u64,
    /// The id of its last change.
    #[serde(skip)]
    pub(crate) change_id: String,
    /// The name of the exported function, in a package after that of its file, as `index.handler`; `main`, `handler`,
    /// `doTask` or the default export unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entry_point: Option<String>,
    /// `lambda`, or whatever clients of other systems call theirs: every script runs in the same sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<String>,
    /// The function of AWS Lambda that does its tasks, if the runtime is `lambda`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lambda: Option<LambdaTarget>,
    /// Seconds that a run may take, 3 to 300.
    pub(crate) time_limit: u32,
    /// Megabytes that a run may use, 128 to 10240, of which a script gets at most 256.
    pub(crate) memory_limit: u32,
    /// The content of `process.env`, with [`MASK`] in place of every value.
    #[serde(default)]
    pub(crate) environment_variables: BTreeMap<String, Variable>,
    /// Who may execute it directly, and the default priority of its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) execution_options: Option<ExecutionOptions>,
    /// The permissions of the access token that its scripts get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) execution_credentials: Option<ExecutionCredentials>,
    /// Which of its failed tasks are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_policy: Option<RetryPolicy>,
    /// Whether what its tasks read from outside is kept, so that they can be replayed.
    #[serde(default = "is_journaled")]
    pub(crate) journal: bool,
    /// Whether each of its tasks starts in a realm of its own.
    #[serde(default)]
    pub(crate) isolation: Isolation,
    /// Whether tasks may run it.
    pub(crate) enabled: bool,
    /// When it was created.
    #[serde(with = "shared::clock::iso")]
    pub(crate) creation_timestamp: Timestamp,
    /// When it was last changed.
    #[serde(with = "shared::clock::iso")]
    pub(crate) update_timestamp: Timestamp,
}

/// The value of an environment variable, which is written masked wherever it goes: only [`Functions`] seals the text.
#[derive(Clone, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
pub(crate) struct Variable {
    /// The text; `*****` in answers, and in a change to keep the former text.
    pub(crate) value: String,
}

impl Serialize for Variable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut masked = serializer.serialize_struct("Variable", 1)?;
        masked.serialize_field("value", MASK)?;
        masked.end()
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Who may execute a function directly, and the default priority of its tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionOptions {
    /// `permissionRequired`, `allUsers` or `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) permission_mode: Option<PermissionMode>,
    /// The priority of tasks that do not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub(crate) default_priority: Option<Priority>,
}

/// With which permissions the scripts of a function call the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ExecutionCredentials {
    /// The permissions of the access token; without any there is no token. Whoever gives them must hold them.
    pub(crate) permissions: Vec<String>,
}

/// Which failures of a function are retried: up to three times, after 2, 5 and 10 seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetryPolicy {
    /// Whether any are; `false` unless given.
    #[serde(default)]
    pub(crate) enabled: bool,
    /// The names of the errors; all but `zombieTaskCleaned` if there are none.
    #[serde(default)]
    pub(crate) errors_to_retry: Vec<String>,
}

impl RetryPolicy {
    /// Whether a task that fails with this error is tried again.
    ///
    /// What an interrupted task did is not known, so that only who says so gets it done again.
    pub(crate) fn covers(&self, error: &str) -> bool {
        let is_named = self.errors_to_retry.iter().any(|name| name == error);
        self.enabled && (is_named || self.errors_to_retry.is_empty() && error != INTERRUPTED)
    }
}

/// Who may execute a function directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PermissionMode {
    /// Users with the permission.
    PermissionRequired,
    /// Every user.
    AllUsers,
    /// Everybody.
    Public,
}

/// What a script of a function can find of the tasks before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Isolation {
    /// Nothing: each task starts in a realm of its own.
    #[default]
    Fresh,
    /// What earlier tasks of the same version have left in its modules and globals, as on AWS Lambda; or nothing.
    Warm,
}

/// Functions have journals unless they say otherwise.
fn is_journaled() -> bool {
    true
}

impl Function {
    /// Tells whether a run of it may differ from one of another version.
    pub(crate) fn runs_as(&self, other: &Self) -> bool {
        let what = |function: &Self| (function.code.form, function.code.hash.clone(), function.entry_point.clone());
        let how = |function: &Self| {
            (function.runtime.clone(), function.lambda.clone(), function.time_limit, function.memory_limit)
        };
        what(self) == what(other)
            && how(self) == how(other)
            && self.environment_variables == other.environment_variables
            && self.isolation == other.isolation
    }

    /// Who may execute it directly.
    pub(crate) fn permission_mode(&self) -> PermissionMode {
        let mode = self.execution_options.as_ref().and_then(|options| options.permission_mode);
        mode.unwrap_or(PermissionMode::PermissionRequired)
    }

    /// The permissions that its scripts have.
    pub(crate) fn permissions(&self) -> &[String] {
        self.execution_credentials.as_ref().map_or(&[], |credentials| &credentials.permissions)
    }

    /// The priority of tasks that do not name one.
    pub(crate) fn default_priority(&self) -> Option<Priority> {
        self.execution_options.as_ref()?.default_priority
    }
}

/// A function as it is written to its table: the values of its variables are apart from it, and sealed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    tenant_id: &'a TenantId,
    #[serde(flatten)]
    function: &'a Function,
    code: &'a CodeRef,
    revision: u64,
    change_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_variables: Option<&'a Sealed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<&'a str>,
}

/// A function as it is read from its table.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(flatten)]
    function: Function,
    code: CodeRef,
    revision: u64,
    change_id: String,
    sealed_variables: Option<Sealed>,
}

/// The table of functions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Functions {
    table: Table,
    seal: Seal,
    code: CodeStore,
    versions: Versions,
    ids: Ids,
    clock: Clock,
    /// By tenant and name.
    cache: Cache<String, Arc<Function>>,
    /// What tasks run that name a script in place of a function.
    pub(crate) scripts: Scripts,
}

/// Returns how the table is checked.
pub(crate) fn check(environment: &Environment) -> Result<Check, Error> {
    Ok(environment.table("FUNCTIONS_TABLE")?.check(|_: Stored| Ok(())))
}

impl Functions {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let cache = Cache::builder().max_capacity(CACHED_FUNCTIONS).time_to_live(CACHED).build();
        Ok(Self {
            table: environment.table("FUNCTIONS_TABLE")?,
            seal: environment.seal()?,
            code: CodeStore::new(environment)?,
            versions: Versions::new(environment)?,
            ids: environment.ids.clone(),
            clock: environment.clock.clone(),
            cache,
            scripts: Scripts::new(environment)?,
        })
    }

    /// Reads a function from the cache or the table; a change by another process shows after a moment.
    pub(crate) async fn recent(&self, tenant: &TenantId, name: &str) -> Result<Option<Arc<Function>>, Error> {
        let key = tenant.key(name);
        if let Some(function) = self.cache.get(&key).await {
            return Ok(Some(function));
        }
        let Some(function) = self.get(tenant, name).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.cache.insert(key, function.clone()).await;
        Ok(Some(function))
    }

    /// Reads a function.
    pub(crate) async fn get(&self, tenant: &TenantId, name: &str) -> Result<Option<Function>, Error> {
        if !is_function_name(name) {
            return Ok(None);
        }
        let Some(stored) = self.table.get::<Stored>(&function_key(tenant, name)).await? else { return Ok(None) };
        let Stored { function, code, revision, change_id, sealed_variables } = stored;
        let mut function = Function { code, revision, change_id, ..function };
        if let Some(sealed) = sealed_variables {
            function.environment_variables = opened(&self.seal, &tenant.key(name), &sealed).await?;
        }
        Ok(Some(function))
    }

    /// Reads the code of a function as it was sent; `None` if another version has taken its place meanwhile.
    pub(crate) async fn code(&self, tenant: &TenantId, function: &Function) -> Result<Option<Code>, Error> {
        self.code.read(tenant, &function.code).await
    }

    /// Reads the code of a function as it is run.
    ///
    /// # Errors
    ///
    /// Also when the function was changed so often meanwhile that its former code is gone; the next call reads the new one.
    pub(crate) async fn program(&self, tenant: &TenantId, function: &Function) -> Result<Runnable, Error> {
        if let Some(program) = self.code.program(tenant, &function.code).await? {
            return Ok(program);
        }
        self.cache.invalidate(&tenant.key(&function.name)).await;
        Err(Error::new("read the code of a function", format!("that of `{}` is not there any more", function.name)))
    }

    /// The versions of the functions.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Reads all functions of a tenant by name, and one more than [`LIST_LIMIT`] at most; the values of their variables are
    /// masked.
    pub(crate) async fn all(&self, tenant: &TenantId) -> Result<Vec<Function>, Error> {
        let of_tenant = Expression::new("tenantId = :tenant").value(":tenant", tenant);
        self.table.query(Query::new(of_tenant).limit(LIST_LIMIT + 1)).await
    }

    /// Seals the variables of a batch of functions and of their versions with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        let functions = reseal(&self.table, &self.seal, &["tenantId", "name"], &[VALUES]).await?;
        let versions = self.versions.reseal().await?;
        Ok(Resealed { resealed: functions.resealed + versions.resealed, more: functions.more || versions.more })
    }
}

/// Seals the values of variables, if there are any, for the record of an id.
pub(super) async fn sealed(
    seal: &Seal,
    id: &str,
    variables: &BTreeMap<String, Variable>,
) -> Result<Option<Sealed>, Error> {
    if variables.is_empty() {
        return Ok(None);
    }
    let values: BTreeMap<&str, &str> =
        variables.iter().map(|(name, variable)| (name.as_str(), variable.value.as_str())).collect();
    let values = serde_json::to_vec(&values).map_err(Error::cannot("write environment variables"))?;
    seal.seal(&(VALUES.sealed_for)(id), &values).await.map(Some)
}

/// Opens the values of variables in the record of an id.
pub(super) async fn opened(seal: &Seal, id: &str, sealed: &Sealed) -> Result<BTreeMap<String, Variable>, Error> {
    let values = seal.open(&(VALUES.sealed_for)(id), sealed).await?;
    let values: BTreeMap<String, String> =
        serde_json::from_slice(&values).map_err(|_| Error::new("read environment variables", "they are not JSON"))?;
    Ok(values.into_iter().map(|(name, value)| (name, Variable { value })).collect())
}
