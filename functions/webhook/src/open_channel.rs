//! Channels with their keys: read and unsealed once, then kept in memory for a few seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;
use platform::credentials::Credentials;
use platform::signature::{Delivery, Verifier};
use platform::{Platform, Unverified};
use serde::Deserialize as _;
use serde_json::Value;
use shared::event::fact::ChannelOrigin;
use shared::event::{ChannelId, Envelope, EventId, EventType, TenantId};
use shared::seal::{Resealed, Seal, Sealed};
use shared::{Error, Refusal};

use crate::channel::ChannelSettings;
use crate::store::channel::{ChannelRecord, ChannelStore, PreviousCredentials};

/// How old a channel in memory may be, so that a change made elsewhere is honoured within that time.
const MAX_AGE: SignedDuration = SignedDuration::from_secs(5);
const CACHED_CHANNELS: u64 = 10_000;

/// A channel with its keys.
pub(crate) struct OpenChannel {
    /// The id of the channel.
    pub id: ChannelId,
    /// What a client chose.
    pub settings: ChannelSettings,
    /// The platform that sends its webhooks.
    pub platform: &'static dyn Platform,
    trust: Trust,
}

enum Trust {
    Unsigned,
    Signed { current: Box<Trusted>, previous: Option<(Box<Trusted>, Timestamp)> },
}

/// Credentials with the verifier that they make.
struct Trusted {
    credentials: Credentials,
    verifier: Verifier,
}

impl OpenChannel {
    /// Describes the channel for a fact that is published now.
    pub(crate) fn origin(&self, now: Timestamp) -> ChannelOrigin {
        self.settings.origin(&self.id, now)
    }

    /// Builds an event about the channel.
    pub(crate) fn event<C>(&self, kind: EventType, id: EventId, time: Timestamp, content: C) -> Envelope<C> {
        Envelope::new(kind, id, self.settings.tenant_id.clone(), time, content)
    }

    /// Checks that the delivery is signed with one of the secrets that are valid now.
    pub(crate) fn verify(&self, delivery: &Delivery<'_>) -> Result<(), Unverified> {
        let Trust::Signed { current, previous } = &self.trust else {
            return Ok(());
        };
        (current.verifier)(delivery).or_else(|unverified| match previous {
            Some((previous, valid_until)) if delivery.now < *valid_until => (previous.verifier)(delivery),
            _ => Err(unverified),
        })
    }

    /// Tells whether a request has the header with which the channel's webhooks prove who sent them.
    pub(crate) fn is_signed(&self, headers: &HeaderMap) -> bool {
        let recipe = self.settings.recipe.as_ref().map(|recipe| recipe.header.as_str());
        self.platform.spec().proofs.iter().copied().chain(recipe).any(|name| headers.contains_key(name))
    }

    /// Returns the present credentials, unless the channel is unsigned.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        match &self.trust {
            Trust::Unsigned => None,
            Trust::Signed { current, .. } => Some(&current.credentials),
        }
    }

    /// Returns all credentials that are valid at a time.
    pub(crate) fn valid_credentials(&self, now: Timestamp) -> impl Iterator<Item = &Credentials> {
        let previous = match &self.trust {
            Trust::Signed { previous: Some((previous, until)), .. } if now < *until => Some(&previous.credentials),
            _ => None,
        };
        self.credentials().into_iter().chain(previous)
    }
}

/// The channels that this process has open.
pub(crate) struct OpenChannels {
    store: ChannelStore,
    seal: Seal,
    cache: Cache<ChannelId, (Timestamp, Arc<OpenChannel>)>,
    writes: AtomicU64,
}

impl OpenChannels {
    /// Starts with none.
    pub(crate) fn new(store: ChannelStore, seal: Seal) -> Self {
        Self { store, seal, cache: Cache::new(CACHED_CHANNELS), writes: AtomicU64::new(0) }
    }

    /// Returns a channel as [`Self::get`] does if it exists in a tenant.
    pub(crate) async fn of_tenant(
        &self,
        id: &ChannelId,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Option<Arc<OpenChannel>>, Error> {
        Ok(self.get(id, now).await?.filter(|channel| channel.settings.tenant_id == *tenant))
    }

    /// Returns a channel as of at most five seconds ago if it exists; that it does not is not remembered.
    pub(crate) async fn get(&self, id: &ChannelId, now: Timestamp) -> Result<Option<Arc<OpenChannel>>, Error> {
        if let Some((read_at, channel)) = self.cache.get(id).await
            && (SignedDuration::ZERO..MAX_AGE).contains(&now.duration_since(read_at))
        {
            return Ok(Some(channel));
        }
        let writes = self.writes.load(Ordering::SeqCst);
        let Some(record) = self.store.get(id).await? else {
            self.cache.invalidate(id).await;
            return Ok(None);
        };
        let channel = Arc::new(self.open(record, now).await?);
        self.cache.insert(id.clone(), (now, channel.clone())).await;
        // What was read before a write of this process may be older than that write.
        if self.writes.load(Ordering::SeqCst) != writes {
            self.cache.invalidate(id).await;
        }
        Ok(Some(channel))
    }

    /// Removes a channel from memory; to be called after every write to it, also one with an unknown outcome.
    pub(crate) async fn forget(&self, id: &ChannelId) {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate(id).await;
    }

    /// Opens the credentials of a record.
    pub(crate) async fn credentials(&self, id: &ChannelId, sealed: &Sealed) -> Result<Credentials, Error> {
        let bytes = self.seal.open(id.as_str(), sealed).await?;
        // The text of a serde error can quote the input, so that it must not become a cause here.
        serde_json::from_slice(&bytes).map_err(|_| Error::new("read credentials", "they are not an object of strings"))
    }

    /// Seals a batch of channels with the current key.
    pub(crate) async fn reseal(&self) -> Result<Resealed, Error> {
        self.store.reseal(&self.seal).await
    }

    /// Seals credentials for a record.
    pub(crate) async fn sealed(&self, id: &ChannelId, credentials: &Credentials) -> Result<Sealed, Error> {
        let bytes =
            serde_json::to_vec(credentials).map_err(|_| Error::new("seal credentials", "they are not valid JSON"))?;
        self.seal.seal(id.as_str(), &bytes).await
    }

    /// Seals a secret that comes with a message, for `metadata.replyToken`.
    pub(crate) async fn sealed_token(&self, id: &ChannelId, token: &str) -> Result<Value, Error> {
        let sealed = self.seal.seal(&reply_token_record(id), token.as_bytes()).await?;
        serde_json::to_value(sealed).map_err(Error::cannot("write a sealed token"))
    }

    /// Opens a secret that came with a message; `None` if it is not one of this channel.
    pub(crate) async fn opened_token(&self, id: &ChannelId, sealed: &Value) -> Result<Option<String>, Error> {
        let Ok(sealed) = Sealed::deserialize(sealed) else {
            return Ok(None);
        };
        let token = self.seal.open_if_ours(&reply_token_record(id), &sealed).await?;
        Ok(token.and_then(|token| String::from_utf8(token).ok()))
    }

    async fn open(&self, record: ChannelRecord, now: Timestamp) -> Result<OpenChannel, Error> {
        let ChannelRecord { channel_id: id, settings, credentials, previous, .. } = record;
        let trust = match credentials {
            Some(credentials) => Trust::Signed {
                current: Box::new(self.trusted(&id, &settings, &credentials).await?.map_err(unusable)?),
                previous: self.previous(&id, &settings, previous, now).await?,
            },
            None if settings.unsigned => Trust::Unsigned,
            None => return Err(Error::new("open a channel", "it has neither credentials nor `unsigned`")),
        };
        let platform = settings.platform().map_err(unusable)?;
        Ok(OpenChannel { id, settings, platform, trust })
    }

    /// Opens credentials and builds their verifier, or says why they do not match the channel's settings.
    async fn trusted(
        &self,
        id: &ChannelId,
        settings: &ChannelSettings,
        sealed: &Sealed,
    ) -> Result<Result<Trusted, Refusal>, Error> {
        let credentials = self.credentials(id, sealed).await?;
        let verifier = settings.verifier(&credentials);
        Ok(verifier.map(|verifier| Trusted { credentials, verifier }))
    }

    /// Previous credentials that no longer fit the channel, as its recipe has changed since, are left out.
    async fn previous(
        &self,
        id: &ChannelId,
        settings: &ChannelSettings,
        previous: Option<PreviousCredentials>,
        now: Timestamp,
    ) -> Result<Option<(Box<Trusted>, Timestamp)>, Error> {
        let Some(previous) = previous.filter(|previous| now < previous.valid_until) else {
            return Ok(None);
        };
        let trusted = self.trusted(id, settings, &previous.credentials).await?;
        Ok(trusted.ok().map(|trusted| (Box::new(trusted), previous.valid_until)))
    }
}

/// Seals tokens under a name of their own, so that one cannot be opened as anything else of its channel.
fn reply_token_record(id: &ChannelId) -> String {
    format!("{id}/replyToken")
}

/// Refuses an id that no channel has.
pub(crate) fn unknown(id: &ChannelId) -> Refusal {
    Refusal::unknown("channel", id.as_str())
}

fn unusable(refusal: Refusal) -> Error {
    Error::new("open a channel", refusal.message)
}
