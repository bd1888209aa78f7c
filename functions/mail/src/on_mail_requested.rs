//! A step of the type `mail`: sends the mail of a template and answers the step.

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::Error;
use shared::Refusal;
use shared::event::{Answer, Received, StepError, StepRequested, Trace};
use shared::json::from_value;
use shared::step::{self, Claimable as _, Outcome};

use crate::draft::{Draft, Fields, Names, NewAttachment, Recipients};
use crate::send::{self, Occasion};
use crate::services::Services;

const NAMES: Names = Names { template_id: "templateId", template_name: "templateName", reply_to: "replyTo" };
/// The field of the event with its time in milliseconds since 1970, as lists of events have it.
const CREATION_TIMESTAMP: &str = "creation_timestamp";

/// The fields of the action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MailAction {
    recipients: Recipients,
    template_id: Option<String>,
    template_name: Option<String>,
    content: Option<Map<String, Value>>,
    language: Option<String>,
    time_zone: Option<String>,
    reply_to: Option<Vec<String>>,
    attachments: Option<Vec<NewAttachment>>,
    track_opens: Option<bool>,
}

/// Sends the mail of a step once, and publishes the answer, and the fact that it failed.
pub(crate) async fn handle(services: &Services, command: &Received) -> Result<(), Error> {
    let Services { bus, clock, base_url, .. } = services;
    step::perform(bus, clock, command, async |_, request: StepRequested| {
        let draft = match draft(&request) {
            Ok(draft) => draft,
            Err(error) => return Ok(Some(Answer::failed(error).into())),
        };
        let occasion = Occasion {
            id: request.id.record_id(),
            tenant_id: command.tenant_id.clone(),
            creator_id: None,
            fingerprint: request.id.record_id(),
            trace: Trace::caused_by(command),
            base_url: base_url.configured().map(str::to_owned),
            is_repeated: true,
        };
        let record = match Box::pin(send::send(services, draft, occasion)).await? {
            Ok(once) => once.done()?,
            Err(refusal) => return Ok(Some(Answer::failed(error_of(refusal)).into())),
        };
        Ok(record.and_then(|record| {
            let facts = send::failure(&record, clock.now()).into_iter().collect();
            Some(Outcome { answer: record.answer()?.clone(), facts })
        }))
    })
    .await
}

/// Reads the mail that a step asks for, whose template sees the event.
fn draft(request: &StepRequested) -> Result<Draft, StepError> {
    let invalid = |message: String| StepError::bad_request(message);
    let action: MailAction = from_value(request.action.clone()).map_err(|problem| invalid(problem.to_string()))?;
    let mut event = serde_json::to_value(&request.event).map_err(|error| invalid(error.to_string()))?;
    event[CREATION_TIMESTAMP] = request.event.time.as_millisecond().into();
    let mut content = action.content.unwrap_or_default();
    content.insert("event".to_owned(), event);
    let fields = Fields {
        subject: None,
        body: None,
        template_id: action.template_id,
        template_name: action.template_name,
        language: action.language,
        time_zone: action.time_zone,
        content: Some(content),
        recipients: action.recipients,
        from: None,
        reply_to: action.reply_to.unwrap_or_default(),
        attachments: action.attachments.unwrap_or_default(),
        track_opens: action.track_opens.unwrap_or_default(),
    };
    Draft::new(&fields, NAMES).map_err(error_of)
}

/// Says in a step what a client is refused for; what a server did not answer may work later.
fn error_of(refusal: Refusal) -> StepError {
    let name = match refusal.code {
        4 => "AttachmentUnreachable",
        16 => "TemplateUnknown",
        1003..=1005 => "TemplateFailed",
        _ => return StepError::bad_request(refusal.message),
    };
    StepError::invocation(name, refusal.message)
}
