//! Addresses of mails, as they come from clients and from events.

use std::fmt;

use email_address::{EmailAddress, Options};
use lettre::Address;
use lettre::message::Mailbox;
use url::Host;

/// The longest address, and the longest name beside one.
const ADDRESS_BYTES: usize = 254;
const NAME_CHARACTERS: usize = 128;

/// An address with or without a name, known to be one that a mail can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailing {
    name: Option<String>,
    user: String,
    /// In ASCII.
    domain: String,
}

impl Mailing {
    /// Reads `a@b.example` or `A <a@b.example>`, or says which rule it breaks.
    ///
    /// A line break could begin another header, so that no control character is allowed anywhere.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("has a line break or another control character".to_owned());
        }
        let (name, address) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (Some(unquoted(name.trim())), address.trim()),
            None => (None, text.trim()),
        };
        let rule = || "must be an address such as `a@example.com` or `A <a@example.com>`".to_owned();
        // Two addresses would be one with the first in its name.
        if name.as_ref().is_some_and(|name| name.contains(['<', '>'])) {
            return Err(rule());
        }
        if name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARACTERS) {
            return Err(format!("has a name of more than {NAME_CHARACTERS} characters"));
        }
        let options = Options::default().without_display_text().without_domain_literal().with_no_minimum_sub_domains();
        let parsed = EmailAddress::parse_with_options(address, options).map_err(|_| rule())?;
        let user = parsed.local_part();
        if user.starts_with('"') || !user.is_ascii() {
            return Err("must have letters, digits and `.!#$%&'*+/=?^_`{|}~-` of ASCII before the `@`".to_owned());
        }
        // A number at the end would make an address of a machine of it.
        let Ok(Host::Domain(domain)) = Host::parse(parsed.domain()) else { return Err(rule()) };
        if user.len() + 1 + domain.len() > ADDRESS_BYTES {
            return Err(format!("must have at most {ADDRESS_BYTES} characters"));
        }
        let name = name.filter(|name| !name.is_empty());
        Ok(Self { name, user: user.to_owned(), domain })
    }

    /// Returns the address without the name.
    pub(crate) fn address(&self) -> String {
        format!("{}@{}", self.user, self.domain)
    }

    /// Returns it as headers have it.
    pub(crate) fn mailbox(&self) -> Result<Mailbox, String> {
        let address = Address::new(&self.user, &self.domain).map_err(|error| error.to_string())?;
        Ok(Mailbox::new(self.name.clone(), address))
    }
}

impl fmt::Display for Mailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address()),
            None => f.write_str(&self.address()),
        }
    }
}

/// A name without the quotation marks around it.
fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    inner.unwrap_or(name).replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_name() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Mailing::parse(text).map(|mailing| mailing.to_string()).as_deref(), Ok(expected), "{text}");
        };
        check("a@example.com", "a@example.com");
        check(" a.b+c@Example.COM ", "a.b+c@example.com");
        check("root@localhost", "root@localhost");
        check("Å Ö <a@example.com>", "Å Ö <a@example.com>");
        check("\"Last, First\" <a@example.com>", "Last, First <a@example.com>");
        check("<a@example.com>", "a@example.com");
        check("a@bücher.example", "a@xn--bcher-kva.example");
        check("o'neil@example.com", "o'neil@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let long_domain = format!("a@{}.example", "b.".repeat(130));
        for wrong in [
            "",
            "a",
            "a@",
            "@b.example",
            "a b@example.com",
            "a@b@example.com",
            "a@example..com",
            ".a@example.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "\"a b\"@example.com",
            "å@example.com",
            "a@example.com, b@example.com",
            "a@example.com\r\nBcc: b@example.com",
            "A\n <a@example.com>",
            "a@example.com\0",
            "A <a@example.com> B",
            "a@exa mple.com",
            "a@-b.example",
            &long,
            &long_domain,
            "<a@example.com",
            "mailto:a@example.com>",
            "a@example.com;b@example.com",
            "A <a@example.com>, B <b@example.com>",
        ] {
            assert!(Mailing::parse(wrong).is_err(), "{wrong:?} was read as {:?}", Mailing::parse(wrong));
        }
        assert!(Mailing::parse(&format!("{} <a@example.com>", "n".repeat(129))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_one_address_on_one_line(text in "\\PC{0,20}[<@>,;:\"\\\\ \\r\\n\\t]{0,3}\\PC{0,20}@[a-z.>]{1,12}") {
            if let Ok(mailing) = Mailing::parse(&text) {
                let mailbox = mailing.mailbox().unwrap().to_string();
                prop_assert!(!mailbox.contains(['\r', '\n']), "{mailbox:?}");
                prop_assert_eq!(mailing.address().matches('@').count(), 1);
                prop_assert!(mailing.address().is_ascii());
                let again = Mailing::parse(&mailing.to_string());
                prop_assert_eq!(again.map(|again| again.address()), Ok(mailing.address()));
            }
        }
    }
}
