//! Gathers what callers ask of AWS at the same moment into few requests.
//!
//! Nothing waits for a timer: an ask that finds nothing under way goes out at once and alone, and those that come while
//! requests are under way go out together when one of them has ended. A request runs on a task of its own, so that no
//! caller depends on another one being polled; one whose callers have all gone is dropped as each of them would have been.

use std::collections::{HashMap, VecDeque};
use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How many requests of a lane are under way at most; beyond [`Requests::FEW`] only full ones.
const MANY: usize = 8;
/// How long a request holds back others: one that hangs must not stop a whole process.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many asks are looked through for a request that is not full, as a multiple of what it takes.
const LOOKED_THROUGH: usize = 4;

/// A kind of request that takes several parts.
pub(crate) trait Requests: Send + Sync + 'static {
    /// What one caller asks for.
    type Part: Send + 'static;
    /// What one caller gets.
    type Answer: Send + 'static;
    /// What tells parts apart that never go into one request.
    type Lane: Clone + Eq + Hash + Send + 'static;

    /// How many requests of a lane are under way before the next ones gather.
    const FEW: usize = 2;
    /// The most parts of a request.
    const LIMIT: usize;
    /// The most bytes of a request; one part may have more.
    const LIMIT_BYTES: usize;

    /// Returns the lane of a part.
    fn lane(part: &Self::Part) -> Self::Lane;

    /// Returns how much of [`Self::LIMIT_BYTES`] a part takes.
    fn size_bytes(part: &Self::Part) -> usize;

    /// Tells whether two parts of a lane cannot go into one request.
    fn clash(one: &Self::Part, other: &Self::Part) -> bool;

    /// Sends a request and returns an answer for each of its parts, in their order.
    fn send(&self, parts: Vec<Self::Part>) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// A request that ended without an answer: it panicked, or its runtime has stopped.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the request was interrupted")]
pub(crate) struct Interrupted;

/// The failure of a request, for each of those who wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Arc<dyn StdError + Send + Sync>);

impl Failure {
    pub(crate) fn new(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// Gathers parts into requests of one kind; clones share what they gather.
pub(crate) struct Gatherer<R: Requests>(Arc<Shared<R>>);

impl<R: Requests> Clone for Gatherer<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Requests> fmt::Debug for Gatherer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gatherer")
    }
}

impl<R: Requests> Gatherer<R> {
    /// Gathers for these requests.
    pub(crate) fn new(requests: R) -> Self {
        Self(Arc::new(Shared { requests, lanes: Mutex::default() }))
    }

    /// Asks for one part.
    pub(crate) async fn ask(&self, part: R::Part) -> Result<R::Answer, Interrupted> {
        let (asker, answer) = oneshot::channel();
        self.0.add([Ask { part, asker }]);
        answer.await.map_err(|_| Interrupted)
    }

    /// Asks for several parts, which share requests as far as they fit; the answers are in the order of the parts.
    pub(crate) async fn ask_all(&self, parts: Vec<R::Part>) -> Result<Vec<R::Answer>, Interrupted> {
        let (mut asks, mut waiting) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
        for part in parts {
            let (asker, answer) = oneshot::channel();
            asks.push(Ask { part, asker });
            waiting.push(answer);
        }
        self.0.add(asks);
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(answer.await.map_err(|_| Interrupted)?);
        }
        Ok(answers)
    }
}

struct Shared<R: Requests> {
    requests: R,
    lanes: Mutex<HashMap<R::Lane, Lane<R>>>,
}

/// The parts that may share a request.
struct Lane<R: Requests> {
    waiting: VecDeque<Ask<R>>,
    waiting_bytes: usize,
    /// How many of those under way have not taken their parts yet.
    starting: usize,
    under_way: usize,
}

struct Ask<R: Requests> {
    part: R::Part,
    asker: oneshot::Sender<R::Answer>,
}

impl<R: Requests> Default for Lane<R> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), waiting_bytes: 0, starting: 0, under_way: 0 }
    }
}

impl<R: Requests> Lane<R> {
    /// Tells whether one more request has something to take and may be under way.
    fn wants_another(&self) -> bool {
        let promised = R::LIMIT.saturating_mul(self.starting);
        let is_full = self.waiting.len() >= promised.saturating_add(R::LIMIT)
            || self.waiting_bytes > R::LIMIT_BYTES.saturating_mul(self.starting + 1);
        let is_promised =
            self.waiting.len() <= promised && self.waiting_bytes <= R::LIMIT_BYTES.saturating_mul(self.starting);
        !self.waiting.is_empty() && !is_promised && self.under_way < if is_full { MANY } else { R::FEW }
    }

    /// Counts in those requests that are wanted, and returns how many there are.
    fn start_wanted(&mut self) -> usize {
        let before = self.under_way;
        while self.wants_another() {
            self.starting += 1;
            self.under_way += 1;
        }
        self.under_way - before
    }

    /// Takes the parts of a request, the oldest first, without those whose callers have gone.
    fn take(&mut self) -> Vec<Ask<R>> {
        let (mut taken, mut taken_bytes): (Vec<Ask<R>>, usize) = (Vec::new(), 0);
        let mut passed = Vec::new();
        while taken.len() < R::LIMIT && passed.len() <= R::LIMIT.saturating_mul(LOOKED_THROUGH) {
            let Some(ask) = self.waiting.pop_front() else { break };
            let size_bytes = R::size_bytes(&ask.part);
            if ask.asker.is_closed() {
                self.waiting_bytes -= size_bytes;
                continue;
            }
            if !taken.is_empty() && taken_bytes + size_bytes > R::LIMIT_BYTES {
                passed.push(ask);
                break;
            }
            if taken.iter().any(|other| R::clash(&other.part, &ask.part)) {
                passed.push(ask);
                continue;
            }
            taken_bytes += size_bytes;
            self.waiting_bytes -= size_bytes;
            taken.push(ask);
        }
        for ask in passed.into_iter().rev() {
            self.waiting.push_front(ask);
        }
        taken
    }
}

impl<R: Requests> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, HashMap<R::Lane, Lane<R>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what one caller asks for, all of it before any of it is sent.
    fn add(self: &Arc<Self>, asks: impl IntoIterator<Item = Ask<R>>) {
        let mut wanted: Vec<(R::Lane, usize)> = Vec::new();
        let mut lanes = self.lock();
        for ask in asks {
            let name = R::lane(&ask.part);
            let lane = lanes.entry(name.clone()).or_default();
            lane.waiting_bytes += R::size_bytes(&ask.part);
            lane.waiting.push_back(ask);
            if !wanted.iter().any(|(other, _)| *other == name) {
                wanted.push((name, 0));
            }
        }
        for (name, count) in &mut wanted {
            *count = lanes.get_mut(name).map_or(0, Lane::start_wanted);
        }
        drop(lanes);
        for (name, count) in wanted {
            self.start(&name, count);
        }
    }

    /// Starts requests that are counted in already; without the lock, as a runtime that stops drops them at once.
    fn start(self: &Arc<Self>, name: &R::Lane, count: usize) {
        for _ in 0..count {
            let turn = Turn { shared: self.clone(), name: name.clone(), state: State::Starting };
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(turn.run());
            }
        }
    }

    /// Changes a lane, forgets it if nothing is left of it, and starts the requests that are wanted then.
    fn change<T>(self: &Arc<Self>, name: &R::Lane, change: impl FnOnce(&mut Lane<R>) -> T) -> Option<T> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(name)?;
        let changed = change(lane);
        let wanted = lane.start_wanted();
        if lane.under_way == 0 && lane.waiting.is_empty() {
            lanes.remove(name);
        }
        drop(lanes);
        self.start(name, wanted);
        Some(changed)
    }
}

/// The place of a request among those that are under way in a lane; it is given back whatever happens.
struct Turn<R: Requests> {
    shared: Arc<Shared<R>>,
    name: R::Lane,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// It has not taken its parts yet.
    Starting,
    UnderWay,
    /// It holds back no others.
    Over,
}

impl<R: Requests> Turn<R> {
    /// Sends one request after the other as long as there is something to send.
    async fn run(mut self) {
        while self.state != State::Over {
            // Those that are about to ask do so first: they are ready to run, and this one would overtake them.
            tokio::task::yield_now().await;
            let asks = self.take();
            if asks.is_empty() {
                return;
            }
            let shared = self.shared.clone();
            let mut sent = pin!(send(&shared.requests, asks));
            if tokio::time::timeout(PATIENCE, &mut sent).await.is_err() {
                self.end();
                sent.await;
            }
        }
    }

    /// Takes the parts of the next request; none if it is not this one's turn any more.
    fn take(&mut self) -> Vec<Ask<R>> {
        let was_starting = self.state == State::Starting;
        self.state = State::UnderWay;
        let taken = self.shared.change(&self.name, |lane| {
            if was_starting {
                lane.starting -= 1;
                return lane.take();
            }
            lane.under_way -= 1;
            if !lane.wants_another() {
                lane.under_way += 1;
                return Vec::new();
            }
            lane.under_way += 1;
            lane.take()
        });
        taken.unwrap_or_default()
    }

    fn end(&mut self) {
        self.state = State::Over;
        self.shared.change(&self.name, |lane| lane.under_way -= 1);
    }
}

impl<R: Requests> Drop for Turn<R> {
    fn drop(&mut self) {
        match self.state {
            State::UnderWay => self.end(),
            // The runtime has stopped: nobody else will send what waits.
            State::Starting => {
                let abandoned = self.shared.change(&self.name, |lane| {
                    lane.starting -= 1;
                    lane.under_way -= 1;
                    lane.waiting_bytes = 0;
                    std::mem::take(&mut lane.waiting)
                });
                drop(abandoned);
            }
            State::Over => {}
        }
    }
}

/// Sends a request and answers those who asked for its parts, unless they all have gone.
async fn send<R: Requests>(requests: &R, asks: Vec<Ask<R>>) {
    let (parts, mut askers): (Vec<_>, Vec<_>) = asks.into_iter().map(|ask| (ask.part, ask.asker)).unzip();
    let answers = tokio::select! {
        biased;
        answers = requests.send(parts) => answers,
        () = gone(&mut askers) => return,
    };
    for (asker, answer) in askers.into_iter().zip(answers) {
        // One who has gone needs no answer.
        let _ = asker.send(answer);
    }
}

/// Waits until every one who asked has gone.
async fn gone<A>(askers: &mut [oneshot::Sender<A>]) {
    poll_fn(|context| {
        let all = askers.iter_mut().all(|asker| asker.poll_closed(context).is_ready());
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests;
