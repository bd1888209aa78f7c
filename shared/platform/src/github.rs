//! GitHub: HMAC-SHA-256 of the body with the secret of the webhook's settings, and a GUID for each delivery.

use serde_json::Value;

use crate::credentials::Credentials;
use crate::error::Error;
use crate::header::{delivery_key, header_text};
use crate::payload::Form;
use crate::platform::Platform;
use crate::reading::{Inbound, Reading};
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;
use crate::spec::{Credential, SOURCE, Spec, VERIFY_TOKEN};

const SIGNATURE: &str = "x-hub-signature-256";

pub(crate) struct GitHub;

static SPEC: Spec = Spec {
    name: "github",
    title: "GitHub webhooks",
    version: "2022-11-28",
    capabilities: SOURCE,
    credentials: &[Credential::always("secret", "The secret in the settings of the webhook."), VERIFY_TOKEN],
    content_types: &["application/json", "application/x-www-form-urlencoded"],
    proofs: &[SIGNATURE, "x-hub-signature"],
};

impl Platform for GitHub {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn verifier(&self, credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Error> {
        Ok(Recipe::new(SIGNATURE, "sha256=").scheme()?.verifier(credentials.required("secret")?.as_bytes()))
    }

    /// `X-GitHub-Event` names the kind, `X-GitHub-Delivery` is the same for each repetition.
    fn read<'a>(&self, inbound: &Inbound<'a>) -> Result<Reading<'a>, Error> {
        let kind = header_text(inbound.headers, "x-github-event").map(str::to_owned);
        Ok(Reading::event(inbound, kind, delivery_key(inbound.headers, "x-github-delivery")))
    }

    /// GitHub's form has one field, `payload`, with the JSON in it.
    fn form_payload(&self, form: Form, depth_limit: usize) -> Result<Value, Error> {
        let missing = || Err(Error::Body("the form needs one field `payload`".to_owned()));
        form.json("payload", depth_limit).unwrap_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unverified;
    use crate::sample::{check_every_bit, check_misses, sendable_headers};
    use crate::signature::Delivery;
    use jiff::Timestamp;
    use serde_json::json;

    const SIGNATURE: &[u8] = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const BODY: &[u8] = b"Hello, World!";

    fn verify(signature: &[u8], body: &[u8]) -> Option<Result<(), Unverified>> {
        let credentials = Credentials::parse(json!({"secret": "It's a Secret to Everybody"})).unwrap();
        let verifier = GitHub.verifier(&credentials, None).unwrap();
        let headers = sendable_headers(&[("x-hub-signature-256", signature)])?;
        Some(verifier(&Delivery { headers: &headers, body, url: "", now: Timestamp::UNIX_EPOCH }))
    }

    #[test]
    fn the_published_vector_verifies_and_no_bit_of_it_can_change() {
        check_every_bit(SIGNATURE, BODY, verify);
    }

    #[test]
    fn a_secret_is_needed_and_nothing_else() {
        check_misses(&GitHub, json!({}), "`credentials.secret`");
        check_misses(&GitHub, json!({"secret": ""}), "`credentials.secret`");
        check_misses(&GitHub, json!({"secret": "x", "sercet": "x"}), "`credentials.sercet`");
    }
}
