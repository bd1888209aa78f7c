//! The parts of a callback that are sealed, each for a name of its own, so that one cannot stand in for another.

use serde_json::Value;
use shared::Error;
use shared::seal::{Resealed, Sealed, SealedAttribute, reseal};

use super::{Callback, Store};

pub(super) const TOKEN: SealedAttribute =
    SealedAttribute { path: &["token"], sealed_for: |id| format!("callback/{id}/token") };
pub(super) const SCHEMA: SealedAttribute =
    SealedAttribute { path: &["schema"], sealed_for: |id| format!("callback/{id}/schema") };
pub(super) const BODY: SealedAttribute =
    SealedAttribute { path: &["body"], sealed_for: |id| format!("callback/{id}/body") };

impl Store {
    /// Returns the secret in the URL of a callback.
    pub(crate) async fn token(&self, callback: &Callback) -> Result<String, Error> {
        let token = self.open(callback, TOKEN, &callback.token).await?;
        String::from_utf8(token).map_err(Error::cannot("read a sealed token"))
    }

    /// Returns the normalised schema of a callback.
    pub(crate) async fn schema(&self, callback: &Callback) -> Result<Option<Value>, Error> {
        self.json(callback, SCHEMA, callback.schema.as_ref()).await
    }

    /// Returns the body of the call of a callback.
    pub(crate) async fn body(&self, callback: &Callback) -> Result<Option<Value>, Error> {
        self.json(callback, BODY, callback.body.as_ref()).await
    }

    /// Seals a batch of callbacks with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        reseal(&self.table, &self.seal, "callbackId", &[TOKEN, SCHEMA, BODY]).await
    }

    pub(super) async fn seal(&self, id: &str, part: SealedAttribute, text: &str) -> Result<Sealed, Error> {
        self.seal.seal(&(part.sealed_for)(id), text.as_bytes()).await
    }

    async fn open(&self, callback: &Callback, part: SealedAttribute, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        self.seal.open(&(part.sealed_for)(&callback.callback_id), sealed).await
    }

    async fn json(
        &self,
        callback: &Callback,
        part: SealedAttribute,
        sealed: Option<&Sealed>,
    ) -> Result<Option<Value>, Error> {
        let Some(sealed) = sealed else { return Ok(None) };
        let json = self.open(callback, part, sealed).await?;
        // The text of a serde error can quote the input, so that it must not become a cause here.
        serde_json::from_slice(&json).map(Some).map_err(|_| Error::new("read sealed JSON", "it is damaged"))
    }
}
