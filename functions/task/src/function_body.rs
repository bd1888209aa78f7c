//! The body that creates or changes a function, and the rules of its fields.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use shared::Refusal;
use shared::event::command::{FUNCTION_NAME_LIMIT_CHARACTERS as NAME_LIMIT_CHARACTERS, is_function_name};
use shared::event::{StepError, TenantId};

use crate::sandbox::{Limits, Outside, Sandbox, Script};
use crate::store::function::{ExecutionOptions, Function, MASK, RetryPolicy, Variable};

const DESCRIPTION_LIMIT_CHARACTERS: usize = 4_096;
/// `DynamoDB` limits a record to 400 KB in all.
const CODE_LIMIT_BYTES: usize = 256 * 1024;
const VARIABLES_LIMIT_BYTES: usize = 4_096;
const ERRORS_LIMIT: usize = 50;
const TIME_LIMITS_S: (u32, u32) = (3, 300);
const DEFAULT_TIME_LIMIT_S: u32 = 30;
const MEMORY_LIMITS_MB: (u32, u32) = (128, 10_240);
const DEFAULT_MEMORY_LIMIT_MB: u32 = 128;
/// What compiling a script may take.
const COMPILATION: Limits =
    Limits { time: Duration::from_secs(2), memory_bytes: 64 * 1024 * 1024, stack_bytes: 512 * 1024, result_bytes: 0 };

/// A new function, or changes to one, where absent fields stay as they are.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionBody {
    /// The unique name: letters, digits and hyphens. Required for a new function, and never changed.
    pub(crate) name: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// The script's text. Required for a new function.
    pub(crate) code: Option<String>,
    /// The name of the exported function.
    pub(crate) entry_point: Option<String>,
    /// Stored for clients of other systems.
    pub(crate) runtime: Option<String>,
    /// Seconds that a run may take, 3 to 300; 30 unless given.
    pub(crate) time_limit: Option<u32>,
    /// Megabytes that a run may use, 128 to 10240; 128 unless given.
    pub(crate) memory_limit: Option<u32>,
    /// The content of `process.env`, 4096 bytes in all.
    pub(crate) environment_variables: Option<BTreeMap<String, Variable>>,
    /// Who may execute it directly, and the default priority of its tasks.
    pub(crate) execution_options: Option<ExecutionOptions>,
    /// Which of its failed tasks are tried again.
    pub(crate) retry_policy: Option<RetryPolicy>,
    /// Whether what its tasks read from outside is kept, so that they can be replayed; `true` unless given.
    pub(crate) journal: Option<bool>,
    /// Whether tasks may run it; `true` unless given.
    pub(crate) enabled: Option<bool>,
}

impl FunctionBody {
    /// Checks the body of a new function and builds the function.
    pub(crate) fn create(self, now: Timestamp) -> Result<Function, Refusal> {
        let name = self.name.clone().ok_or_else(|| Refusal::missing_field("name"))?;
        if self.code.is_none() {
            return Err(Refusal::missing_field("code"));
        }
        if !is_function_name(&name) {
            let message = format!("`name` must be 1 to {NAME_LIMIT_CHARACTERS} letters, digits and hyphens");
            return Err(bad(1407, "INVALID_FUNCTION_NAME_EXCEPTION", message));
        }
        let blank = Function {
            name,
            description: None,
            code: String::new(),
            entry_point: None,
            runtime: None,
            time_limit: DEFAULT_TIME_LIMIT_S,
            memory_limit: DEFAULT_MEMORY_LIMIT_MB,
            environment_variables: BTreeMap::new(),
            execution_options: None,
            retry_policy: None,
            journal: true,
            enabled: true,
            creation_timestamp: now,
            update_timestamp: now,
        };
        self.change(blank, now)
    }

    /// Checks the body of a change and applies it to the function.
    pub(crate) fn change(self, former: Function, now: Timestamp) -> Result<Function, Refusal> {
        if self.name.as_ref().is_some_and(|name| *name != former.name) {
            return Err(Refusal::field("name", "cannot be changed"));
        }
        self.check()?;
        let environment_variables = variables(self.environment_variables, former.environment_variables)?;
        if let Some(message) = self.code.as_deref().and_then(refused_code) {
            return Err(invalid_code(message));
        }
        Ok(Function {
            description: self.description.or(former.description),
            code: self.code.unwrap_or(former.code),
            entry_point: self.entry_point.or(former.entry_point),
            runtime: self.runtime.or(former.runtime),
            time_limit: self.time_limit.unwrap_or(former.time_limit),
            memory_limit: self.memory_limit.unwrap_or(former.memory_limit),
            environment_variables,
            execution_options: self.execution_options.or(former.execution_options),
            retry_policy: self.retry_policy.or(former.retry_policy),
            journal: self.journal.unwrap_or(former.journal),
            enabled: self.enabled.unwrap_or(former.enabled),
            update_timestamp: now,
            name: former.name,
            creation_timestamp: former.creation_timestamp,
        })
    }

    fn check(&self) -> Result<(), Refusal> {
        check_length("description", self.description.as_deref(), DESCRIPTION_LIMIT_CHARACTERS)?;
        check_length("entryPoint", self.entry_point.as_deref(), NAME_LIMIT_CHARACTERS)?;
        check_length("runtime", self.runtime.as_deref(), NAME_LIMIT_CHARACTERS)?;
        check_range("timeLimit", self.time_limit, TIME_LIMITS_S)?;
        check_range("memoryLimit", self.memory_limit, MEMORY_LIMITS_MB)?;
        let errors = self.retry_policy.iter().flat_map(|policy| &policy.errors_to_retry);
        let is_name = |name: &String| (1..=NAME_LIMIT_CHARACTERS).contains(&name.chars().count());
        if errors.clone().count() > ERRORS_LIMIT || !errors.clone().all(is_name) {
            let rule = format!("must have at most {ERRORS_LIMIT} names of 1 to {NAME_LIMIT_CHARACTERS} characters");
            return Err(Refusal::field("retryPolicy.errorsToRetry", rule));
        }
        Ok(())
    }
}

/// Refuses a text that cannot be the name of a function.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Refusal> {
    match is_function_name(name) {
        true => Ok(()),
        false => {
            Err(Refusal::field(field, format!("must be 1 to {NAME_LIMIT_CHARACTERS} letters, digits and hyphens")))
        }
    }
}

/// The variables after a change, in which a masked value stands for the former one.
fn variables(
    changed: Option<BTreeMap<String, Variable>>,
    mut former: BTreeMap<String, Variable>,
) -> Result<BTreeMap<String, Variable>, Refusal> {
    let Some(mut variables) = changed else { return Ok(former) };
    for (name, variable) in &mut variables {
        if variable.value == MASK {
            *variable = former.remove(name).ok_or_else(|| {
                let field = format!("environmentVariables.{name}.value");
                Refusal::field(&field, format!("must not be `{MASK}`, which stands for the value that a variable has"))
            })?;
        }
    }
    let bytes: usize = variables.iter().map(|(name, variable)| name.len() + variable.value.len()).sum();
    match bytes <= VARIABLES_LIMIT_BYTES {
        true => Ok(variables),
        false => {
            let rule = format!("must have at most {VARIABLES_LIMIT_BYTES} bytes in all");
            Err(Refusal::field("environmentVariables", rule))
        }
    }
}

fn check_length(field: &str, text: Option<&str>, limit: usize) -> Result<(), Refusal> {
    match text.is_none_or(|text| text.chars().count() <= limit) {
        true => Ok(()),
        false => Err(Refusal::field(field, format!("must have at most {limit} characters"))),
    }
}

fn check_range(field: &str, number: Option<u32>, (low, high): (u32, u32)) -> Result<(), Refusal> {
    match number.is_none_or(|number| (low..=high).contains(&number)) {
        true => Ok(()),
        false => Err(bad(1402, "INVALID_FUNCTION_PARAMETER_EXCEPTION", format!("`{field}` must be {low} to {high}"))),
    }
}

/// Refuses a function whose code cannot be compiled.
pub(crate) async fn check_compiles(sandbox: &Sandbox, tenant: &TenantId, function: &Function) -> Result<(), Refusal> {
    let script = Script {
        tenant: tenant.as_str().to_owned(),
        source: function.code.as_str().into(),
        file_name: format!("{}.js", function.name),
        entry_point: None,
        input: String::new(),
        variables: BTreeMap::new(),
        limits: COMPILATION,
        outside: Outside::Live,
    };
    let compiled = sandbox.check(script).await?;
    compiled.map_err(|StepError { message, .. }| invalid_code(format!("`code` cannot be compiled: {message}")))
}

/// What is wrong with the code, as far as that can be seen without compiling it.
fn refused_code(code: &str) -> Option<String> {
    if code.len() > CODE_LIMIT_BYTES {
        return Some(format!("`code` must have at most {CODE_LIMIT_BYTES} bytes"));
    }
    if code.trim().is_empty() {
        return Some("`code` must not be empty".to_owned());
    }
    // How every zip archive begins, in base64 and as it is.
    if code.starts_with("UEsD") || code.starts_with("PK\u{3}\u{4}") {
        return Some("`code` must be the text of a script, not a zip archive".to_owned());
    }
    code.contains('\0').then(|| "`code` must not contain a NUL character".to_owned())
}

fn invalid_code(message: String) -> Refusal {
    bad(1401, "INVALID_FUNCTION_CODE_EXCEPTION", message)
}

fn bad(code: u32, name: &'static str, message: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, name, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn created(body: Value) -> Result<Function, u32> {
        let body: FunctionBody = shared::json::from_value(body).map_err(|problem| Refusal::from(problem).code)?;
        body.create(Timestamp::UNIX_EPOCH).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_new_function_has_the_documented_defaults() {
        let function = created(json!({"name": "wipe-Data-2", "code": "exports.main = () => 1"})).unwrap();
        assert_eq!((function.time_limit, function.memory_limit, function.enabled), (30, 128, true));
    }

    #[test]
    fn every_field_has_its_rule() {
        let code = "exports.main = () => 1";
        let check = |body: Value, expected: u32| {
            assert_eq!(created(body.clone()), Err(expected), "{body}");
        };
        check(json!({"code": code}), 14);
        check(json!({"name": "a"}), 14);
        check(json!({"name": "", "code": code}), 1407);
        check(json!({"name": "a_b", "code": code}), 1407);
        check(json!({"name": "a".repeat(129), "code": code}), 1407);
        check(json!({"name": "a", "code": ""}), 1401);
        check(json!({"name": "a", "code": "UEsDBBQAAAAI"}), 1401);
        check(json!({"name": "a", "code": "a\0"}), 1401);
        check(json!({"name": "a", "code": "x".repeat(256 * 1024 + 1)}), 1401);
        check(json!({"name": "a", "code": code, "timeLimit": 2}), 1402);
        check(json!({"name": "a", "code": code, "timeLimit": 301}), 1402);
        check(json!({"name": "a", "code": code, "memoryLimit": 127}), 1402);
        check(json!({"name": "a", "code": code, "description": "x".repeat(4_097)}), 15);
        let variables = json!({"A": {"value": "x".repeat(4_096)}});
        check(json!({"name": "a", "code": code, "environmentVariables": variables}), 15);
        let deep = (0..50).fold(json!([]), |inner, _| json!([inner]));
        for policy in [
            json!({"errorsToRetry": deep}),
            json!({"errorsToRetry": [""]}),
            json!({"errorsToRetry": ["x".repeat(129)]}),
            json!({"errorsToRetry": vec!["x"; 51]}),
            json!({"enable": true}),
            json!([true]),
            deep,
        ] {
            check(json!({"name": "a", "code": code, "retryPolicy": policy}), 15);
        }
        let options = json!({"defaultPriority": i64::MIN});
        check(json!({"name": "a", "code": code, "executionOptions": options}), 15);
    }

    #[test]
    fn a_change_leaves_absent_fields_as_they_are() {
        let former = created(json!({"name": "a", "code": "exports.main = () => 1", "timeLimit": 5})).unwrap();
        let change: FunctionBody = serde_json::from_value(json!({"description": "d", "enabled": false})).unwrap();
        let now = Timestamp::from_second(1).unwrap();
        let changed = change.change(former.clone(), now).unwrap();
        let expected =
            Function { description: Some("d".to_owned()), enabled: false, update_timestamp: now, ..former.clone() };
        assert_eq!(changed, expected);
        let renamed: FunctionBody = serde_json::from_value(json!({"name": "b"})).unwrap();
        assert_eq!(renamed.change(former, now).unwrap_err().code, 15);
    }
}
