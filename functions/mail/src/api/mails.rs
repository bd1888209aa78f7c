//! `/mail/v1`: sending mails, and listing those that were sent.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{RawQuery, State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::auth::Caller;
use shared::clock::{derived_hex24, derived_uuid};
use shared::event::{EventId, TenantId, Trace};
use shared::http::{ErrorBody, IdempotencyKey, JsonBody, List};
use shared::rql::{self, Rql};
use shared::seal::Resealed;
use shared::step::{Claimable as _, Once};
use shared::{Error, Refusal};

use crate::draft::{Draft, Fields, Names, NewAttachment, Recipients};
use crate::mail::{MailView, QueuedView, Status};
use crate::send::{self, Occasion, THROTTLED};
use crate::services::Services;
use crate::store::mail::{LIST_LIMIT, MailEntry, MailRecord, READ_LIMIT};

/// The largest body of a request: 10 MB of attachments as base64, and the rest.
pub(crate) const BODY_BYTES: usize = 15 * 1024 * 1024;
const NAMES: Names = Names { template_id: "template_id", template_name: "template_name", reply_to: "reply_to" };
/// The fields that lists need not read whole mails for.
const OF_INDEX: [&str; 7] =
    ["id", "template_id", "template_name", "views", "creation_timestamp", "update_timestamp", "status"];

/// A mail to send: with `subject` and `body`, or with a template.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "subject": "Your order", "body": "<p>It is on its way.</p>", "recipients": {"to": ["a@example.com"]},
}))]
pub(crate) struct NewMail {
    /// One line of at most 500 characters.
    subject: Option<String>,
    /// HTML; those who read none get a text that is made of it.
    body: Option<String>,
    /// The id of a template with the outputs `subject` and `body`; its name will do as well.
    template_id: Option<String>,
    /// The name of such a template, if no id is given.
    template_name: Option<String>,
    /// What the template is filled in with.
    content: Option<Map<String, Value>>,
    /// The language of the template's translations; `EN` unless given.
    language: Option<String>,
    /// The IANA time zone of times in the template; UTC unless given.
    time_zone: Option<String>,
    recipients: Recipients,
    /// The configured sender's address, perhaps with a name.
    from: Option<String>,
    /// Where answers go, up to 10 addresses.
    reply_to: Option<Vec<String>>,
    /// Files, together with subject and body up to 10 MB.
    attachments: Option<Vec<NewAttachment>>,
    /// Whether it is counted in `views` when the mail is opened, by an image that is added to it; false unless given.
    track_opens: Option<bool>,
}

/// Sends a mail.
///
/// With an `Idempotency-Key` header the same request sends once and gets the same answer.
#[utoipa::path(
    post, path = "/mail/v1", tag = "mails", request_body = NewMail,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes")),
    responses(
        (status = 200, description = "The mail service took the mail", body = MailView),
        (status = 400, description = "A field breaks a rule, the template cannot be filled in, or the mail service refused \
            the mail", body = ErrorBody),
        (status = 404, description = "No such template exists", body = ErrorBody),
        (status = 409, description = "A request with the same `Idempotency-Key` is in progress", body = ErrorBody),
        (status = 413, description = "Subject, body and attachments have over 10 MB", body = ErrorBody),
        (status = 502, description = "Nobody knows whether the mail was sent", body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
    key: IdempotencyKey,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<MailView>, Refusal> {
    let fingerprint = derived_uuid(&[b"mail", body.to_string().as_bytes()]).to_string();
    let draft = draft(body)?;
    let (tenant_id, client) = (caller.tenant_id().clone(), caller.client_id().to_owned());
    let id = match key.as_bytes() {
        Some(key) => derived_hex24(&[b"mail", tenant_id.as_str().as_bytes(), client.as_bytes(), key]),
        None => services.ids.hex24(),
    };
    let occasion = Occasion {
        trace: Trace::start(&EventId::new(format!("mail:{id}"))),
        id,
        tenant_id,
        creator_id: Some(client),
        fingerprint,
        base_url: services.base_url.of(&headers).ok(),
        is_repeated: key.as_bytes().is_some(),
    };
    let now = services.clock.now();
    // A client that hangs up must not leave a mail half sent.
    let task = tokio::spawn(async move {
        let sent = Box::pin(send::send(&services, draft, occasion)).await?;
        if let Ok(Once::Done(record)) = &sent {
            // It is as it is whether or not the fact is published.
            let fact = send::failure(record, services.clock.now());
            if let Err(error) = services.bus.publish(fact.into_iter().collect()).await {
                tracing::error!(error = error.chain(), mail_id = record.mail_id, "a failed mail is not published");
            }
        }
        Ok::<_, Error>(sent)
    });
    match task.await.map_err(Error::cannot("send a mail"))??? {
        Once::Done(record) => answer(record).map(|record| Json(record.shown(now))),
        _ => {
            let message = "a request with this `Idempotency-Key` is in progress";
            let mut refusal = Refusal::new(StatusCode::CONFLICT, 27, "ILLEGAL_STATE_EXCEPTION", message);
            refusal.retry_after_s = Some(1);
            Err(refusal)
        }
    }
}

fn draft(body: Value) -> Result<Draft, Refusal> {
    let body: NewMail = shared::json::from_value(body)?;
    let fields = Fields {
        subject: body.subject,
        body: body.body,
        template_id: body.template_id,
        template_name: body.template_name,
        language: body.language,
        time_zone: body.time_zone,
        content: body.content,
        recipients: body.recipients,
        from: body.from,
        reply_to: body.reply_to.unwrap_or_default(),
        attachments: body.attachments.unwrap_or_default(),
        track_opens: body.track_opens.unwrap_or_default(),
    };
    Draft::new(&fields, NAMES)
}

/// Refuses a mail that was not sent, naming its record.
fn answer(record: MailRecord) -> Result<MailRecord, Refusal> {
    let message = record.private.error.clone().unwrap_or_default();
    let is_busy = record.answer().and_then(|answer| answer.error.as_ref()).is_some_and(|error| error.name == THROTTLED);
    let refusal = match record.status {
        Status::Failed if is_busy => Refusal { message, ..Refusal::unavailable() },
        Status::Failed => Refusal::illegal_state(message),
        Status::Unknown => Refusal::new(StatusCode::BAD_GATEWAY, 4, "SERVICE_UNREACHABLE_EXCEPTION", message),
        _ => return Ok(record),
    };
    Err(refusal.with("mailId", record.mail_id))
}

/// Lists mails, the newest first.
///
/// The query string is RQL, such as `eq(template_name,welcome)&limit(50)`. One that would have to read more than 100,000
/// mails, or more than 10,000 to look at fields other than the template, the times, `views` and `status`, is refused as a
/// long query: `ge(creation_timestamp,…)` makes it shorter.
#[utoipa::path(get, path = "/mail/v1", tag = "mails", responses((status = 200, body = List<MailView>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<MailView>(query.as_deref())?;
    let (store, now) = (services.mails.store(), services.clock.now());
    let shown = |records: Vec<MailRecord>| records.into_iter().map(|record| record.shown(now)).collect::<Vec<_>>();
    if let Some(id) = query.eq("id") {
        let found = store.get(id).await?.filter(|found| found.tenant_id == *caller.tenant_id());
        return query.apply(&shown(found.into_iter().collect())).map(Json);
    }
    let entries = entries(&services, caller.tenant_id(), &query).await?;
    if !query.decides_by_no_other_than(&OF_INDEX) {
        let ids = rql::within(entries, READ_LIMIT)?.into_iter().map(|entry| entry.mail_id);
        return query.apply(&shown(store.read(ids.collect()).await?)).map(Json);
    }
    let mut views: Vec<Value> = entries.iter().map(of_index).collect();
    if query.decides_by("status") {
        // Whether a mail that is not sent yet is being sent, or was interrupted, only its record says.
        let open = entries.iter().filter(|entry| entry.status == Status::Queued).map(|entry| entry.mail_id.clone());
        let open = shown(store.read(rql::within(open.collect(), READ_LIMIT)?).await?);
        let statuses: HashMap<&str, Status> = open.iter().map(|mail| (mail.id.as_str(), mail.status)).collect();
        for (entry, view) in entries.iter().zip(&mut views) {
            if let Some(status) = statuses.get(entry.mail_id.as_str()) {
                view["status"] = json!(status);
            }
        }
    }
    let List { query: echo, page, data } = query.page(&views)?;
    let ids = data.into_iter().filter_map(|view| view["id"].as_str().map(str::to_owned));
    let mails = shown(store.read(ids.collect()).await?);
    let data = mails.iter().map(|mail| query.show(mail)).collect::<Result<_, _>>()?;
    Ok(Json(List { query: echo, page, data }))
}

async fn entries(services: &Services, tenant: &TenantId, query: &Rql) -> Result<Vec<MailEntry>, Refusal> {
    let entries = services.mails.store().entries(tenant, query.times("creation_timestamp")).await?;
    rql::within(entries, LIST_LIMIT)
}

/// Shows what the index has of a mail.
fn of_index(entry: &MailEntry) -> Value {
    json!({
        "id": entry.mail_id, "creation_timestamp": entry.created_at, "update_timestamp": entry.updated_at,
        "status": entry.status, "views": entry.views, "template_id": entry.template_id,
        "template_name": entry.template_name,
    })
}

/// Lists the mails that are not sent yet, or will not be, the newest first.
///
/// The query string is RQL.
#[utoipa::path(get, path = "/mail/v1/queued", tag = "mails", responses((status = 200, body = List<QueuedView>)))]
pub(crate) async fn queued(
    State(services): State<Services>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<List<Value>>, Refusal> {
    let query = Rql::parse::<QueuedView>(query.as_deref())?;
    let (store, now) = (services.mails.store(), services.clock.now());
    let is_queued = |status: Status| matches!(status, Status::Queued | Status::Sending | Status::Failed);
    let entries = entries(&services, caller.tenant_id(), &query).await?;
    let entries: Vec<_> = entries.into_iter().filter(|entry| is_queued(entry.status)).collect();
    let ids = rql::within(entries, READ_LIMIT)?.into_iter().map(|entry| entry.mail_id);
    let mails = store.read(ids.collect()).await?.into_iter().map(|record| record.shown(now));
    let queued: Vec<_> = mails.filter(|mail| is_queued(mail.status)).map(QueuedView::from).collect();
    query.apply(&queued).map(Json)
}

/// Says that mails can be asked for.
#[utoipa::path(get, path = "/mail/v1/health", tag = "mails", responses((status = 200, description = "They can")))]
pub(crate) async fn health() -> Json<Value> {
    Json(json!({}))
}

/// Seals a batch of mails with the current key; call it until there are no more.
#[utoipa::path(
    post, path = "/mail/v1/rotate", tag = "mails",
    responses((status = 200, description = "How far the rotation has come", body = Resealed)),
)]
pub(crate) async fn rotate(State(services): State<Services>) -> Result<Json<Resealed>, Refusal> {
    Ok(Json(services.mails.store().reseal().await?))
}
