//! What `SendEmail` asks for: who sends what to whom.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use mail_parser::MessageParser;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::{Reply, read_json};

/// The most recipients of one mail.
const RECIPIENTS: usize = 50;
/// The largest mail, with its headers and encoded attachments.
const MAIL_BYTES: usize = 40 * 1024 * 1024;
/// The most tags of one mail, and the longest name or value of one.
const TAGS: usize = 50;
const TAG_CHARACTERS: usize = 256;

/// A mail as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Letter {
    /// The sender, perhaps with a name.
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    pub(super) subject: String,
    pub(super) tags: BTreeMap<String, Vec<String>>,
    pub(super) configuration_set: Option<String>,
    /// The whole message, with its headers.
    #[serde(skip)]
    pub(super) raw: Vec<u8>,
}

impl Letter {
    /// Checks a request as SES does.
    pub(super) fn read(body: &[u8], id: &str, now: Timestamp) -> Result<Self, Reply> {
        let request = read_json(body)?;
        let from = request["FromEmailAddress"].as_str().map(str::to_owned);
        let [to, cc, bcc] =
            ["ToAddresses", "CcAddresses", "BccAddresses"].map(|name| texts(&request["Destination"][name]));
        let content = &request["Content"];
        let raw = match (&content["Raw"], &content["Simple"]) {
            (Value::Object(raw), Value::Null) => STANDARD
                .decode(raw.get("Data").and_then(Value::as_str).unwrap_or_default())
                .map_err(|_| bad("The content of the raw message is not base64."))?,
            (Value::Null, simple @ Value::Object(_)) => {
                let from = from.as_deref().ok_or_else(|| bad("Missing required header 'From'."))?;
                let reply_to = texts(&request["ReplyToAddresses"]);
                simple_message(simple, from, [&to, &cc, &reply_to], now)?
            }
            _ => return Err(bad("One of Content.Raw and Content.Simple is needed; templates are not supported here.")),
        };
        if raw.len() > MAIL_BYTES {
            return Err(bad(format!("Message length is more than {MAIL_BYTES} bytes long: '{}'.", raw.len())));
        }
        let mut letter = Self {
            from: from.unwrap_or_default(),
            to,
            cc,
            bcc,
            subject: String::new(),
            tags: tags(&request["EmailTags"])?,
            configuration_set: request["ConfigurationSetName"].as_str().map(str::to_owned),
            raw,
        };
        letter.complete(id, now)?;
        Ok(letter)
    }

    /// All who get it, without names.
    pub(super) fn recipients(&self) -> impl Iterator<Item = &str> {
        self.to.iter().chain(&self.cc).chain(&self.bcc).map(|address| plain(address))
    }

    /// The sender without a name.
    pub(super) fn sender(&self) -> &str {
        plain(&self.from)
    }

    /// Takes from the message what the request does not say, and gives the message what every one must have.
    fn complete(&mut self, id: &str, now: Timestamp) -> Result<(), Reply> {
        let parsed = MessageParser::default().parse(&self.raw).ok_or_else(|| bad("The message cannot be read."))?;
        self.subject = parsed.subject().unwrap_or_default().to_owned();
        if self.from.is_empty() {
            let from = parsed.from().and_then(|from| from.first()).and_then(|from| from.address());
            self.from = from.ok_or_else(|| bad("Missing required header 'From'."))?.to_owned();
        }
        if self.recipients().next().is_none() {
            self.to = addresses(parsed.to());
            self.cc = addresses(parsed.cc());
            self.bcc = addresses(parsed.bcc());
        }
        let has_date = parsed.date().is_some();
        for address in self.recipients().chain([self.sender()]) {
            let is_ascii_user = |address: &Address| address.user().is_ascii();
            if !Address::from_str(address).is_ok_and(|address| is_ascii_user(&address)) {
                return Err(bad(format!("Illegal address: '{address}'.")));
            }
        }
        match self.recipients().count() {
            0 => return Err(bad("At least one recipient is needed.")),
            count if count > RECIPIENTS => return Err(bad(format!("Recipient count exceeds {RECIPIENTS}."))),
            _ => {}
        }
        let mut head = String::new();
        let domain = self.sender().rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        head.push_str(&format!("Message-ID: <{id}@{domain}>\r\n"));
        if !has_date {
            head.push_str(&format!("Date: {}\r\n", now.strftime("%a, %d %b %Y %H:%M:%S +0000")));
        }
        self.raw.splice(..0, head.into_bytes());
        Ok(())
    }
}

/// An address without the name before it.
pub(super) fn plain(address: &str) -> &str {
    match address.rsplit_once('<') {
        Some((_, rest)) => rest.trim_end().trim_end_matches('>'),
        None => address.trim(),
    }
}

fn bad(message: impl ToString) -> Reply {
    Reply::error(400, "BadRequestException", message)
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn addresses(list: Option<&mail_parser::Address<'_>>) -> Vec<String> {
    let addresses = list.into_iter().flat_map(mail_parser::Address::iter);
    addresses.filter_map(|address| address.address()).map(str::to_owned).collect()
}

fn tags(list: &Value) -> Result<BTreeMap<String, Vec<String>>, Reply> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.len() > TAGS {
        return Err(bad(format!("A message has at most {TAGS} tags.")));
    }
    let is_valid = |text: &str| {
        (1..=TAG_CHARACTERS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tag in list {
        let (name, value) = (tag["Name"].as_str().unwrap_or_default(), tag["Value"].as_str().unwrap_or_default());
        if !is_valid(name) || !is_valid(value) {
            return Err(bad("Names and values of tags have 1 to 256 letters, digits, '_' and '-'."));
        }
        tags.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    Ok(tags)
}

/// Builds the message of subject, body and attachments, as SES does.
fn simple_message(
    simple: &Value,
    from: &str,
    [to, cc, reply_to]: [&[String]; 3],
    now: Timestamp,
) -> Result<Vec<u8>, Reply> {
    let mailbox = |address: &str| -> Result<Mailbox, Reply> {
        address.parse().map_err(|_| bad(format!("Illegal address: '{address}'.")))
    };
    let data = |value: &Value| value["Data"].as_str().map(str::to_owned);
    let mut message = lettre::Message::builder().date(SystemTime::from(now)).from(mailbox(from)?);
    for address in to {
        message = message.to(mailbox(address)?);
    }
    for address in cc {
        message = message.cc(mailbox(address)?);
    }
    for address in reply_to {
        message = message.reply_to(mailbox(address)?);
    }
    message = message.subject(data(&simple["Subject"]).unwrap_or_default());
    for header in simple["Headers"].as_array().into_iter().flatten() {
        let name = header["Name"].as_str().unwrap_or_default().to_owned();
        let name = HeaderName::new_from_ascii(name).map_err(|_| bad("A header has an invalid name."))?;
        message = message.raw_header(HeaderValue::new(name, header["Value"].as_str().unwrap_or_default().to_owned()));
    }
    // The envelope is the request's, so that a message without anybody in its headers is complete as well.
    let sender = plain(from).parse().map_err(|_| bad(format!("Illegal address: '{from}'.")))?;
    let envelope = lettre::address::Envelope::new(None, vec![sender]).map_err(bad)?;
    let body = match (data(&simple["Body"]["Text"]), data(&simple["Body"]["Html"])) {
        (Some(text), Some(html)) => MultiPart::alternative_plain_html(text, html),
        (Some(text), None) => MultiPart::mixed().singlepart(SinglePart::plain(text)),
        (None, Some(html)) => MultiPart::mixed().singlepart(SinglePart::html(html)),
        (None, None) => return Err(bad("The message has neither a text nor an HTML body.")),
    };
    let mut parts = MultiPart::mixed().multipart(body);
    for attachment in simple["Attachments"].as_array().into_iter().flatten() {
        parts = parts.singlepart(attached(attachment)?);
    }
    let message = message.envelope(envelope).multipart(parts).map_err(bad)?;
    Ok(message.formatted())
}

fn attached(attachment: &Value) -> Result<SinglePart, Reply> {
    let name = attachment["FileName"].as_str().unwrap_or_default().to_owned();
    let content = STANDARD.decode(attachment["RawContent"].as_str().unwrap_or_default());
    let content = content.map_err(|_| bad("The content of an attachment is not base64."))?;
    let kind = attachment["ContentType"].as_str().unwrap_or("application/octet-stream");
    let kind = ContentType::parse(kind).map_err(|_| bad("The type of an attachment is not a media type."))?;
    Ok(Attachment::new(name).body(content, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(request: &Value) -> Result<Letter, String> {
        let read = Letter::read(request.to_string().as_bytes(), "id", Timestamp::UNIX_EPOCH);
        read.map_err(|reply| String::from_utf8(reply.body).unwrap())
    }

    fn raw(text: &str) -> Value {
        json!({"Content": {"Raw": {"Data": STANDARD.encode(text)}}})
    }

    #[test]
    fn a_raw_message_gets_an_id_and_says_who_gets_it() {
        let letter =
            read(&raw("From: A <a@a.test>\r\nTo: b@b.test\r\nSubject: =?utf-8?B?SMOpw6k=?=\r\n\r\nx")).unwrap();
        assert_eq!((letter.sender(), letter.subject.as_str()), ("a@a.test", "Héé"));
        assert_eq!(letter.recipients().collect::<Vec<_>>(), ["b@b.test"]);
        let text = String::from_utf8(letter.raw).unwrap();
        assert!(
            text.starts_with("Message-ID: <id@a.test>\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: "),
            "{text}"
        );
    }

    #[test]
    fn a_request_decides_who_gets_a_message_whatever_its_headers_say() {
        let mut request = raw("From: a@a.test\r\nTo: b@b.test\r\n\r\nx");
        request["Destination"] = json!({"BccAddresses": ["C <c@c.test>"]});
        assert_eq!(read(&request).unwrap().recipients().collect::<Vec<_>>(), ["c@c.test"]);
    }

    #[test]
    fn what_ses_refuses_is_refused() {
        let check = |request: Value, expected: &str| {
            let error = read(&request).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(json!({}), "Content.Raw");
        check(raw("To: b@b.test\r\n\r\nx"), "Missing required header");
        check(raw("From: a@a.test\r\n\r\nx"), "At least one recipient");
        let mut request = raw("From: a@a.test\r\n\r\nx");
        for wrong in ["nobody", "å@b.test", "a b@b.test", ""] {
            request["Destination"] = json!({"ToAddresses": [wrong]});
            check(request.clone(), &format!("Illegal address: '{wrong}'"));
        }
        request["Destination"] = json!({"ToAddresses": vec!["b@b.test"; 51]});
        check(request.clone(), "Recipient count exceeds 50");
        request["Destination"] = json!({"ToAddresses": ["b@b.test"]});
        request["EmailTags"] = json!([{"Name": "a b", "Value": "c"}]);
        check(request, "Names and values of tags");
    }

    #[test]
    fn a_simple_message_has_both_bodies_and_its_attachments() {
        let letter = read(&json!({
            "FromEmailAddress": "a@a.test",
            "Destination": {"ToAddresses": ["b@b.test"], "BccAddresses": ["c@c.test"]},
            "Content": {"Simple": {
                "Subject": {"Data": "Grüße"}, "Body": {"Text": {"Data": "text"}, "Html": {"Data": "<b>html</b>"}},
                "Attachments": [{"FileName": "a.txt", "RawContent": "aGk=", "ContentType": "text/plain"}],
            }},
        }));
        let letter = letter.unwrap();
        let parsed = MessageParser::default().parse(&letter.raw).unwrap();
        assert_eq!(parsed.subject(), Some("Grüße"));
        assert_eq!(parsed.body_text(0).unwrap().trim_end(), "text");
        assert_eq!(parsed.body_html(0).unwrap().trim_end(), "<b>html</b>");
        assert_eq!(parsed.attachment(0).unwrap().contents(), b"hi");
        assert!(!String::from_utf8(letter.raw.clone()).unwrap().contains("c@c.test"));
    }
}
