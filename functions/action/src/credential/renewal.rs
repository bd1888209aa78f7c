//! Getting tokens: one run at a time, of all processes, while the others wait for what comes of it.

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use shared::Error;
use shared::clock::Clock;
use tracing::Instrument as _;

use super::exchange;
use super::oauth2;
use super::standing::{Next, next};
use crate::app::{App, Auth, AuthSetup};
use crate::failure::{Failure, FailureType};
use crate::product::Place;
use crate::services::Services;
use crate::store::credential::{Failed, Lease, Rotated, Stored, StoredCredentials, Token};
use crate::tag::Tag;

/// For how long one run has the right to get a token: longer than a request may take, so that it ends by itself only if
/// the run has crashed.
const LEASE: SignedDuration = SignedDuration::from_secs(20);
/// For how long a run waits for another one that is getting a token; a crash is noticed within it.
const WAIT: SignedDuration = SignedDuration::from_secs(25);
/// How often it looks.
const POLL: SignedDuration = SignedDuration::from_millis(100);
/// The longest time for which a failure keeps all from trying again.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(1);
/// How often storing a token is tried: one that is not stored can mean that nobody gets another one.
const STORE_ATTEMPTS: i32 = 4;
const STORE_PAUSE: SignedDuration = SignedDuration::from_millis(200);

/// The token that a run needs.
pub(super) struct Wanted<'a> {
    pub(super) services: &'a Services,
    pub(super) place: &'a Place,
    pub(super) app: &'a App,
    pub(super) auth: &'a Auth,
    /// The data of the auth, resolved.
    pub(super) data: &'a Map<String, Value>,
    pub(super) made_for: String,
}

/// What came of asking for a token.
pub(super) type Outcome = Result<Got, Refused>;

/// A token that was got.
pub(super) struct Got {
    pub(super) value: Value,
    pub(super) expires_at: Timestamp,
    /// The refresh token to be used from now on, if it is another one.
    pub(super) rotated: Option<Rotated>,
}

/// Why none was got.
pub(super) struct Refused {
    /// Why; without any secret.
    pub(super) failure: Failure,
    /// For how long asking again would change nothing.
    pub(super) hold: SignedDuration,
}

/// Returns a token that can be used, of `first` or made anew; `None` if the data that it is made of was replaced.
pub(super) async fn token(wanted: &Wanted<'_>, first: Stored) -> Result<Option<Result<Token, Failure>>, Error> {
    let Wanted { services: Services { credentials: store, clock, .. }, place, auth, .. } = wanted;
    let (since, give_up_at) = (first.round, clock.now() + WAIT);
    let (mut stored, mut turn) = (first, None);
    loop {
        let now = clock.now();
        match next(&stored, &wanted.made_for, since, now) {
            Next::Use(token) => return Ok(Some(Ok(token))),
            Next::Fail(failure) => return Ok(Some(Err(failure))),
            Next::RenewEarly(token) => return renewed_early(wanted, &stored, token).await.map(Some),
            // The runs of this process ask one after the other, so that only one of them has to look again and again.
            Next::Renew | Next::Wait if turn.is_none() => turn = Some(store.turn(place, &auth.tag).lock_owned().await),
            Next::Renew => {
                if let Some(lease) = store.lease(place, &auth.tag, &stored, LEASE).await? {
                    return obtained(wanted, &stored, lease).await.map(Some);
                }
            }
            Next::Wait if now >= give_up_at => {
                let message = format!("another run has been getting a token for the auth `{}` for too long", auth.tag);
                return Ok(Some(Err(Failure::new(FailureType::ServiceUnavailable, message))));
            }
            Next::Wait => clock.sleep_until(now + POLL).await,
        }
        let Some(again) = store.get(place, &auth.tag).await?.filter(|again| again.is_of_same_data(&stored)) else {
            return Ok(None);
        };
        stored = again;
    }
}

/// Gets a token while the one there is can still be used: by this run only if no other is at it.
async fn renewed_early(wanted: &Wanted<'_>, stored: &Stored, token: Token) -> Result<Result<Token, Failure>, Error> {
    let Wanted { services: Services { credentials: store, .. }, place, auth, .. } = wanted;
    let turn = store.turn(place, &auth.tag);
    let Ok(_turn) = turn.try_lock() else { return Ok(Ok(token)) };
    let Some(lease) = store.lease(place, &auth.tag, stored, LEASE).await? else { return Ok(Ok(token)) };
    match obtained(wanted, stored, lease).await? {
        Ok(token) => Ok(Ok(token)),
        Err(failure) => {
            let kind = failure.kind;
            tracing::warn!(auth = %auth.tag, ?kind, "a token is not renewed in time; the old one is used until its end");
            Ok(Ok(token))
        }
    }
}

/// Gets a token and stores what came of it.
async fn obtained(wanted: &Wanted<'_>, former: &Stored, lease: Lease) -> Result<Result<Token, Failure>, Error> {
    let Wanted { services, place, app, auth, data, made_for } = wanted;
    let conclusion = Conclusion {
        store: services.credentials.clone(),
        clock: services.clock.clone(),
        place: (*place).clone(),
        auth: auth.tag.clone(),
        made_for: made_for.clone(),
        former: former.clone(),
        lease: Some(lease),
    };
    if let AuthSetup::OAuth2 { token_url, scopes } = &auth.setup {
        let request = oauth2::Ask::new(auth, (token_url, scopes), data, former.rotated.as_ref());
        let (outbound, clock) = (services.outbound.clone(), services.clock.clone());
        // On its own, so that it is stored even if the client of this run goes away: the refresh token that was sent may
        // be of no use any more.
        let work = async move { conclusion.reach(oauth2::ask(&outbound, &clock, request).await).await };
        return tokio::spawn(work.in_current_span()).await.map_err(Error::cannot("get a token"))?;
    }
    let outcome: BoxFuture<'_, Result<Outcome, Error>> = exchange::run(services, place, app, auth, data);
    let outcome = outcome.await?;
    conclusion.reach(outcome).await
}

/// What is left to do once the outcome is known; if that never comes, the lease is given back.
struct Conclusion {
    store: StoredCredentials,
    clock: Clock,
    place: Place,
    auth: Tag,
    made_for: String,
    former: Stored,
    lease: Option<Lease>,
}

impl Conclusion {
    /// Stores the outcome, and returns what the run goes on with.
    async fn reach(mut self, outcome: Outcome) -> Result<Result<Token, Failure>, Error> {
        let Some(lease) = self.lease.clone() else { return Err(Error::new("store a token", "there is no lease")) };
        let now = self.clock.now();
        let mut pause = STORE_PAUSE;
        for attempt in 1.. {
            let change = |stored: &mut Stored| self.change(stored, &outcome, now);
            match self.store.conclude(&self.place, &self.auth, &self.former, &lease, change).await {
                Ok(stored) => {
                    self.lease = None;
                    return Ok(self.result(stored, outcome, now));
                }
                Err(error) if attempt >= STORE_ATTEMPTS => return Err(error),
                Err(_) => self.clock.sleep_until(self.clock.now() + pause).await,
            }
            pause *= 2;
        }
        Err(Error::new("store a token", "it was tried too often"))
    }

    /// Changes what is stored as the outcome says.
    fn change(&self, stored: &mut Stored, outcome: &Outcome, now: Timestamp) {
        let round = stored.round + 1;
        match outcome {
            Ok(got) => {
                let refused_at = stored.token.as_ref().and_then(|token| token.refused_at);
                stored.token = Some(Token { replaces_refused_at: refused_at, ..self.token(got, round, now) });
                stored.rotated = got.rotated.clone().or_else(|| stored.rotated.take());
                stored.failed = None;
            }
            // Others have taken over meanwhile, and had more luck.
            Err(_) if stored.round > self.former.round && stored.failed.is_none() => return,
            Err(Refused { failure, hold }) => {
                let retry_at = now + (*hold).min(LONGEST_HOLD);
                let (failure, made_for) = (failure.clone(), self.made_for.clone());
                stored.failed = Some(Failed { failure, made_for, at: now, retry_at, round });
            }
        }
        stored.round = round;
    }

    fn result(&self, stored: Option<Stored>, outcome: Outcome, now: Timestamp) -> Result<Token, Failure> {
        let is_good = |token: &Token| token.made_for == self.made_for && token.refused_at.is_none();
        match (stored.and_then(|stored| stored.token).filter(is_good), outcome) {
            (Some(token), Ok(_)) => Ok(token),
            (Some(token), Err(_)) if token.round > self.former.round => Ok(token),
            // Other data was given meanwhile: this is the last run of the former.
            (None, Ok(got)) => Ok(self.token(&got, self.former.round + 1, now)),
            (_, Err(Refused { failure, .. })) => Err(failure),
        }
    }

    fn token(&self, got: &Got, round: u64, now: Timestamp) -> Token {
        Token {
            value: got.value.clone(),
            made_for: self.made_for.clone(),
            obtained_at: now,
            expires_at: got.expires_at,
            round,
            refused_at: None,
            replaces_refused_at: None,
        }
    }
}

impl Drop for Conclusion {
    fn drop(&mut self) {
        let (Some(lease), Ok(runtime)) = (self.lease.take(), tokio::runtime::Handle::try_current()) else { return };
        let (store, place, auth, former) =
            (self.store.clone(), self.place.clone(), self.auth.clone(), self.former.clone());
        runtime.spawn(async move {
            if let Err(error) = store.conclude(&place, &auth, &former, &lease, |_| {}).await {
                tracing::warn!(%error, "the right to get a token is not given back, and ends by itself");
            }
        });
    }
}
