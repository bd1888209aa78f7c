//! The body that creates or changes a function, and the rules of its fields.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shared::event::command::{FUNCTION_NAME_LIMIT_CHARACTERS as NAME_LIMIT_CHARACTERS, is_function_name};
use shared::event::{StepError, TenantId};
use shared::{Error, Refusal, nearest, permission};

use crate::code::{Code, Runnable};
use crate::lambda::{self, LambdaTarget};
use crate::sandbox::{self, Limits, Outside, Sandbox, Script};
use crate::store::code::CodeRef;
use crate::store::function::{
    ExecutionCredentials, ExecutionOptions, Function, Isolation, MASK, RetryPolicy, Variable,
};

const DESCRIPTION_LIMIT_CHARACTERS: usize = 4_096;
const VARIABLES_LIMIT_BYTES: usize = 4_096;
const ERRORS_LIMIT: usize = 50;
const TIME_LIMITS_S: (u32, u32) = (3, 300);
const DEFAULT_TIME_LIMIT_S: u32 = 30;
const MEMORY_LIMITS_MB: (u32, u32) = (128, 10_240);
const DEFAULT_MEMORY_LIMIT_MB: u32 = 128;
/// What compiling code may take.
const COMPILATION: Limits =
    Limits { time: Duration::from_secs(10), memory_bytes: 192 * 1024 * 1024, stack_bytes: 512 * 1024, result_bytes: 0 };

/// A new function, or changes to one, where absent fields stay as they are.
///
/// What a function is shown with can be sent back: masked values stay as they are, and what the server sets is ignored.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionBody {
    /// The unique name: letters, digits and hyphens. Required for a new function, and never changed.
    pub(crate) name: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// The text of a script, or a package as a zip archive in base64. Required for a new function.
    pub(crate) code: Option<String>,
    /// The name of the exported function, in a package after that of its file, as `index.handler`.
    pub(crate) entry_point: Option<String>,
    /// `lambda`, for a function of AWS Lambda; any other is stored for clients of other systems.
    pub(crate) runtime: Option<String>,
    /// The function of AWS Lambda that does the tasks. Required with the runtime `lambda`, instead of `code`.
    pub(crate) lambda: Option<LambdaTarget>,
    /// Seconds that a run may take, 3 to 300; 30 unless given.
    #[serde(default, deserialize_with = "time_limit")]
    pub(crate) time_limit: Option<u32>,
    /// Megabytes that a run may use, 128 to 10240; 128 unless given.
    #[serde(default, deserialize_with = "memory_limit")]
    pub(crate) memory_limit: Option<u32>,
    /// The content of `process.env`, 4096 bytes in all.
    pub(crate) environment_variables: Option<BTreeMap<String, Variable>>,
    /// Who may execute it directly, and the default priority of its tasks.
    pub(crate) execution_options: Option<ExecutionOptions>,
    /// The permissions of the access token that its scripts get; the caller must hold them all.
    pub(crate) execution_credentials: Option<ExecutionCredentials>,
    /// Which of its failed tasks are tried again.
    pub(crate) retry_policy: Option<RetryPolicy>,
    /// Whether what its tasks read from outside is kept, so that they can be replayed; `true` unless given.
    pub(crate) journal: Option<bool>,
    /// `fresh`, in which each task starts in a realm of its own, or `warm`, in which it may find what earlier tasks of the
    /// same version have left in modules and globals, as on AWS Lambda; `fresh` unless given.
    pub(crate) isolation: Option<Isolation>,
    /// Whether tasks may run it; `true` unless given.
    pub(crate) enabled: Option<bool>,
    /// Set by the server.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    #[expect(dead_code, reason = "it is only there to be accepted")]
    pub(crate) version: Ignored,
    /// Set by the server.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    #[expect(dead_code, reason = "it is only there to be accepted")]
    pub(crate) creation_timestamp: Ignored,
    /// Set by the server.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    #[expect(dead_code, reason = "it is only there to be accepted")]
    pub(crate) update_timestamp: Ignored,
}

/// A field that only the server sets: whatever a client sends back of it counts for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl FunctionBody {
    /// Takes the code out of the body; absent for a change that leaves it as it is.
    pub(crate) fn take_code(&mut self) -> Result<Option<Code>, Refusal> {
        self.code.take().map(Code::read).transpose().map_err(invalid_code)
    }

    /// Checks the body of a new function, whose code was taken out, and builds the function.
    pub(crate) fn create(self, has_code: bool, now: Timestamp) -> Result<Function, Refusal> {
        let name = self.name.clone().ok_or_else(|| Refusal::missing_field("name"))?;
        if !is_function_name(&name) {
            let message = format!("`name` must be 1 to {NAME_LIMIT_CHARACTERS} letters, digits and hyphens");
            return Err(bad(1407, "INVALID_FUNCTION_NAME_EXCEPTION", message));
        }
        let blank = Function {
            name,
            description: None,
            code: CodeRef::default(),
            version: 0,
            revision: 0,
            change_id: String::new(),
            entry_point: None,
            runtime: None,
            lambda: None,
            time_limit: DEFAULT_TIME_LIMIT_S,
            memory_limit: DEFAULT_MEMORY_LIMIT_MB,
            environment_variables: BTreeMap::new(),
            execution_options: None,
            execution_credentials: None,
            retry_policy: None,
            journal: true,
            isolation: Isolation::default(),
            enabled: true,
            creation_timestamp: now,
            update_timestamp: now,
        };
        self.change(blank, has_code, now)
    }

    /// Checks the body of a change, whose code was taken out, and applies it to the function.
    pub(crate) fn change(self, former: Function, has_code: bool, now: Timestamp) -> Result<Function, Refusal> {
        if self.name.as_ref().is_some_and(|name| *name != former.name) {
            return Err(Refusal::field("name", "cannot be changed"));
        }
        self.check()?;
        let environment_variables = variables(self.environment_variables, former.environment_variables)?;
        let execution_credentials = self.execution_credentials.map(credentials).transpose()?;
        let runtime = self.runtime.or(former.runtime);
        let is_lambda = runtime.as_deref() == Some(lambda::RUNTIME);
        check_lambda(is_lambda, has_code, self.lambda.as_ref())?;
        let lambda = self.lambda.or(former.lambda).filter(|_| is_lambda);
        let code = if is_lambda { CodeRef::default() } else { former.code };
        match (is_lambda, &lambda) {
            (true, None) => return Err(Refusal::missing_field("lambda")),
            (false, _) if !has_code && code.is_empty() => return Err(Refusal::missing_field("code")),
            _ => {}
        }
        let changed = Function {
            description: self.description.or(former.description),
            code,
            version: former.version,
            revision: former.revision,
            change_id: former.change_id,
            entry_point: self.entry_point.or(former.entry_point),
            runtime,
            lambda,
            time_limit: self.time_limit.unwrap_or(former.time_limit),
            memory_limit: self.memory_limit.unwrap_or(former.memory_limit),
            environment_variables,
            execution_options: self.execution_options.or(former.execution_options),
            execution_credentials: execution_credentials.unwrap_or(former.execution_credentials),
            retry_policy: self.retry_policy.or(former.retry_policy),
            journal: self.journal.unwrap_or(former.journal),
            isolation: self.isolation.unwrap_or(former.isolation),
            enabled: self.enabled.unwrap_or(former.enabled),
            update_timestamp: now,
            name: former.name,
            creation_timestamp: former.creation_timestamp,
        };
        check_isolation(&changed)?;
        Ok(changed)
    }

    fn check(&self) -> Result<(), Refusal> {
        check_length("description", self.description.as_deref(), DESCRIPTION_LIMIT_CHARACTERS)?;
        check_length("entryPoint", self.entry_point.as_deref(), NAME_LIMIT_CHARACTERS)?;
        check_entry_point(self.entry_point.as_deref())?;
        check_runtime(self.runtime.as_deref())?;
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

/// Refuses what does not belong to the runtime of a function.
fn check_lambda(is_lambda: bool, has_code: bool, target: Option<&LambdaTarget>) -> Result<(), Refusal> {
    if is_lambda && has_code {
        return Err(Refusal::field("code", "must be absent, as the runtime is `lambda`"));
    }
    match target {
        Some(_) if !is_lambda => Err(Refusal::field("lambda", "is for functions whose `runtime` is `lambda`")),
        Some(target) => target.check(),
        None => Ok(()),
    }
}

/// Refuses to share realms where there is nothing to share, or more than tasks may share.
pub(crate) fn check_isolation(function: &Function) -> Result<(), Refusal> {
    let rule = match function.isolation {
        Isolation::Warm if function.lambda.is_some() => "must be `fresh`, as the runtime is `lambda`",
        Isolation::Warm if !function.permissions().is_empty() => {
            "must be `fresh`, as an access token from `executionCredentials` is for one task only"
        }
        Isolation::Fresh | Isolation::Warm => return Ok(()),
    };
    Err(Refusal::field("isolation", rule))
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

/// The credentials after a change; none without permissions.
fn credentials(changed: ExecutionCredentials) -> Result<Option<ExecutionCredentials>, Refusal> {
    let permissions = permission::checked("executionCredentials.permissions", changed.permissions)?;
    Ok((!permissions.is_empty()).then_some(ExecutionCredentials { permissions }))
}

/// Tells whether `process.env` can have a variable of this name.
fn is_variable_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    name != "__proto__" && !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(is_part)
}

/// The variables after a change, in which a masked value stands for the former one.
fn variables(
    changed: Option<BTreeMap<String, Variable>>,
    mut former: BTreeMap<String, Variable>,
) -> Result<BTreeMap<String, Variable>, Refusal> {
    let Some(mut variables) = changed else { return Ok(former) };
    if let Some(name) = variables.keys().find(|name| !is_variable_name(name)) {
        let rule = "must have names of letters, digits and `_.-` that do not begin with a digit";
        return Err(Refusal::field("environmentVariables", format!("{rule}, unlike `{name}`")));
    }
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

/// Refuses what can be neither a name nor a file and a name, whatever the code is.
fn check_entry_point(entry_point: Option<&str>) -> Result<(), Refusal> {
    let Some(text) = entry_point else { return Ok(()) };
    let (folders, last) = text.rsplit_once('/').map_or((None, text), |(folders, last)| (Some(folders), last));
    let is_folder = |part: &str| !part.is_empty() && part != "..";
    let is_plain = !text.chars().any(|character| character.is_control() || character.is_whitespace());
    let is_file = folders.is_none() || last.contains('.');
    match is_plain
        && is_file
        && folders.is_none_or(|folders| folders.split('/').all(is_folder))
        && !last.split('.').any(str::is_empty)
    {
        true => Ok(()),
        false => {
            let rule = "must be the name of an exported function, in a package after its file: `handler`, `index.handler` \
                        or `folder/file.handler`";
            Err(Refusal::field("entryPoint", rule))
        }
    }
}

/// Refuses what can only be meant to be the runtime that means something here. Clients of other systems have many names.
fn check_runtime(runtime: Option<&str>) -> Result<(), Refusal> {
    let Some(text) = runtime else { return Ok(()) };
    check_length("runtime", runtime, NAME_LIMIT_CHARACTERS)?;
    match nearest::nearest(text, [lambda::RUNTIME]) {
        _ if text.trim().is_empty() || text.chars().any(char::is_control) => {
            Err(Refusal::field("runtime", "must be a name, such as `nodejs20.x`"))
        }
        Some(near) if near != text => {
            Err(Refusal::field("runtime", format!("has the unknown value `{text}`: did you mean `{near}`?")))
        }
        _ => Ok(()),
    }
}

fn time_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    whole(deserializer, "seconds", TIME_LIMITS_S)
}

fn memory_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    whole(deserializer, "megabytes", MEMORY_LIMITS_MB)
}

/// Reads a whole number, whose range is checked with the rest of the function.
fn whole<'de, D: Deserializer<'de>>(
    deserializer: D,
    unit: &str,
    (low, high): (u32, u32),
) -> Result<Option<u32>, D::Error> {
    let Some(value) = Option::<Value>::deserialize(deserializer)? else { return Ok(None) };
    let number = value.as_i64().map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX));
    let rule = || D::Error::custom(format!("must be a whole number of {unit} from {low} to {high}"));
    number.map(Some).ok_or_else(rule)
}

fn check_range(field: &str, number: Option<u32>, (low, high): (u32, u32)) -> Result<(), Refusal> {
    match number.is_none_or(|number| (low..=high).contains(&number)) {
        true => Ok(()),
        false => {
            Err(bad(1402, "INVALID_FUNCTION_CONFIGURATION_EXCEPTION", format!("`{field}` must be {low} to {high}")))
        }
    }
}

/// Refuses a function whose code cannot be compiled, or needs a module that is not there.
pub(crate) async fn check_compiles(
    sandbox: &Sandbox,
    tenant: &TenantId,
    function: &Function,
    program: Runnable,
) -> Result<(), Refusal> {
    let file_name = format!("{}.js", function.name);
    let compiled = check_script(sandbox, tenant, program, file_name, function.entry_point.clone()).await?;
    compiled.map_err(|StepError { message, .. }| invalid_code(format!("`code` cannot be run: {message}")))
}

/// Compiles a script without running it, or says what is wrong with it.
pub(crate) async fn check_script(
    sandbox: &Sandbox,
    tenant: &TenantId,
    program: Runnable,
    file_name: String,
    entry_point: Option<String>,
) -> Result<Result<(), StepError>, Error> {
    let (source, files) = program.into_parts();
    let script = Script {
        tenant: tenant.as_str().to_owned(),
        source,
        files,
        file_name,
        entry_point,
        input: String::new(),
        variables: BTreeMap::new(),
        limits: COMPILATION,
        outside: Outside::Live,
        isolation: sandbox::Isolation::Fresh,
    };
    sandbox.check(script).await
}

/// Refuses code that is not what it should be.
pub(crate) fn invalid_code(message: String) -> Refusal {
    bad(1401, "INVALID_FUNCTION_CODE_EXCEPTION", message)
}

fn bad(code: u32, name: &'static str, message: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, name, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn created(body: Value) -> Result<Function, u32> {
        let mut body: FunctionBody = shared::json::from_value(body).map_err(|problem| Refusal::from(problem).code)?;
        let code = body.take_code().map_err(|refusal| refusal.code)?;
        body.create(code.is_some(), Timestamp::UNIX_EPOCH).map_err(|refusal| refusal.code)
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
        check(json!({"name": "a", "code": "a\0"}), 1401);
        check(json!({"name": "a", "code": "x".repeat(crate::code::LIMIT_BYTES + 1)}), 1401);
        check(json!({"name": "a", "code": code, "timeLimit": 2}), 1402);
        check(json!({"name": "a", "code": code, "timeLimit": 301}), 1402);
        check(json!({"name": "a", "code": code, "memoryLimit": 127}), 1402);
        check(json!({"name": "a", "code": code, "description": "x".repeat(4_097)}), 15);
        for wrong in ["", "1A", "A=B", "A B", "A\0", "__proto__", "é"] {
            check(json!({"name": "a", "code": code, "environmentVariables": {wrong: {"value": "x"}}}), 15);
        }
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
    fn limits_are_whole_numbers_of_their_units() {
        let message = |body: Value| {
            let read: Result<FunctionBody, _> = shared::json::from_value(body);
            Refusal::from(read.unwrap_err()).message
        };
        for wrong in [json!(3.5), json!("30"), json!([30]), json!(true)] {
            let rule = "`timeLimit` must be a whole number of seconds from 3 to 300";
            assert_eq!(message(json!({"timeLimit": wrong})), rule);
            let rule = "`memoryLimit` must be a whole number of megabytes from 128 to 10240";
            assert_eq!(message(json!({"memoryLimit": wrong})), rule);
        }
        assert_eq!(
            created(json!({"name": "a", "code": "exports.main = () => 1", "timeLimit": null})).unwrap().time_limit,
            30
        );
        for wrong in [json!(-1), json!(5_000_000_000_i64)] {
            assert_eq!(created(json!({"name": "a", "code": "exports.main = 1", "timeLimit": wrong})), Err(1402));
        }
    }

    #[test]
    fn a_function_is_a_script_or_one_of_lambda() {
        let check = |body: Value, expected: Option<u32>| assert_eq!(created(body.clone()).err(), expected, "{body}");
        let target = json!({"functionName": "other", "qualifier": "live"});
        check(json!({"name": "a", "runtime": "lambda", "lambda": target}), None);
        check(json!({"name": "a", "runtime": "lambda"}), Some(14));
        check(json!({"name": "a", "runtime": "lambda", "lambda": target, "code": "1"}), Some(15));
        check(json!({"name": "a", "lambda": target, "code": "1"}), Some(15));
        check(json!({"name": "a", "runtime": "nodejs20.x", "lambda": target, "code": "1"}), Some(15));
        check(json!({"name": "a", "runtime": "lambda", "lambda": {"functionName": "a b"}}), Some(15));
        check(json!({"name": "a", "runtime": "lambda", "lambda": {"arn": "x"}}), Some(15));
        let former = created(json!({"name": "a", "runtime": "lambda", "lambda": target})).unwrap();
        let changed = |body: Value| {
            let mut body: FunctionBody = serde_json::from_value(body).unwrap();
            let has_code = body.take_code().unwrap().is_some();
            body.change(former.clone(), has_code, Timestamp::UNIX_EPOCH).map_err(|refusal| refusal.code)
        };
        assert_eq!(changed(json!({"description": "d"})).unwrap().lambda, former.lambda);
        assert_eq!(changed(json!({"runtime": "script"})), Err(14));
        let script = changed(json!({"runtime": "script", "code": "exports.main = () => 1"})).unwrap();
        assert_eq!((script.lambda, script.runtime.as_deref()), (None, Some("script")));
    }

    #[test]
    fn a_change_leaves_absent_fields_as_they_are() {
        let former = created(json!({"name": "a", "code": "exports.main = () => 1", "timeLimit": 5})).unwrap();
        let change: FunctionBody = serde_json::from_value(json!({"description": "d", "enabled": false})).unwrap();
        let now = Timestamp::from_second(1).unwrap();
        let changed = change.change(former.clone(), true, now).unwrap();
        let expected =
            Function { description: Some("d".to_owned()), enabled: false, update_timestamp: now, ..former.clone() };
        assert_eq!(changed, expected);
        let renamed: FunctionBody = serde_json::from_value(json!({"name": "b"})).unwrap();
        assert_eq!(renamed.change(former, true, now).unwrap_err().code, 15);
    }
}
