//! `/templates/v2`: templates, and what is made of them.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::Refusal;
use shared::auth::{Caller, Permission};
use shared::clock::{Clock, Ids};
use shared::event::TenantId;
use shared::http::{Affected, JsonBody, List};
use shared::rql::{self, Rql};

use crate::store::template::{LIST_LIMIT, TemplateHead, Templates, Versioned, WHOLE_LIMIT, WriteOutcome};
use crate::template::{self, Filling, Template, TemplateBody, TemplateChange};

/// What only whole templates have.
const WHOLE_FIELDS: [&str; 3] = ["inputs", "outputs", "translations"];
/// How often a change is tried when others get ahead of it.
const WRITE_ATTEMPTS: u32 = 10;

/// What a template is resolved with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"language": "NL", "timeZone": "Europe/Brussels", "inputs": {"first_name": "Ada"}}))]
pub(crate) struct TemplateFilling {
    /// A language tag such as `EN` or `nl-BE`; `EN` unless given.
    language: Option<String>,
    /// A time zone of the IANA such as `Europe/Brussels`; `UTC` unless given.
    time_zone: Option<String>,
    /// The values of the inputs that the template declares.
    #[schema(value_type = Option<Object>)]
    inputs: Option<Map<String, Value>>,
}

/// Lists templates, by name.
///
/// The query string is RQL, such as `eq(name,welcome)&limit(50)`.
#[utoipa::path(get, path = "/templates/v2", tag = "templates", responses((status = 200, body = List<Template>)))]
pub(crate) async fn list(
    State(templates): State<Templates>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<Template>(query.as_deref())?;
    let tenant = caller.tenant_id();
    let only = match (query.eq("id"), query.eq("name")) {
        (Some(id), _) => Some(templates.by_id(tenant, id).await?),
        (_, Some(name)) => Some(templates.by_name(tenant, name).await?),
        _ => None,
    };
    if let Some(found) = only {
        let found: Vec<Template> = found.into_iter().map(|found| found.template).collect();
        return query.apply(&found).map(Json);
    }
    let heads = rql::within(templates.heads(tenant).await?, LIST_LIMIT)?;
    if WHOLE_FIELDS.iter().any(|field| query.decides_by(field)) {
        let heads = rql::within(heads, WHOLE_LIMIT)?;
        return query.apply(&read(&templates, tenant, heads.iter()).await?).map(Json);
    }
    let List { query: echo, page, data } = query.page(&heads)?;
    let found = read(&templates, tenant, data.into_iter()).await?;
    let data = found.iter().map(|template| query.show(template)).collect::<Result<_, _>>()?;
    Ok(Json(List { query: echo, page, data }))
}

async fn read<'a>(
    templates: &Templates,
    tenant: &TenantId,
    heads: impl Iterator<Item = &'a TemplateHead>,
) -> Result<Vec<Template>, Refusal> {
    let ids: Vec<&str> = heads.map(|head| head.id.as_str()).collect();
    Ok(templates.read(tenant, &ids).await?)
}

/// Creates a template.
///
/// Its outputs are checked: what they name must exist. `id`, `creationTimestamp`, `updateTimestamp` and `$schema` may be
/// sent and are ignored.
#[utoipa::path(
    post, path = "/templates/v2", tag = "templates", request_body = TemplateBody,
    responses((status = 200, body = Template)),
)]
pub(crate) async fn create(
    State(templates): State<Templates>,
    State(clock): State<Clock>,
    State(ids): State<Ids>,
    caller: Caller,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Template>, Refusal> {
    let body: TemplateBody = template::read(body)?;
    let template = Template::new(body, ids.hex24(), clock.now())?;
    match templates.write(caller.tenant_id(), None, &template).await? {
        WriteOutcome::Written => Ok(Json(template)),
        WriteOutcome::NameTaken => Err(Refusal::already_exists("template", &template.name)),
        WriteOutcome::Conflict => Err(Refusal::unavailable()),
    }
}

/// Changes a template, by its id or name.
///
/// Absent fields stay as they are; `null` removes the description, the inputs or the translations.
#[utoipa::path(
    put, path = "/templates/v2/{idOrName}", tag = "templates", request_body = TemplateChange,
    params(("idOrName" = String, Path, description = "The id or the name.")),
    responses((status = 200, body = Affected)),
)]
pub(crate) async fn update(
    State(templates): State<Templates>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id_or_name): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<Affected>, Refusal> {
    let change: TemplateChange = template::read(body)?;
    for _ in 0..WRITE_ATTEMPTS {
        let before = found(&templates, caller.tenant_id(), &id_or_name).await?;
        let after = before.template.changed(&change, clock.now())?;
        match templates.write(caller.tenant_id(), Some(&before), &after).await? {
            WriteOutcome::Written => return Ok(Json(Affected { affected_records: 1 })),
            WriteOutcome::NameTaken => return Err(Refusal::already_exists("template", &after.name)),
            WriteOutcome::Conflict => {}
        }
    }
    Err(Refusal::unavailable())
}

/// Deletes a template, by its id or name.
#[utoipa::path(
    delete, path = "/templates/v2/{idOrName}", tag = "templates",
    params(("idOrName" = String, Path, description = "The id or the name.")),
    responses((status = 200, body = Affected)),
)]
pub(crate) async fn delete(
    State(templates): State<Templates>,
    caller: Caller,
    Path(id_or_name): Path<String>,
) -> Result<Json<Affected>, Refusal> {
    for _ in 0..WRITE_ATTEMPTS {
        let before = found(&templates, caller.tenant_id(), &id_or_name).await?;
        if templates.delete(caller.tenant_id(), &before).await? {
            return Ok(Json(Affected { affected_records: 1 }));
        }
    }
    Err(Refusal::unavailable())
}

/// Makes the outputs of a template, by its id or name.
///
/// The errors are 1003 if the inputs are not those that the template declares, and 1005 if an output cannot be made of
/// them; `resolveError` then names the output. Needs the permission `RESOLVE_TEMPLATES` or `RESOLVE_TEMPLATES:<name>`.
#[utoipa::path(
    post, path = "/templates/v2/{idOrName}/resolve", tag = "templates", request_body = TemplateFilling,
    params(("idOrName" = String, Path, description = "The id or the name.")),
    responses((
        status = 200, description = "The outputs, by name.", body = std::collections::BTreeMap<String, String>,
        example = json!({"subject": "Dag Ada", "body": "<p>Welcome, Ada!</p>"}),
    )),
)]
pub(crate) async fn resolve(
    State(templates): State<Templates>,
    State(clock): State<Clock>,
    caller: Caller,
    Path(id_or_name): Path<String>,
    JsonBody(body): JsonBody<TemplateFilling>,
) -> Result<Json<Map<String, Value>>, Refusal> {
    let template = templates.find(caller.tenant_id(), &id_or_name).await?;
    let permission = match &template {
        Some(template) => Permission::ResolveTemplates.of(&template.name),
        None => Permission::ResolveTemplates.of(&id_or_name),
    };
    caller.require(&permission)?;
    let template = template.ok_or_else(|| Refusal::unknown("template", &id_or_name))?;
    let none = Map::new();
    let filling = Filling {
        inputs: body.inputs.as_ref().unwrap_or(&none),
        language: body.language.as_deref(),
        time_zone: body.time_zone.as_deref(),
        now: clock.now(),
    };
    template.resolve(&filling).map(Json)
}

/// Tells that templates are served.
#[utoipa::path(
    get, path = "/templates/v2/health", tag = "templates",
    responses((status = 200, description = "Templates are served.", body = Object, example = json!({}))),
)]
pub(crate) async fn health() -> Json<Map<String, Value>> {
    Json(Map::new())
}

/// Returns a template, or refuses an unknown one.
async fn found(templates: &Templates, tenant: &TenantId, id_or_name: &str) -> Result<Versioned, Refusal> {
    templates.get(tenant, id_or_name).await?.ok_or_else(|| Refusal::unknown("template", id_or_name))
}
