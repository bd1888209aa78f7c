//! Senders that sign nothing: the channel's URL is all that protects it, and the channel must say so.

use shared::Refusal;

use super::Platform;
use crate::channel::credentials::Credentials;
use crate::signature::Verifier;
use crate::signature::recipe::Recipe;

pub(crate) struct Unsigned;

impl Platform for Unsigned {
    fn name(&self) -> &'static str {
        "unsigned"
    }

    fn verifier(&self, _credentials: &Credentials, _recipe: Option<&Recipe>) -> Result<Verifier, Refusal> {
        Err(Refusal::field("credentials", "must be absent, the platform `unsigned` has no signatures"))
    }
}
