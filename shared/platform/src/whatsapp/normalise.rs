//! From a webhook to updates: its entries, their changes, and the messages and statuses in those.

mod content;
mod status;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::SPEC;
use crate::error::Error;
use crate::fields::Fields;
use crate::message::{NormalizedMessage, Party, Reference};
use crate::reading::{DedupKey, Inbound, Kind, Reading, UPDATE_LIMIT, Unreadable, Update};

type Item<'a> = Result<Update<'a>, Unreadable<'a>>;

#[derive(Deserialize)]
struct Webhook<'a> {
    object: String,
    #[serde(borrow)]
    entry: Vec<&'a RawValue>,
}

/// Our phone number that a change is about, and the names of those who wrote to it.
#[derive(Default)]
struct Line {
    phone_number_id: Option<String>,
    display_phone_number: Option<String>,
    contacts: HashMap<String, Contact>,
}

/// How often each change has occurred in the webhook so far.
type Seen = HashMap<String, usize>;

/// The account that an entry is about, and the time of the entry as it was sent.
struct Account<'a> {
    id: String,
    time: &'a str,
}

#[derive(Default, Clone)]
struct Contact {
    name: Option<String>,
    username: Option<String>,
}

/// Reads a webhook; an unreadable part does not hold back the others.
pub(super) fn read<'a>(inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
    let refuse = |rule: &str| Error::Body(format!("the body is not a WhatsApp webhook: {rule}"));
    let webhook: Webhook<'a> =
        serde_json::from_str(inbound.payload.get()).map_err(|cause| refuse(&cause.to_string()))?;
    if webhook.object != "whatsapp_business_account" {
        return Err(refuse("`object` is not `whatsapp_business_account`"));
    }
    let (mut updates, mut seen) = (Vec::new(), Seen::new());
    for entry in webhook.entry {
        // Too many are refused as a whole, so that the rest need not be read.
        if updates.len() > UPDATE_LIMIT {
            break;
        }
        collect(&mut updates, entry, |updates| read_entry(updates, &mut seen, entry));
    }
    Ok(Reading::Updates { updates, reply: None })
}

/// Adds an unreadable part where reading it fails.
fn collect<'a>(
    updates: &mut Vec<Item<'a>>,
    part: &'a RawValue,
    read: impl FnOnce(&mut Vec<Item<'a>>) -> Result<(), String>,
) {
    if let Err(reason) = read(updates) {
        updates.push(Err(Unreadable { reason, payload: Cow::Borrowed(part) }));
    }
}

fn read_entry<'a>(updates: &mut Vec<Item<'a>>, seen: &mut Seen, entry: &'a RawValue) -> Result<(), String> {
    let fields = Fields::of(entry)?;
    let account = Account { id: fields.id("id")?, time: fields.raw("time").map_or("", RawValue::get) };
    let changes: Vec<&RawValue> = fields.required("changes")?;
    for change in changes {
        collect(updates, change, |updates| read_change(updates, seen, &account, change));
    }
    Ok(())
}

/// Reads a change: messages and statuses, or an event of any other name.
fn read_change<'a>(
    updates: &mut Vec<Item<'a>>,
    seen: &mut Seen,
    account: &Account<'_>,
    change: &'a RawValue,
) -> Result<(), String> {
    let fields = Fields::of(change)?;
    let field = fields.id("field")?;
    if field != "messages" {
        updates.push(Ok(event(seen, account, field, change)));
        return Ok(());
    }
    let value = Fields::of(fields.required("value")?)?;
    let (messages, statuses) = (value.list("messages")?, value.list("statuses")?);
    let has_errors = !value.list("errors")?.is_empty();
    if has_errors || (messages.is_empty() && statuses.is_empty()) {
        let kind = if has_errors { "errors".to_owned() } else { field };
        updates.push(Ok(event(seen, account, kind, change)));
    }
    let line = Line::of(&value);
    let unreadable = |part| move |reason| Unreadable { reason, payload: Cow::Borrowed(part) };
    let left = (UPDATE_LIMIT + 1).saturating_sub(updates.len());
    updates.extend(messages.into_iter().take(left).map(|part| read_message(&line, part).map_err(unreadable(part))));
    let left = (UPDATE_LIMIT + 1).saturating_sub(updates.len());
    updates.extend(statuses.into_iter().take(left).map(|part| status::read(&line, part).map_err(unreadable(part))));
    Ok(())
}

/// A change has no id. The same one at another time is another event, as when something is set, removed and set again,
/// and so is the same one once more in the same webhook.
fn event<'a>(seen: &mut Seen, account: &Account<'_>, kind: String, change: &'a RawValue) -> Update<'a> {
    let digest = Sha256::new().chain_update(account.time).chain_update("\n").chain_update(change.get()).finalize();
    let mut key = format!("{}:{kind}:{}", account.id, hex::encode(digest));
    let count = seen.entry(key.clone()).or_default();
    if *count > 0 {
        key.push_str(&format!(":{count}"));
    }
    *count += 1;
    Update { key: DedupKey::id(key), kind: Kind::Event { name: Some(kind) }, payload: Cow::Borrowed(change) }
}

impl Line {
    /// Reads what surrounds the messages; what cannot be read of it counts as absent.
    fn of(value: &Fields<'_>) -> Self {
        let mut line = Self::default();
        if let Some(metadata) = value.raw("metadata").and_then(|raw| Fields::of(raw).ok()) {
            line.phone_number_id = metadata.id("phone_number_id").ok();
            line.display_phone_number = metadata.name("display_phone_number").unwrap_or_default();
        }
        for contact in value.list("contacts").unwrap_or_default() {
            line.contacts.extend(contact_of(contact).unwrap_or_default());
        }
        line
    }

    fn contact(&self, id: &str) -> Contact {
        self.contacts.get(id).cloned().unwrap_or_default()
    }
}

/// Returns a contact by each of its ids: the phone number, and the id of people who hide theirs.
fn contact_of(contact: &RawValue) -> Result<Vec<(String, Contact)>, String> {
    let fields = Fields::of(contact)?;
    let profile = Fields::of(fields.required("profile")?)?;
    let contact = Contact { name: profile.name("name")?, username: profile.name("username")? };
    let ids = [fields.text("wa_id")?, fields.text("user_id")?];
    Ok(ids.into_iter().flatten().map(|id| (id, contact.clone())).collect())
}

fn read_message<'a>(line: &Line, part: &'a RawValue) -> Result<Update<'a>, String> {
    let fields = Fields::of(part)?;
    let id = fields.id("id")?;
    // What WhatsApp itself says, as that somebody has a new number, comes from nobody.
    let from = fields.text("from")?.map_or_else(|| fields.text("from_user_id"), |from| Ok(Some(from)))?;
    let from = from.unwrap_or_default();
    let to = line.phone_number_id.clone().or_else(|| line.display_phone_number.clone()).unwrap_or_default();
    let contact = line.contact(&from);
    let kind = content::message_kind(&fields)?;
    let mut metadata = metadata(line, &fields, &contact)?;
    let message = NormalizedMessage {
        conversation_id: fields.text("group_id")?.unwrap_or_else(|| from.clone()),
        thread_id: None,
        from: Party { id: from, name: contact.name },
        to: Party::new(to),
        content: content::read(&kind, &fields, &mut metadata)?,
        reply_to: reply_to(&fields)?,
        timestamp: fields.milliseconds("timestamp")?,
        platform: SPEC.name.to_owned(),
        metadata,
        id: id.clone(),
    };
    let kind = Kind::Message { message: Box::new(message), reply_token: None };
    Ok(Update { key: DedupKey::id(id), kind, payload: Cow::Borrowed(part) })
}

fn reply_to(fields: &Fields<'_>) -> Result<Option<Reference>, String> {
    let context = fields.raw("context").map(Fields::of).transpose()?;
    let id = context.map(|context| context.text("id")).transpose()?.flatten();
    Ok(id.map(|message_id| Reference { message_id }))
}

fn metadata(line: &Line, fields: &Fields<'_>, contact: &Contact) -> Result<Map<String, Value>, String> {
    let mut metadata = Map::new();
    let mut note = |name: &str, value: Option<Value>| {
        metadata.extend(value.map(|value| (name.to_owned(), value)));
    };
    note("phoneNumberId", line.phone_number_id.clone().map(Value::from));
    note("displayPhoneNumber", line.display_phone_number.clone().map(Value::from));
    note("username", contact.username.clone().map(Value::from));
    note("userId", fields.text("from_user_id")?.map(Value::from));
    if let Some(context) = fields.raw("context") {
        let context = Fields::of(context)?;
        let flag = |name| context.optional(name).map(|flag| flag.filter(|is_set: &bool| *is_set).map(Value::from));
        note("forwarded", flag("forwarded")?);
        note("frequentlyForwarded", flag("frequently_forwarded")?);
        note("referredProduct", context.value("referred_product")?);
    }
    note("referral", fields.value("referral")?);
    Ok(metadata)
}
