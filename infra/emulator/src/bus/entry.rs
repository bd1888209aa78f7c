//! One entry of `PutEvents`: its limits, and the event that functions receive.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

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
    #[serde(skip)]
    parsed: Value,
    #[serde(skip)]
    pub(super) bus: &'e str,
}

impl<'e> Event<'e> {
    /// Checks an entry as EventBridge does.
    pub(super) fn read(entry: &'e Value, buses: &[String], now: Timestamp) -> Result<Self, Refusal> {
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
        Self::on(bus, entry, now)
    }

    /// Takes an entry of an AWS service itself, on the default bus.
    pub(super) fn of_aws(entry: &'e Value, now: Timestamp) -> Result<Self, Refusal> {
        Self::on("default", entry, now)
    }

    fn on(bus: &'e str, entry: &'e Value, now: Timestamp) -> Result<Self, Refusal> {
        let (source, detail_type) = (required(entry, "Source")?, required(entry, "DetailType")?);
        let (detail, parsed) = detail(required(entry, "Detail")?)?;
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
            parsed,
            bus,
        })
    }

    /// The JSON text that is delivered.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("strings and valid JSON can be written as JSON")
    }

    /// The same as a value, for patterns; the second time without the detail.
    pub(super) fn take_value(&mut self) -> Value {
        json!({
            "version": self.version,
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": self.account,
            "time": self.time,
            "region": self.region,
            "resources": self.resources,
            "detail": self.parsed.take(),
        })
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

/// The detail as text and as a value.
fn detail(text: &str) -> Result<(&RawValue, Value), Refusal> {
    let malformed = || ("MalformedDetail", "Detail is malformed.".to_owned());
    let detail: &RawValue = serde_json::from_str(text).map_err(|_| malformed())?;
    // `RawValue` does not check the depth, and every reader of the text would.
    let parsed: Value = serde_json::from_str(text).map_err(|_| malformed())?;
    if parsed.is_object() { Ok((detail, parsed)) } else { Err(malformed()) }
}

fn seconds(seconds: f64) -> Timestamp {
    let milliseconds = jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
    Timestamp::from_duration(milliseconds).unwrap_or_default()
}
