//! One entry of `PutEvents`: its limits, and the event that functions receive.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::seen::Fields;
use crate::arn::{ACCOUNT, REGION, random_id};
use crate::clock::time_text;
use crate::template::bus_name;

/// The code and message of a rejected entry.
type Refusal = (&'static str, String);

/// An event as Lambda receives it; the fields are in AWS's order.
#[derive(Serialize)]
pub(super) struct Event<'e> {
    version: &'static str,
    pub(super) id: String,
    #[serde(rename = "detail-type")]
    detail_type: &'e str,
    source: &'e str,
    account: &'static str,
    time: String,
    region: &'static str,
    resources: Vec<&'e str>,
    detail: &'e RawValue,
    /// What the rules see of the detail.
    #[serde(skip)]
    seen: Value,
    #[serde(skip)]
    pub(super) bus: &'e str,
}

impl<'e> Event<'e> {
    /// Checks an entry as EventBridge does.
    pub(super) fn read(entry: &'e Value, buses: &[String], fields: &Fields, now: Timestamp) -> Result<Self, Refusal> {
        let source = required(entry, "Source")?;
        if source.starts_with("aws.") {
            let message = "Not authorized for the source.".to_owned();
            return Err(("NotAuthorizedForSourceException", message));
        }
        let bus = bus(&entry["EventBusName"]);
        if !buses.iter().any(|known| known == bus) {
            let message = format!("Event bus {bus} does not exist.");
            return Err(("ResourceNotFoundException", message));
        }
        Self::on(bus, entry, fields, now)
    }

    /// Takes an entry of an AWS service itself, on the default bus.
    pub(super) fn of_aws(entry: &'e Value, fields: &Fields, now: Timestamp) -> Result<Self, Refusal> {
        Self::on("default", entry, fields, now)
    }

    fn on(bus: &'e str, entry: &'e Value, fields: &Fields, now: Timestamp) -> Result<Self, Refusal> {
        let (source, detail_type) = (required(entry, "Source")?, required(entry, "DetailType")?);
        let (detail, seen) = detail(required(entry, "Detail")?, fields)?;
        let given = entry["Time"].as_f64();
        let time = given.map_or(now, seconds);
        let resources = entry["Resources"].as_array().map(Vec::as_slice);
        Ok(Self {
            version: "0",
            id: random_id(),
            detail_type,
            source,
            account: ACCOUNT,
            time: time_text(time),
            region: REGION,
            resources: resources.unwrap_or_default().iter().filter_map(Value::as_str).collect(),
            detail,
            seen,
            bus,
        })
    }

    /// The JSON text that is delivered.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("strings and valid JSON can be written as JSON")
    }

    /// What the rules see of it; the second time without the detail.
    pub(super) fn take_seen(&mut self, fields: &Fields) -> Value {
        let texts = [
            ("version", self.version),
            ("id", &self.id),
            ("detail-type", self.detail_type),
            ("source", self.source),
            ("account", self.account),
            ("time", &self.time),
            ("region", self.region),
        ];
        let mut seen: Map<String, Value> = texts
            .into_iter()
            .filter(|(name, _)| fields.have(name))
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect();
        if fields.have("resources") {
            seen.insert("resources".to_owned(), self.resources.clone().into());
        }
        seen.insert("detail".to_owned(), self.seen.take());
        Value::Object(seen)
    }
}

/// The bytes that an entry counts towards the limit of a request.
pub(super) fn size_bytes(entry: &Value) -> usize {
    let text = |name: &str| entry[name].as_str().map_or(0, str::len);
    let resources = entry["Resources"].as_array().into_iter().flatten();
    let time = if entry["Time"].is_null() { 0 } else { 14 };
    let resources: usize = resources.filter_map(Value::as_str).map(str::len).sum();
    time + text("Source") + text("DetailType") + text("Detail") + resources
}

/// The bus that an entry names.
pub(super) fn bus(name_or_arn: &Value) -> &str {
    bus_name(name_or_arn.as_str().unwrap_or("default"))
}

fn required<'e>(entry: &'e Value, name: &str) -> Result<&'e str, Refusal> {
    let text = entry[name].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| {
        let reason = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        ("InvalidArgument", reason)
    })
}

/// The detail as text, and what the rules see of it.
fn detail<'e>(text: &'e str, fields: &Fields) -> Result<(&'e RawValue, Value), Refusal> {
    let malformed = |_| ("MalformedDetail", "Detail is malformed.".to_owned());
    let seen = fields.read_detail(text).map_err(malformed)?;
    Ok((serde_json::from_str(text).map_err(malformed)?, seen))
}

fn seconds(seconds: f64) -> Timestamp {
    let milliseconds = jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
    Timestamp::from_duration(milliseconds).unwrap_or_default()
}
