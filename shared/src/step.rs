//! One way to do a step: claim, act once, record, answer.
//!
//! [`perform`] reads a command, lets the function do its work and publishes the answer. [`Claims`] makes sure that the
//! work is done once, however often its command is delivered and wherever the process dies: a record with a [`Claim`] is
//! written before the first effect and at the end, each by one conditional write. A write whose reply was lost is
//! recognised as our own. Work that was interrupted before it acted on the outside world is done again; after that its
//! outcome is unknown. [`Effects`] tell whether work that was about to act has acted, where processes can leave that known.
//!
//! Work that seldom lasts and tells when it acts is done by [`Claims::once_unwritten`]: nothing is written until it acts,
//! lasts for [`SHOWN_AFTER`], or ends. So it may be under way twice until one of them writes the record; the other then
//! finds that record, and has done nothing.

mod claim;
mod effects;
mod running;

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bus::{Bus, Entry};
use crate::clock::{Clock, Ids};
use crate::event::{Answer, Envelope, Received, StepError, StepId, StepRequested};
use crate::table::{Expression, is_new, key};
use crate::{Environment, Error};
pub use claim::{Claim, ClaimStore, Claimable, put_if};
use claim::{is_same_owner, owned};
pub use effects::Effects;
pub use running::Marked;
use running::{Running, Work};

/// After how long work that has not acted shows in its record that it is under way.
pub const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// How many concluded records are kept in memory until the table answers again.
const UNRECORDED: u64 = 100;

/// The step that a piece of work is done for, and the command that asked for it, without its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The step.
    pub step: StepId,
    /// The command.
    pub command: Envelope<()>,
}

impl Origin {
    /// Builds the answer to the command; one that is too large for the bus says so instead.
    pub fn finished(&self, answer: &Answer, now: Timestamp) -> Entry {
        Entry::step_finished(&self.step, answer, &self.command, now)
    }
}

/// What came of a step: the answer to its command, and the facts to publish with it.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: Answer,
    /// The facts.
    pub facts: Vec<Entry>,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self { answer, facts: Vec::new() }
    }
}

/// Does the step that a command asks for, and answers it.
///
/// Work without an outcome is being done by another delivery in this process, which answers. A command that cannot be
/// read is answered as `BadRequest` if it at least says for which step it is; one that does not is an error, so that it
/// ends in the dead-letter queue.
///
/// Work that looks into the content of the event takes it with an `Envelope`, other work with a [`Received`].
pub async fn perform<E, F, R>(bus: &Bus, clock: &Clock, command: &Received, work: F) -> Result<(), Error>
where
    E: DeserializeOwned,
    F: FnOnce(Origin, StepRequested<E>) -> R,
    R: Future<Output = Result<Option<Outcome>, Error>>,
{
    let origin = |step| Origin { step, command: command.without_content() };
    let (origin, outcome) = match serde_json::from_str::<StepRequested<E>>(command.content.get()) {
        Ok(request) => {
            let origin = origin(request.id.clone());
            (origin.clone(), work(origin, request).await?)
        }
        Err(cause) => {
            let refused = Answer::failed(StepError::bad_request(cause.to_string()));
            (origin(command.content()?), Some(refused.into()))
        }
    };
    let Some(Outcome { answer, facts }) = outcome else { return Ok(()) };
    let answer = origin.finished(&answer, clock.now());
    bus.publish(facts.into_iter().chain([answer]).collect()).await
}

/// How long a piece of work is taken to be under way, and when it begins to act on the outside world.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long nobody else may take the work over after its owner was last heard of.
    pub lease: SignedDuration,
    /// Whether the work acts as soon as it begins; otherwise it calls [`Claims::mark_effect`] before it does, or its
    /// effect is the same however often it is done.
    pub acts_at_once: bool,
}

/// What came of asking for a piece of work to be done once.
#[derive(Debug)]
pub enum Once<R> {
    /// It is done, now or before.
    Done(R),
    /// It waits for its time.
    NotDue(R),
    /// Another delivery in this process is doing it.
    Here,
    /// Another process may be doing it.
    Elsewhere,
    /// There is no such record.
    Missing,
}

impl<R> Once<R> {
    /// Returns the record of work that is done, `None` for what another delivery in this process does.
    ///
    /// What another process may be doing is an error, so that the command is delivered again.
    pub fn done(self) -> Result<Option<R>, Error> {
        match self {
            Self::Done(record) | Self::NotDue(record) => Ok(Some(record)),
            Self::Here => Ok(None),
            Self::Elsewhere => Err(Error::new("do a step", "another process may still be doing it")),
            Self::Missing => Err(Error::new("do a step", "its record is gone")),
        }
    }
}

/// What became of the attempt to claim a record.
enum Begun<R> {
    /// The work is ours to do.
    Ours(R),
    /// It has ended.
    Answered(R),
    /// It has not begun, and is not asked to begin now.
    NotDue(R),
    /// Another process may still be doing it.
    Busy,
    /// It is ours now, but its former owner had begun to act.
    Interrupted(R),
    /// There is no such record.
    Missing,
}

/// Does pieces of work once each.
pub struct Claims<S: ClaimStore> {
    store: S,
    clock: Clock,
    ids: Ids,
    /// The name under which this process owns records.
    process: String,
    effects: Effects,
    running: Running,
    /// Records that have ended but could not be written yet.
    unrecorded: Cache<String, S::Record>,
}

impl<S: ClaimStore> Claims<S> {
    /// Claims records of this store for this process.
    pub fn new(environment: &Environment, store: S) -> Self {
        let Environment { clock, ids, effects, .. } = environment;
        Self {
            store,
            clock: clock.clone(),
            ids: ids.clone(),
            process: effects.owner(ids),
            effects: effects.clone(),
            running: Running::default(),
            unrecorded: Cache::new(UNRECORDED),
        }
    }

    /// Returns the store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Does the work of a record unless that was done before; `work` gets the claimed record and returns it concluded.
    pub async fn once<F, R>(&self, mut record: S::Record, policy: Policy, work: F) -> Result<Once<S::Record>, Error>
    where
        F: FnOnce(S::Record) -> R,
        R: Future<Output = Result<S::Record, Error>>,
    {
        let id = record.id().to_owned();
        let Some(_running) = self.running.begin(&id) else { return Ok(Once::Here) };
        let claim = self.claim(policy);
        *record.claim_mut() = Some(claim.clone());
        let begun = match put_if(self.store.table(), &record, is_new(S::Record::KEY)).await? {
            true => Begun::Ours(record),
            false => self.take_over(&id, claim, Some(record)).await?,
        };
        self.proceed(begun, work).await
    }

    /// Does the work of a record that is not written before it acts, unless it was done before.
    ///
    /// `work` is called again if it turns out, before it acted, that the record is there and its former owner is gone. It
    /// must not act at once.
    pub async fn once_unwritten<F, R>(
        &self,
        mut record: S::Record,
        policy: Policy,
        work: F,
    ) -> Result<Once<S::Record>, Error>
    where
        F: Fn(S::Record) -> R,
        R: Future<Output = Result<S::Record, Error>>,
    {
        let id = record.id().to_owned();
        let Some(running) = self.running.begin(&id) else { return Ok(Once::Here) };
        let claim = self.claim(policy);
        *record.claim_mut() = Some(claim.clone());
        running.record.set(false).await;
        if let Some(done) = self.try_unwritten(&running, record.clone(), policy, &work).await? {
            return Ok(Once::Done(done));
        }
        running.record.set(true).await;
        let begun = self.take_over(&id, claim, Some(record)).await?;
        self.proceed(begun, work).await
    }

    /// Does the work of a record that is not written yet; `None` if another delivery has written it first.
    async fn try_unwritten<F, R>(
        &self,
        running: &Work,
        record: S::Record,
        policy: Policy,
        work: &F,
    ) -> Result<Option<S::Record>, Error>
    where
        F: Fn(S::Record) -> R,
        R: Future<Output = Result<S::Record, Error>>,
    {
        let concluded = match self.unrecorded.remove(record.id()) {
            Some(concluded) => Ok(concluded),
            None => tokio::select! {
                biased;
                concluded = work(record.clone()) => concluded,
                lost = self.show_later(record, policy) => Err(lost),
            },
        };
        match concluded {
            _ if running.record.is_lost() => Ok(None),
            Ok(concluded) => self.write_end(concluded).await,
            Err(error) => Err(error),
        }
    }

    /// Writes a record whose work lasts, and does not return unless another delivery has written it first.
    async fn show_later(&self, record: S::Record, policy: Policy) -> Error {
        tokio::time::sleep(SHOWN_AFTER).await;
        let state = self.running.record(record.id());
        // What cannot be written now is written with the effect or at the end.
        if state.is_unwritten().await
            && let Ok(false) = self.save(&record, policy.lease).await
        {
            return Error::new("do a step", "another process has begun it");
        }
        std::future::pending().await
    }

    /// Does the work of a record that is there and has not begun, if `condition` holds for it; `change` says what else
    /// is set when it begins.
    ///
    /// `described` is the record as its command describes it: whoever has a command must give it, as the work may have begun
    /// before with a record that leaves out what the command has.
    pub async fn once_begun<F, R>(
        &self,
        id: &str,
        described: Option<S::Record>,
        change: Expression,
        condition: Expression,
        policy: Policy,
        work: F,
    ) -> Result<Once<S::Record>, Error>
    where
        F: FnOnce(S::Record) -> R,
        R: Future<Output = Result<S::Record, Error>>,
    {
        let Some(_running) = self.running.begin(id) else { return Ok(Once::Here) };
        let claim = self.claim(policy);
        let change = change.append(", claim = :claim").value(":claim", &claim);
        let condition = condition.append(" AND attribute_not_exists(claim)");
        let key = key(S::Record::KEY, id);
        let begin = || self.store.table().update(&key, change.clone(), Some(condition.clone()));
        let take_over = || self.take_over(id, claim.clone(), described.clone());
        let begun = match begin().await? {
            Some(record) => Begun::Ours(record),
            None => match take_over().await? {
                // It may have been created between the two requests, and nobody else would begin it.
                Begun::NotDue(_) => match begin().await? {
                    Some(record) => Begun::Ours(record),
                    None => take_over().await?,
                },
                begun => begun,
            },
        };
        self.proceed(begun, work).await
    }

    /// Prolongs the lease of a record, if it is written; false if it is lost.
    pub async fn renew(&self, record: &S::Record, lease: SignedDuration) -> Result<bool, Error> {
        let state = self.running.record(record.id());
        if state.is_lost() || state.is_unwritten().await {
            return Ok(!state.is_lost());
        }
        let renewal = Expression::new("SET claim.leaseUntilMs = :lease").value(":lease", self.until_ms(lease));
        self.change_claim(record, renewal).await
    }

    /// Writes a record as it is while its work is under way, and prolongs its lease.
    ///
    /// False if the record is lost, or is marked as having an effect of which this one does not say so.
    pub async fn save(&self, record: &S::Record, lease: SignedDuration) -> Result<bool, Error> {
        let mut record = record.clone();
        record.show();
        if let Some(claim) = record.claim_mut() {
            claim.lease_until_ms = self.until_ms(lease);
        }
        match self.write_first(&record).await? {
            First::Written => return Ok(true),
            First::Lost => return Ok(false),
            First::Before => {}
        }
        let has_effect = record.claim().is_some_and(|claim| claim.effect);
        let unchanged = owned(&record).append(" AND claim.effect = :effect").value(":effect", has_effect);
        put_if(self.store.table(), &record, unchanged).await
    }

    /// Marks that the work is about to act on the outside world; `None` if the record is lost to another process.
    ///
    /// What is returned must hear that it acts, right before it does.
    pub async fn mark_effect(&self, record: &S::Record) -> Result<Option<Marked>, Error> {
        let mut marked = record.first();
        if let Some(claim) = marked.claim_mut() {
            claim.effect = true;
        }
        let is_marked = match self.write_first(&marked).await? {
            First::Written => true,
            First::Lost => false,
            First::Before => {
                let change = Expression::new("SET claim.effect = :true").value(":true", true);
                self.change_claim(record, record.marked(change)).await?
            }
        };
        let marked = || record.claim().map_or_else(Marked::default, |claim| self.marked(record.id(), claim));
        Ok(is_marked.then(marked))
    }

    /// The work on a record that is marked under this claim.
    fn marked(&self, id: &str, claim: &Claim) -> Marked {
        Marked::new(self.effects.clone(), self.running.record(id), claim.owner.clone())
    }

    /// Gives the place of the note back, if there is one, as nobody will ask for it.
    fn end_note(&self, id: &str) {
        if let Some(note) = self.running.record(id).take_note() {
            self.effects.end(note);
        }
    }

    /// Writes a record for the first time, unless it is written already.
    async fn write_first(&self, record: &S::Record) -> Result<First, Error> {
        let state = self.running.record(record.id());
        let mut is_written = state.is_written.lock().await;
        if state.is_lost() {
            return Ok(First::Lost);
        }
        if *is_written {
            return Ok(First::Before);
        }
        if put_if(self.store.table(), record, is_new(S::Record::KEY)).await? {
            *is_written = true;
            return Ok(First::Written);
        }
        // Our own write may have been done although its reply was lost.
        if self.find(record.id()).await?.is_some_and(|found| is_same_owner(&found, record)) {
            *is_written = true;
            return Ok(First::Before);
        }
        state.is_lost.store(true, Ordering::Release);
        Ok(First::Lost)
    }

    /// Takes back that the work acts on the outside world, which has certainly not noticed, and gives the record to whoever
    /// comes next; false if it is lost to another process.
    pub async fn withdraw(&self, record: &S::Record) -> Result<bool, Error> {
        let change = Expression::new("SET claim.effect = :false, claim.leaseUntilMs = :now").value(":false", false);
        self.change_claim(record, change.value(":now", self.until_ms(SignedDuration::ZERO))).await
    }

    async fn change_claim(&self, record: &S::Record, change: Expression) -> Result<bool, Error> {
        let key = key(S::Record::KEY, record.id());
        self.store.table().update_if(&key, change, owned(record)).await
    }

    async fn proceed<F, R>(&self, begun: Begun<S::Record>, work: F) -> Result<Once<S::Record>, Error>
    where
        F: FnOnce(S::Record) -> R,
        R: Future<Output = Result<S::Record, Error>>,
    {
        let (mut record, is_interrupted) = match begun {
            Begun::Answered(record) => return Ok(Once::Done(record)),
            Begun::NotDue(record) => return Ok(Once::NotDue(record)),
            Begun::Busy => return Ok(Once::Elsewhere),
            Begun::Missing => return Ok(Once::Missing),
            Begun::Ours(record) => (record, false),
            Begun::Interrupted(record) => (record, true),
        };
        let concluded = match self.unrecorded.remove(record.id()) {
            Some(mut concluded) => {
                let answer = concluded.answer().cloned();
                *concluded.claim_mut() = record.claim().map(|claim| Claim { answer, ..claim.clone() });
                concluded
            }
            None if is_interrupted => {
                record.conclude_unknown(self.clock.now());
                record
            }
            None => {
                if let Some(claim) = record.claim().filter(|claim| claim.effect) {
                    self.marked(record.id(), claim).acts()?;
                }
                work(record).await?
            }
        };
        self.record(concluded).await.map(Once::Done)
    }

    /// Writes down how the work ended; the first that is written is the one that counts.
    async fn record(&self, record: S::Record) -> Result<S::Record, Error> {
        let written = self.write_end(record).await?;
        written.ok_or_else(|| Error::new("record how a step ended", "another process has taken it over"))
    }

    /// Writes the end of the work, as the only write if there was none before; `None` if the record is somebody else's.
    async fn write_end(&self, mut record: S::Record) -> Result<Option<S::Record>, Error> {
        record.show();
        let state = self.running.record(record.id());
        let is_kept = |_: &Error| self.unrecorded.insert(record.id().to_owned(), record.clone());
        let is_written = state.is_unwritten().await
            && self.store.conclude(&record, is_new(S::Record::KEY)).await.inspect_err(is_kept)?
            || self.store.conclude(&record, owned(&record)).await.inspect_err(is_kept)?;
        let ended = match is_written {
            true => Some(record),
            // Our own write may have been done although its reply was lost.
            false => {
                let found = self.find(record.id()).await?;
                found.filter(|found| is_same_owner(found, &record) && found.answer().is_some())
            }
        };
        if let Some(ended) = &ended {
            self.end_note(ended.id());
        }
        Ok(ended)
    }

    /// Finds out what has become of a record that is there, and takes it over if its owner is gone; what its first write left
    /// out is taken from the record as its command describes it.
    async fn take_over(&self, id: &str, claim: Claim, described: Option<S::Record>) -> Result<Begun<S::Record>, Error> {
        let Some(mut record) = self.find(id).await? else { return Ok(Begun::Missing) };
        if let Some(described) = described {
            record.complete(described);
        }
        let Some(former) = record.claim().cloned() else { return Ok(Begun::NotDue(record)) };
        if former.answer.is_some() {
            return Ok(Begun::Answered(record));
        }
        // The reply to our own write was lost.
        if former.owner == claim.owner {
            return Ok(Begun::Ours(record));
        }
        // Nothing of this process works on the record, or we would not be here.
        let is_of_this_process = former.owner.split('.').next() == Some(self.process.as_str());
        let is_gone = is_of_this_process || self.effects.is_of_former(&former.owner);
        let now_ms = self.clock.now().as_millisecond();
        // No lease is this long: the clock was set back after it was given.
        let is_impossible = former.lease_until_ms > claim.lease_until_ms.saturating_mul(2).saturating_sub(now_ms);
        if !is_gone && now_ms < former.lease_until_ms && !is_impossible {
            return Ok(Begun::Busy);
        }
        let has_acted = former.effect && !self.effects.never_began(&former.owner);
        let claim = Claim { effect: claim.effect || has_acted, ..claim };
        if has_acted {
            // Whoever finds only the new claim, after another kill, must not believe that nothing has begun.
            self.marked(id, &claim).acts()?;
        }
        let change = Expression::new("SET claim = :claim").value(":claim", &claim);
        let unchanged = Expression::new(
            "claim.#owner = :owner AND claim.leaseUntilMs = :lease AND claim.effect = :effect \
             AND attribute_not_exists(claim.answer)",
        );
        let unchanged = unchanged
            .name("#owner", "owner")
            .value(":owner", &former.owner)
            .value(":lease", former.lease_until_ms)
            .value(":effect", former.effect);
        let key = key(S::Record::KEY, id);
        if !self.store.table().update_if(&key, change, unchanged).await? {
            let found = self.find(id).await?;
            let is_ours = |found: &S::Record| found.claim().is_some_and(|found| found.owner == claim.owner);
            if !found.as_ref().is_some_and(is_ours) {
                self.end_note(id);
                return Ok(Begun::Busy);
            }
        }
        *record.claim_mut() = Some(claim);
        Ok(if has_acted { Begun::Interrupted(record) } else { Begun::Ours(record) })
    }

    /// Reads a record.
    pub async fn find(&self, id: &str) -> Result<Option<S::Record>, Error> {
        self.store.table().get(&key(S::Record::KEY, id)).await
    }

    fn claim(&self, policy: Policy) -> Claim {
        let owner = format!("{}.{}", self.process, self.ids.hex24());
        Claim { owner, lease_until_ms: self.until_ms(policy.lease), effect: policy.acts_at_once, answer: None }
    }

    fn until_ms(&self, lease: SignedDuration) -> i64 {
        self.clock.now().checked_add(lease).unwrap_or(Timestamp::MAX).as_millisecond()
    }
}

/// What became of the first write of a record.
enum First {
    /// It is done now.
    Written,
    /// It was done before.
    Before,
    /// Another delivery was first.
    Lost,
}
