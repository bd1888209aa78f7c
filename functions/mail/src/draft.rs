//! A mail as it was asked for, checked as far as that is possible without looking anything up.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::Refusal;

use crate::address::Mailing;

/// The most recipients of a mail.
pub(crate) const RECIPIENTS: usize = 50;
/// The most addresses that answers go to.
const REPLY_TO: usize = 10;
/// The most attachments of a mail.
const ATTACHMENTS: usize = 50;
/// The most bytes of subject, body and attachments together.
pub(crate) const MAIL_BYTES: usize = 10 * 1024 * 1024;
/// The longest subject.
const SUBJECT_CHARACTERS: usize = 500;
/// The longest name of an attachment.
const FILE_NAME_CHARACTERS: usize = 255;
/// The longest name or id of a template.
const TEMPLATE_CHARACTERS: usize = 256;

/// Clients pad or do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who gets a mail: 1 to 50 addresses in all, such as `a@example.com` or `A <a@example.com>`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MailRecipients)]
pub(crate) struct Recipients {
    /// Who it is for.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) to: Vec<String>,
    /// Who gets a copy.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(crate) cc: Vec<String>,
    /// Who gets a copy that the others do not know of.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(crate) bcc: Vec<String>,
}

/// A file beside a mail, with its content or with where that is fetched.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MailAttachment)]
pub(crate) struct NewAttachment {
    /// The name of the file; required with `content`, else the last part of the URL unless given.
    pub(crate) name: Option<String>,
    /// The content as base64; either this or `url` is required.
    pub(crate) content: Option<String>,
    /// Where the content is fetched when the mail is sent: `http` or `https`, no private address.
    pub(crate) url: Option<String>,
    /// The media type; that of the answer for a URL, else `application/octet-stream`, unless given.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Text {
    /// Its own subject and body.
    Plain { subject: String, body: String },
    /// A template, by its id or name, and what it is filled in with.
    Template(TemplateText),
}

/// A template, and what it is filled in with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TemplateText {
    pub(crate) id_or_name: String,
    pub(crate) content: Map<String, Value>,
    pub(crate) language: Option<String>,
    pub(crate) time_zone: Option<String>,
}

/// The fields of a request, whatever they are called there.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) subject: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) template_id: Option<String>,
    pub(crate) template_name: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) content: Option<Map<String, Value>>,
    pub(crate) recipients: Recipients,
    pub(crate) from: Option<String>,
    pub(crate) reply_to: Vec<String>,
    pub(crate) attachments: Vec<NewAttachment>,
    pub(crate) track_opens: bool,
}

/// How the fields are called in what a client or a dispatcher wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) template_id: &'static str,
    pub(crate) template_name: &'static str,
    pub(crate) reply_to: &'static str,
}

/// A mail as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) text: Text,
    pub(crate) to: Vec<Mailing>,
    pub(crate) cc: Vec<Mailing>,
    pub(crate) bcc: Vec<Mailing>,
    /// The sender, if it is not the configured one as it is.
    pub(crate) from: Option<Mailing>,
    pub(crate) reply_to: Vec<Mailing>,
    pub(crate) attachments: Vec<Attached>,
    /// Whether it is counted when the mail is opened.
    pub(crate) track_opens: bool,
}

/// An attachment whose content is here or still to be fetched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attached {
    pub(crate) name: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) source: Source,
}

/// Where the content of an attachment is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// Here.
    Bytes(Vec<u8>),
    /// There.
    Url(String),
}

impl Draft {
    /// Checks the fields of a request.
    pub(crate) fn new(fields: &Fields, names: Names) -> Result<Self, Refusal> {
        let text = text(fields, names)?;
        let Recipients { to, cc, bcc } = &fields.recipients;
        match to.len() + cc.len() + bcc.len() {
            0 => return Err(Refusal::missing_field("recipients.to")),
            count if count > RECIPIENTS => {
                let rule = format!("must have at most {RECIPIENTS} addresses in all, this has {count}");
                return Err(Refusal::field("recipients", rule));
            }
            _ => {}
        }
        if fields.reply_to.len() > REPLY_TO {
            return Err(Refusal::field(names.reply_to, format!("must have at most {REPLY_TO} addresses")));
        }
        if fields.attachments.len() > ATTACHMENTS {
            return Err(Refusal::field("attachments", format!("must have at most {ATTACHMENTS} files")));
        }
        let attachments = fields.attachments.iter().enumerate();
        let from = fields.from.as_deref().map(|from| address("from", from)).transpose()?;
        Ok(Self {
            text,
            to: addresses("recipients.to", to)?,
            cc: addresses("recipients.cc", cc)?,
            bcc: addresses("recipients.bcc", bcc)?,
            from,
            reply_to: addresses(names.reply_to, &fields.reply_to)?,
            attachments: attachments.map(|(index, new)| attached(index, new)).collect::<Result<_, _>>()?,
            track_opens: fields.track_opens,
        })
    }
}

fn text(fields: &Fields, names: Names) -> Result<Text, Refusal> {
    let Names { template_id, template_name, .. } = names;
    let of_template = fields.template_id.as_ref().or(fields.template_name.as_ref());
    let Some(id_or_name) = of_template else {
        let subject = match (&fields.subject, &fields.body) {
            (None, None) => return Err(Refusal::missing_one_of(&["subject", template_id, template_name])),
            (None, _) => return Err(Refusal::missing_field("subject")),
            (Some(subject), _) => checked_subject(subject)?,
        };
        let body = fields.body.clone().ok_or_else(|| Refusal::missing_field("body"))?;
        let others = [
            ("content", fields.content.is_some()),
            ("language", fields.language.is_some()),
            ("time_zone", fields.time_zone.is_some()),
        ];
        if let Some((name, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
            return Err(Refusal::field(
                name,
                format!("is for a template, which `{template_id}` or `{template_name}` names"),
            ));
        }
        return Ok(Text::Plain { subject, body });
    };
    if let Some(name) = [("subject", &fields.subject), ("body", &fields.body)].iter().find(|(_, text)| text.is_some()) {
        return Err(Refusal::field(name.0, "is the template's"));
    }
    let name = if fields.template_id.is_some() { template_id } else { template_name };
    if !(1..=TEMPLATE_CHARACTERS).contains(&id_or_name.chars().count()) {
        return Err(Refusal::field(name, format!("must have 1 to {TEMPLATE_CHARACTERS} characters")));
    }
    Ok(Text::Template(TemplateText {
        id_or_name: id_or_name.clone(),
        content: fields.content.clone().unwrap_or_default(),
        language: fields.language.clone(),
        time_zone: fields.time_zone.clone(),
    }))
}

/// Checks a subject that a client wrote.
fn checked_subject(subject: &str) -> Result<String, Refusal> {
    if subject.chars().any(char::is_control) {
        return Err(Refusal::field("subject", "has a line break or another control character"));
    }
    if subject.chars().count() > SUBJECT_CHARACTERS {
        return Err(Refusal::field("subject", format!("must have at most {SUBJECT_CHARACTERS} characters")));
    }
    Ok(subject.to_owned())
}

/// Makes one line of the subject that a template was rendered to, no longer than a subject can be.
pub(crate) fn rendered_subject(text: &str) -> String {
    let words: Vec<&str> = text.split(|char: char| char.is_control() || char.is_whitespace()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(SUBJECT_CHARACTERS).collect()
}

fn address(field: &str, text: &str) -> Result<Mailing, Refusal> {
    Mailing::parse(text).map_err(|rule| Refusal::field(field, rule))
}

fn addresses(field: &str, list: &[String]) -> Result<Vec<Mailing>, Refusal> {
    let read = list.iter().enumerate().map(|(index, text)| address(&format!("{field}[{index}]"), text));
    read.collect()
}

fn attached(index: usize, new: &NewAttachment) -> Result<Attached, Refusal> {
    let field = |name: &str| format!("attachments[{index}].{name}");
    let source = match (&new.content, &new.url) {
        (Some(content), None) => {
            let bytes = BASE64.decode(content).map_err(|_| Refusal::field(&field("content"), "must be base64"))?;
            if new.name.is_none() {
                return Err(Refusal::missing_field(&field("name")));
            }
            Source::Bytes(bytes)
        }
        (None, Some(url)) => Source::Url(url.clone()),
        (Some(_), Some(_)) => return Err(Refusal::field(&field("url"), "cannot be given with `content`")),
        (None, None) => return Err(Refusal::missing_one_of(&[&field("content"), &field("url")])),
    };
    if let Some(name) = &new.name {
        check_file_name(name).map_err(|rule| Refusal::field(&field("name"), rule))?;
    }
    if let Some(kind) = &new.kind {
        check_media_type(kind).map_err(|rule| Refusal::field(&field("type"), rule))?;
    }
    Ok(Attached { name: new.name.clone(), kind: new.kind.clone(), source })
}

/// Checks the name of an attachment.
pub(crate) fn check_file_name(name: &str) -> Result<(), String> {
    if !(1..=FILE_NAME_CHARACTERS).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(format!("must have 1 to {FILE_NAME_CHARACTERS} characters, none of them a line break"));
    }
    Ok(())
}

/// Checks the media type of an attachment: one that is made of parts could be taken for parts of the mail.
pub(crate) fn check_media_type(kind: &str) -> Result<(), String> {
    let is_type = !kind.chars().any(char::is_control) && lettre::message::header::ContentType::parse(kind).is_ok();
    let lower = kind.trim_start().to_ascii_lowercase();
    let is_made_of_parts = lower.starts_with("multipart/") || lower.starts_with("message/");
    match is_type && !is_made_of_parts {
        true => Ok(()),
        false => Err("must be a media type such as `application/pdf`, other than `multipart` and `message`".to_owned()),
    }
}

/// Reads null as an absent list.
fn or_default<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names { template_id: "template_id", template_name: "template_name", reply_to: "reply_to" };

    fn fields() -> Fields {
        let recipients = Recipients { to: vec!["a@a.test".to_owned()], ..Recipients::default() };
        Fields { subject: Some("s".to_owned()), body: Some("b".to_owned()), recipients, ..Fields::default() }
    }

    fn check(fields: &Fields, code: u32, expected: &str) {
        let refusal = Draft::new(fields, NAMES).unwrap_err();
        assert_eq!((refusal.code, refusal.message.as_str()), (code, expected));
    }

    #[test]
    fn a_mail_has_either_its_own_text_or_a_template() {
        assert!(Draft::new(&fields(), NAMES).is_ok());
        check(
            &Fields { subject: None, body: None, ..fields() },
            14,
            "`subject` or `template_id` or `template_name` is required",
        );
        check(&Fields { subject: None, ..fields() }, 14, "`subject` is required");
        check(&Fields { body: None, ..fields() }, 14, "`body` is required");
        let name = || Some("welcome".to_owned());
        check(&Fields { template_name: name(), ..fields() }, 15, "`subject` is the template's");
        check(&Fields { template_name: name(), subject: None, ..fields() }, 15, "`body` is the template's");
        let rule = "`content` is for a template, which `template_id` or `template_name` names";
        check(&Fields { content: Some(Map::new()), ..fields() }, 15, rule);
        let of_template = Fields { template_name: name(), subject: None, body: None, ..fields() };
        assert!(
            matches!(Draft::new(&of_template, NAMES).unwrap().text, Text::Template(text) if text.id_or_name == "welcome")
        );
    }

    #[test]
    fn a_mail_has_one_to_fifty_recipients() {
        let to = |count| Recipients { to: vec!["a@a.test".to_owned(); count], ..Recipients::default() };
        assert!(Draft::new(&Fields { recipients: to(50), ..fields() }, NAMES).is_ok());
        check(&Fields { recipients: to(0), ..fields() }, 14, "`recipients.to` is required");
        check(
            &Fields { recipients: to(51), ..fields() },
            15,
            "`recipients` must have at most 50 addresses in all, this has 51",
        );
        let cc = vec!["a@a.test\r\nBcc: b@b.test".to_owned()];
        let recipients = Recipients { cc, ..to(1) };
        check(
            &Fields { recipients, ..fields() },
            15,
            "`recipients.cc[0]` has a line break or another control character",
        );
    }

    #[test]
    fn a_subject_is_one_line() {
        let rule = "`subject` has a line break or another control character";
        for subject in ["a\r\nBcc: b@b.test", "a\nb", "a\u{0}b", "a\u{85}b"] {
            check(&Fields { subject: Some(subject.to_owned()), ..fields() }, 15, rule);
        }
        check(&Fields { subject: Some("x".repeat(501)), ..fields() }, 15, "`subject` must have at most 500 characters");
        assert_eq!(rendered_subject(" Hi\r\nBcc: x \t you\u{2028}all "), "Hi Bcc: x you all");
        assert_eq!(rendered_subject(&"x".repeat(600)).len(), 500);
    }

    #[test]
    fn an_attachment_has_its_content_or_a_url() {
        let with = |new: NewAttachment| Fields { attachments: vec![new], ..fields() };
        let text = |text: &str| Some(text.to_owned());
        let check = |new: NewAttachment, code: u32, expected: &str| check(&with(new), code, expected);
        let whole = NewAttachment { name: text("a.txt"), content: text("aGk="), ..NewAttachment::default() };
        let draft = Draft::new(&with(whole.clone()), NAMES).unwrap();
        assert_eq!(draft.attachments[0].source, Source::Bytes(b"hi".to_vec()));
        assert!(Draft::new(&with(NewAttachment { content: text("aGk"), ..whole.clone() }), NAMES).is_ok());
        let nothing = "`attachments[0].content` or `attachments[0].url` is required";
        check(NewAttachment::default(), 14, nothing);
        check(NewAttachment { name: None, ..whole.clone() }, 14, "`attachments[0].name` is required");
        check(NewAttachment { content: text("%"), ..whole.clone() }, 15, "`attachments[0].content` must be base64");
        check(
            NewAttachment { url: text("https://a.test"), ..whole.clone() },
            15,
            "`attachments[0].url` cannot be given with `content`",
        );
        let rule = "`attachments[0].name` must have 1 to 255 characters, none of them a line break";
        check(NewAttachment { name: text("a\r\nX: y"), ..whole.clone() }, 15, rule);
        let rule = "`attachments[0].type` must be a media type such as `application/pdf`, other than `multipart` and `message`";
        for kind in ["pdf", "", "text/plain\r\nX: y", "Multipart/mixed", "message/rfc822"] {
            check(NewAttachment { kind: text(kind), ..whole.clone() }, 15, rule);
        }
    }
}
