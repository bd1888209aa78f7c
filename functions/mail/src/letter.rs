//! A mail as it is sent: everything checked, rendered and fetched.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Attachment, Body, MultiPart, SinglePart};
use mail_parser::decoders::html::html_to_text;

use crate::address::Mailing;

/// What ends a line of a text.
const BLOCKS: [&str; 18] = [
    "article",
    "blockquote",
    "div",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "li",
    "ol",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];
/// The longest body of which a text is made for those who read no HTML.
const TEXT_OF_BYTES: usize = 1024 * 1024;

/// A mail as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) from: Mailing,
    pub(crate) to: Vec<Mailing>,
    pub(crate) cc: Vec<Mailing>,
    /// Who gets it without being named in it.
    pub(crate) bcc: Vec<Mailing>,
    pub(crate) reply_to: Vec<Mailing>,
    pub(crate) subject: String,
    /// HTML.
    pub(crate) body: String,
    pub(crate) files: Vec<File>,
}

/// A file beside a mail.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) content: Vec<u8>,
}

impl Letter {
    /// Returns the bytes that count towards the limit of a mail.
    pub(crate) fn size_bytes(&self) -> usize {
        self.subject.len() + self.body.len() + self.files.iter().map(|file| file.content.len()).sum::<usize>()
    }

    /// Writes the mail as MIME, with `pixel` as an image at the end of its body.
    pub(crate) fn mime(&self, now: Timestamp, pixel: Option<&str>) -> Result<Vec<u8>, String> {
        let Self { from, to, cc, bcc, reply_to, subject, body, files } = self;
        // Readers drop the spaces between two encoded words, of which more than one makes more words.
        let subject = subject.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let mut message = Message::builder().date(SystemTime::from(now)).from(from.mailbox()?).subject(subject);
        for mailing in to {
            message = message.to(mailing.mailbox()?);
        }
        for mailing in cc {
            message = message.cc(mailing.mailbox()?);
        }
        for mailing in reply_to {
            message = message.reply_to(mailing.mailbox()?);
        }
        let recipients = [to, cc, bcc].into_iter().flatten();
        let recipients = recipients.map(|mailing| mailing.mailbox().map(|mailbox| mailbox.email));
        let envelope = Envelope::new(None, recipients.collect::<Result<_, _>>()?).map_err(|error| error.to_string())?;
        let text = text_of(body);
        let html = SinglePart::html(pixel.map_or_else(|| body.clone(), |url| with_pixel(body, url)));
        let alternative = MultiPart::alternative();
        let alternative = match text {
            Some(text) => alternative.singlepart(SinglePart::plain(text)).singlepart(html),
            None => alternative.singlepart(html),
        };
        let parts = match files.as_slice() {
            [] => alternative,
            files => {
                let mixed = MultiPart::mixed().multipart(alternative);
                files.iter().try_fold(mixed, |mixed, file| Ok::<_, String>(mixed.singlepart(file.part()?)))?
            }
        };
        let message = message.envelope(envelope).multipart(parts).map_err(|error| error.to_string())?;
        Ok(message.formatted())
    }
}

impl File {
    fn part(&self) -> Result<SinglePart, String> {
        let kind = ContentType::parse(&self.kind).map_err(|error| error.to_string())?;
        let content = Body::new_with_encoding(self.content.clone(), ContentTransferEncoding::Base64);
        let content = content.map_err(|_| "the content cannot be encoded".to_owned())?;
        Ok(Attachment::new(self.name.clone()).body(content, kind))
    }
}

/// Returns what a body says to those who read no HTML, if that is anything.
fn text_of(body: &str) -> Option<String> {
    if body.len() > TEXT_OF_BYTES {
        return None;
    }
    // What comes from outside is read by somebody else's code: a mail without a text is better than none.
    let text = std::panic::catch_unwind(|| html_to_text(&with_breaks_and_targets(body))).ok()?;
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    Some(lines.join("\n").trim().to_owned()).filter(|text| !text.is_empty())
}

/// Writes into HTML what its reader would leave out of the text: a break at the end of each block, where it makes one
/// after paragraphs alone, and the target of a link after its words.
fn with_breaks_and_targets(body: &str) -> String {
    let mut written = String::with_capacity(body.len());
    let (mut link, mut rest) = (None, body);
    while let Some((before, tag)) = rest.split_once('<') {
        written.push_str(before);
        let name = tag.strip_prefix('/').unwrap_or(tag).split(|char: char| !char.is_ascii_alphanumeric()).next();
        let (name, is_end) = (name.unwrap_or_default(), tag.starts_with('/'));
        if name.eq_ignore_ascii_case("a") {
            if let Some((target, start)) = link.take()
                && !words(&written, start).contains(target)
            {
                written.extend([" (", target, ")"]);
            }
            link = target(tag).filter(|_| !is_end).map(|target| (target, written.len()));
        } else if is_end && BLOCKS.iter().any(|block| block.eq_ignore_ascii_case(name)) {
            written.push_str("<br>");
        }
        written.push('<');
        rest = tag;
    }
    written.push_str(rest);
    written
}

/// The words of the link that starts here.
fn words(written: &str, start: usize) -> &str {
    written.get(start..).and_then(|link| link.split_once('>')).map_or("", |(_, words)| words)
}

/// The target of a link that means something outside of the mail, as it is written in HTML.
fn target(tag: &str) -> Option<&str> {
    // A tag that never ends is over where the next one begins, so that each is looked at once.
    let tag = tag.split(['<', '>']).next()?;
    let lower = tag.to_ascii_lowercase();
    // The name begins after a space, unlike that of `data-href`.
    let (at, _) =
        lower.match_indices("href").find(|(at, _)| lower[..*at].ends_with(|c: char| c.is_ascii_whitespace()))?;
    let value = tag.get(at + "href".len()..)?.trim_start().strip_prefix('=')?.trim_start();
    let target = match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next()?,
        _ => value.split_ascii_whitespace().next()?,
    };
    let is_outside = |scheme: &&str| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    ["http:", "https:", "mailto:", "tel:"].iter().any(is_outside).then(|| target.trim())
}

/// Puts an image at the end of an HTML document.
fn with_pixel(body: &str, url: &str) -> String {
    let image = format!(r#"<img src="{url}" width="1" height="1" alt="">"#);
    let at = body.to_ascii_lowercase().rfind("</body>").unwrap_or(body.len());
    format!("{}{image}{}", &body[..at], &body[at..])
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders as _};
    use proptest::prelude::*;

    use super::*;

    fn letter(subject: &str, body: &str) -> Letter {
        let mailing = |text| Mailing::parse(text).unwrap();
        Letter {
            from: mailing("Hookyard <no-reply@example.com>"),
            to: vec![mailing("Å Ö, \"X\" <a@example.com>"), mailing("b@example.com")],
            cc: vec![mailing("c@example.com")],
            bcc: vec![mailing("hidden@example.com")],
            reply_to: vec![mailing("r@example.com")],
            subject: subject.to_owned(),
            body: body.to_owned(),
            files: Vec::new(),
        }
    }

    fn names(list: Option<&mail_parser::Address<'_>>) -> Vec<(String, String)> {
        let list = list.into_iter().flat_map(mail_parser::Address::iter);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        list.map(|address| (text(address.name()), text(address.address()))).collect()
    }

    #[test]
    fn another_reader_finds_everything_in_it() {
        let mut letter = letter("Grüße, 你好 👋", "<html><body><h1>Hi</h1><p>Tom &amp; Jerry</p></body></html>");
        let file = |name: &str, kind: &str, content: &[u8]| File {
            name: name.to_owned(),
            kind: kind.to_owned(),
            content: content.to_vec(),
        };
        letter.files = vec![
            file("Rechnung März.pdf", "application/pdf", b"%PDF\r\n\x00\xff"),
            file("a.txt", "text/plain", b"one\ntwo"),
        ];
        let mime = letter.mime("2026-01-02T03:04:05Z".parse().unwrap(), Some("https://a.test/open")).unwrap();
        let text = String::from_utf8(mime.clone()).unwrap();
        assert!(!text.contains("hidden@example.com"), "{text}");
        let parsed = MessageParser::default().parse(&mime).unwrap();
        assert_eq!(parsed.subject(), Some("Grüße, 你好 👋"));
        assert_eq!(names(parsed.from()), [("Hookyard".to_owned(), "no-reply@example.com".to_owned())]);
        let to = [("Å Ö, \"X\"".to_owned(), "a@example.com".to_owned()), (String::new(), "b@example.com".to_owned())];
        assert_eq!(names(parsed.to()), to);
        assert_eq!((names(parsed.cc()).len(), names(parsed.reply_to()).len()), (1, 1));
        assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-01-02T03:04:05Z");
        assert_eq!(parsed.body_text(0).unwrap().trim(), "Hi\r\nTom & Jerry");
        let html = parsed.body_html(0).unwrap();
        assert!(html.contains(r#"<img src="https://a.test/open" width="1" height="1" alt=""></body>"#), "{html}");
        let files: Vec<_> =
            parsed.attachments().map(|part| (part.attachment_name().unwrap(), part.contents())).collect();
        let expected: [(&str, &[u8]); 2] = [("Rechnung März.pdf", b"%PDF\r\n\x00\xff"), ("a.txt", b"one\ntwo")];
        assert_eq!(files, expected);
    }

    #[test]
    fn words_of_a_subject_stay_apart() {
        let mime = letter("Grüße  Ärzte   ok", "").mime(Timestamp::UNIX_EPOCH, None).unwrap();
        assert_eq!(MessageParser::default().parse(&mime).unwrap().subject(), Some("Grüße Ärzte ok"));
    }

    #[test]
    fn lines_are_no_longer_than_mail_servers_take() {
        let mime = letter(&"s".repeat(500), &"ä".repeat(5000)).mime(Timestamp::UNIX_EPOCH, None).unwrap();
        let longest = mime.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap();
        assert!(longest <= 1000 && mime.is_ascii(), "{longest}");
    }

    #[test]
    fn a_text_has_the_lines_of_the_document() {
        let check = |body: &str, expected: &str| assert_eq!(text_of(body).as_deref(), Some(expected), "{body}");
        check("<ul><li>one</li><LI>two</LI></ul><p>three<br>four</p>", "one\ntwo\n\nthree\nfour");
        check("<style>p { color: red }</style><div><div>a  b</div></div>\n\n<div>c &lt; d</div>", "a b\n\nc < d");
        check("no markup", "no markup");
        check("<b>un</b>closed </", "unclosed");
    }

    #[test]
    fn a_text_has_the_targets_of_links() {
        let check = |body: &str, expected: &str| assert_eq!(text_of(body).as_deref(), Some(expected), "{body}");
        check(
            r#"<p>Do you <a href="https://a.test/x?b=1&amp;c=2">agree</a>?</p>"#,
            "Do you agree (https://a.test/x?b=1&c=2)?",
        );
        check(
            "<A class=x HREF = 'http://a.test/'><b>go</b></A><a href=mailto:a@b.test >us</a>",
            "go (http://a.test/)us (mailto:a@b.test)",
        );
        check(r#"<a href="https://a.test/">https://a.test/</a>"#, "https://a.test/");
        check(
            r##"<a href="#top">up</a> <a data-href="https://a.test/" name="n">x</a> <a href="javascript:x">y</a>"##,
            "up x y",
        );
        check(r#"<a href="https://a.test/é">ü</a><abbr href="https://b.test">b</abbr>"#, "ü (https://a.test/é)b");
        check(
            r#"<a href="https://a.test/">a <a href="https://b.test/">b</a>"#,
            "a (https://a.test/)b (https://b.test/)",
        );
    }

    #[test]
    fn a_mail_without_words_has_no_text() {
        for body in ["", "<img src=x>", &"<p>x</p>".repeat(TEXT_OF_BYTES / 8 + 1)] {
            assert_eq!(text_of(body), None);
        }
    }

    #[test]
    fn the_pixel_is_at_the_end_of_the_document() {
        let check = |body: &str, expected: &str| assert_eq!(with_pixel(body, "u"), expected);
        let image = r#"<img src="u" width="1" height="1" alt="">"#;
        check("hi", &format!("hi{image}"));
        check("<BODY>İ hi</BODY></html>", &format!("<BODY>İ hi{image}</BODY></html>"));
    }

    proptest! {
        #[test]
        fn whatever_a_subject_and_a_body_say_they_reach_no_header(subject in "[^\\x00-\\x1f\\x7f-\\x9f]{0,80}", body in "\\PC{0,60}(\\r\\n)?(Bcc: x@y\\.z)?[<>&;!a-z\\-]{0,30}") {
            let mime = letter(&subject, &body).mime(Timestamp::UNIX_EPOCH, None).unwrap();
            let parsed = MessageParser::default().parse(&mime).unwrap();
            prop_assert!(parsed.bcc().is_none());
            prop_assert_eq!(names(parsed.to()).len(), 2);
            let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(squeeze(parsed.subject().unwrap_or_default()), squeeze(&subject));
            let html = parsed.body_html(0).unwrap_or_default().into_owned();
            prop_assert_eq!(html.trim_end(), body.trim_end());
        }
    }
}
