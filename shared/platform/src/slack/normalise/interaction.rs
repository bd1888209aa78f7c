//! Interactions of people with an app: buttons, menus and commands.

use serde::Deserialize;
use serde_json::Map;
use serde_json::value::RawValue;

use super::event::{metadata, reference};
use super::{SPEC, TIMESTAMP, Webhook, milliseconds, object};
use crate::error::Error;
use crate::header::header_text;
use crate::message::{Choice, Command, Content, ContentKind, NormalizedMessage, Party};
use crate::reading::{DedupKey, Kind, Reading, Unreadable, Update};

/// The most that the copies of a webhook, one for each of its actions, may have together.
const COPIES_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// The most actions of one webhook; Slack sends one, and a block has at most 25 elements.
const ACTION_LIMIT: usize = 100;

/// Somebody used the elements of a message or a view.
#[derive(Deserialize)]
struct Interaction<'a> {
    user: User,
    team: Option<Identified>,
    channel: Option<Identified>,
    container: Option<Container>,
    message: Option<Shown>,
    api_app_id: Option<String>,
    trigger_id: Option<String>,
    #[serde(borrow)]
    actions: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    name: Option<String>,
    username: Option<String>,
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Identified {
    id: String,
}

#[derive(Deserialize)]
struct Container {
    message_ts: Option<String>,
    thread_ts: Option<String>,
    channel_id: Option<String>,
}

#[derive(Deserialize)]
struct Shown {
    ts: Option<String>,
    thread_ts: Option<String>,
}

/// What was done with one element.
#[derive(Deserialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
    action_id: String,
    block_id: Option<String>,
    action_ts: String,
    value: Option<String>,
    text: Option<Label>,
    selected_option: Option<Selected>,
    selected_options: Option<Vec<Selected>>,
    #[serde(alias = "selected_conversation", alias = "selected_channel")]
    selected_user: Option<String>,
    #[serde(alias = "selected_conversations", alias = "selected_channels")]
    selected_users: Option<Vec<String>>,
    #[serde(alias = "selected_time")]
    selected_date: Option<String>,
    selected_date_time: Option<i64>,
}

#[derive(Deserialize)]
struct Selected {
    value: String,
    text: Option<Label>,
    description: Option<Label>,
}

#[derive(Deserialize)]
struct Label {
    text: String,
}

/// A slash command.
#[derive(Deserialize)]
struct SlashCommand {
    command: String,
    text: Option<String>,
    user_id: String,
    user_name: Option<String>,
    channel_id: String,
    team_id: Option<String>,
    api_app_id: Option<String>,
    trigger_id: Option<String>,
}

/// Reads clicks and choices.
pub(super) fn actions<'a>(webhook: &Webhook<'a>) -> Result<Reading<'a>, Error> {
    let interaction: Interaction<'a> = webhook.read()?;
    let actions = &interaction.actions;
    if actions.len() > ACTION_LIMIT {
        let count = actions.len();
        return Err(Error::TooLarge(format!("the webhook has {count} actions, the limit is {ACTION_LIMIT}")));
    }
    // Each action travels with the rest of the webhook.
    if actions.len() * webhook.inbound.payload.get().len() > COPIES_LIMIT_BYTES {
        return Err(Error::TooLarge("the webhook has too many actions for its size".to_owned()));
    }
    if actions.is_empty() {
        return Ok(webhook.event());
    }
    let updates = actions.iter().map(|action| {
        let alone = serde_json::value::to_raw_value(&[action]).expect("a list of JSON is JSON");
        let payload = webhook.payload_with(&[("actions", &alone)]);
        match interaction.update(action) {
            Ok((key, kind)) => Ok(Update { key: DedupKey::id(key), kind, payload }),
            Err(cause) => Err(Unreadable { reason: format!("the action cannot be read: {cause}"), payload }),
        }
    });
    Ok(Reading::Updates { updates: updates.collect(), reply: None })
}

/// Reads a command.
pub(super) fn command<'a>(webhook: &Webhook<'a>) -> Result<Reading<'a>, Error> {
    let commanded: SlashCommand = webhook.read()?;
    let SlashCommand { command, text, user_id, user_name, channel_id, team_id, api_app_id, trigger_id } = commanded;
    let name = command.trim_start_matches('/').to_owned();
    let content = Content {
        text: text.filter(|text| !text.is_empty()),
        command: Some(Command { name, options: Map::new() }),
        ..Content::of(ContentKind::Command)
    };
    let message = NormalizedMessage {
        id: trigger_id.clone().unwrap_or_default(),
        conversation_id: channel_id,
        thread_id: None,
        from: Party { id: user_id, name: user_name },
        to: Party::new(api_app_id.unwrap_or_default()),
        content,
        reply_to: None,
        timestamp: sent_at(webhook),
        platform: SPEC.name.to_owned(),
        metadata: metadata([("teamId", team_id.as_deref()), ("triggerId", trigger_id.as_deref())]),
    };
    let kind = Kind::Message { message: Box::new(message), reply_token: None };
    let key = trigger_id.map_or(DedupKey::Body, DedupKey::id);
    Ok(Reading::one(Ok(Update { key, kind, payload: webhook.payload() })))
}

/// A command has no time of its own; the signed header has the time of sending.
fn sent_at(webhook: &Webhook<'_>) -> i64 {
    let header = header_text(webhook.inbound.headers, TIMESTAMP);
    header.and_then(milliseconds).unwrap_or_else(|| webhook.inbound.now.as_millisecond())
}

impl Interaction<'_> {
    fn update(&self, action: &RawValue) -> Result<(String, Kind), String> {
        let action: Action = object(action)?;
        let ts = &action.action_ts;
        let timestamp = milliseconds(ts).ok_or_else(|| format!("`{ts}` is not a Slack timestamp"))?;
        // One click is one trigger, and a block has no two elements with the same id.
        let cause = self.trigger_id.as_deref().unwrap_or(&self.user.id);
        let key = [cause, ts, action.block_id.as_deref().unwrap_or_default(), &action.action_id].join("\n");
        let Some((kind, choice)) = action.choice() else {
            return Ok((key, Kind::Event { name: Some("block_actions".to_owned()) }));
        };
        let content = Content { text: choice.title.clone(), choice: Some(choice), ..Content::of(kind) };
        let message = self.message(&action, timestamp, content);
        Ok((key, Kind::Message { message: Box::new(message), reply_token: None }))
    }

    fn message(&self, action: &Action, timestamp: i64, content: Content) -> NormalizedMessage {
        let (container, shown) = (self.container.as_ref(), self.message.as_ref());
        let message_ts = container.and_then(|it| it.message_ts.as_ref()).or(shown.and_then(|it| it.ts.as_ref()));
        let thread_ts = container.and_then(|it| it.thread_ts.as_ref()).or(shown.and_then(|it| it.thread_ts.as_ref()));
        let channel = self.channel.as_ref().map(|channel| &channel.id);
        let channel = channel.or(container.and_then(|it| it.channel_id.as_ref()));
        let team_id = self.team.as_ref().map(|team| &team.id).or(self.user.team_id.as_ref());
        NormalizedMessage {
            id: action.action_ts.clone(),
            // A view is in no channel; a message to its user is a direct one.
            conversation_id: channel.unwrap_or(&self.user.id).clone(),
            thread_id: thread_ts.cloned(),
            from: Party { id: self.user.id.clone(), name: self.user.name.clone().or(self.user.username.clone()) },
            to: Party::new(self.api_app_id.clone().unwrap_or_default()),
            content,
            reply_to: message_ts.map(|ts| reference(ts)),
            timestamp,
            platform: SPEC.name.to_owned(),
            metadata: metadata([
                ("teamId", team_id.map(String::as_str)),
                ("triggerId", self.trigger_id.as_deref()),
                ("actionId", Some(&action.action_id)),
                ("blockId", action.block_id.as_deref()),
            ]),
        }
    }
}

impl Action {
    /// Returns what was chosen; text fields and cleared choices are not choices.
    fn choice(&self) -> Option<(ContentKind, Choice)> {
        if self.kind == "button" {
            let id = self.value.as_ref().filter(|value| !value.is_empty()).unwrap_or(&self.action_id);
            let title = self.text.as_ref().map(|label| label.text.clone());
            return Some((ContentKind::Button, Choice { id: id.clone(), title, ..Choice::default() }));
        }
        let options: Vec<&Selected> =
            self.selected_option.iter().chain(self.selected_options.iter().flatten()).collect();
        let ids = options.iter().map(|option| option.value.clone());
        let ids = ids.chain(self.selected_user.clone()).chain(self.selected_users.iter().flatten().cloned());
        let ids = ids.chain(self.selected_date.clone()).chain(self.selected_date_time.map(|time| time.to_string()));
        let ids: Vec<String> = ids.collect();
        let label = |label: &Label| label.text.clone();
        let choice = Choice {
            title: options.first().and_then(|option| option.text.as_ref()).map(label),
            description: options.first().and_then(|option| option.description.as_ref()).map(label),
            ids: if ids.len() > 1 { ids.clone() } else { Vec::new() },
            id: ids.into_iter().next()?,
        };
        Some((ContentKind::List, choice))
    }
}
