//! The state that a running script and its host functions share.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use rquickjs::{Ctx, Function, Persistent, Value};

use super::calls::Calling;
use super::failure::Fault;
use super::fetch::Fetches;
use super::stop::{Reason, Stop};
use super::timers::Timers;
use super::turns::Turn;

/// The host's side of one script.
pub(super) struct Host {
    pub(super) stop: Stop,
    pub(super) turn: Turn,
    pub(super) timers: RefCell<Timers>,
    pub(super) fetches: RefCell<Fetches>,
    pub(super) calling: RefCell<Calling>,
    /// Whether the engine had no memory left, even if the script went on.
    pub(super) exhausted: Cell<bool>,
    /// Whether the heap ever grew so far that the engine collected its garbage.
    pub(super) grown: Cell<bool>,
    /// Whether a promise was rejected that nothing handled at that time.
    pub(super) rejected: Cell<bool>,
    /// What a callback threw that only the host had called.
    uncaught: RefCell<Option<Persistent<Value<'static>>>>,
    /// The functions of the prelude that note rejections.
    rejections: RefCell<Option<Rejections>>,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
}

#[derive(Clone)]
struct Rejections {
    reject: Persistent<Function<'static>>,
    handle: Persistent<Function<'static>>,
}

impl Host {
    pub(super) fn new(stop: Stop, turn: Turn, fetches: Fetches, calling: Calling, time: Duration) -> Self {
        Self {
            stop,
            turn,
            timers: RefCell::default(),
            fetches: RefCell::new(fetches),
            calling: RefCell::new(calling),
            exhausted: Cell::new(false),
            grown: Cell::new(false),
            rejected: Cell::new(false),
            uncaught: RefCell::default(),
            rejections: RefCell::default(),
            started: Instant::now(),
            deadline: Instant::now() + time,
        }
    }

    /// Whether the script must stop; notices when its time is up, and lets other scripts go first now and then.
    pub(super) fn is_stopped(&self) -> bool {
        self.turn.share();
        if self.stop.reason().is_none() && Instant::now() >= self.deadline {
            self.stop.stop(Reason::Time);
        }
        self.stop.reason().is_some()
    }

    /// Whether the engine should interrupt the script.
    pub(super) fn interrupts(&self) -> bool {
        self.exhausted.get() || self.is_stopped()
    }

    /// Keeps what a callback has thrown; the first one counts.
    pub(super) fn throw_later<'js>(&self, ctx: &Ctx<'js>, error: Value<'js>) {
        self.uncaught.borrow_mut().get_or_insert_with(|| Persistent::save(ctx, error));
    }

    /// Fails with what a callback has thrown.
    pub(super) fn check_uncaught(&self, ctx: &Ctx<'_>) -> Result<(), Fault> {
        match self.uncaught.borrow_mut().take() {
            None => Ok(()),
            Some(error) => Err(ctx.throw(error.restore(ctx)?).into()),
        }
    }

    /// Notes rejections with functions of the script's side.
    pub(super) fn track_rejections<'js>(&self, ctx: &Ctx<'js>, reject: Function<'js>, handle: Function<'js>) {
        let rejections = Rejections { reject: Persistent::save(ctx, reject), handle: Persistent::save(ctx, handle) };
        *self.rejections.borrow_mut() = Some(rejections);
    }

    /// Notes that a promise was rejected, or that a rejection is handled after all.
    pub(super) fn note_rejection<'js>(&self, ctx: &Ctx<'js>, promise: Value<'js>, reason: Value<'js>, handled: bool) {
        let Some(Rejections { reject, handle }) = self.rejections.borrow().clone() else {
            return;
        };
        let noted = match handled {
            true => handle.restore(ctx).and_then(|handle| handle.call::<_, ()>((promise,))),
            false => {
                self.rejected.set(true);
                reject.restore(ctx).and_then(|reject| reject.call::<_, ()>((promise, reason)))
            }
        };
        if noted.is_err() {
            ctx.catch();
        }
    }

    /// Gives back what belongs to the engine, which must happen before it is freed.
    pub(super) fn release(&self) {
        self.uncaught.take();
        self.rejections.take();
    }

    /// Fails when the script must stop.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.exhausted.get() {
            return Err(Fault::Exhausted);
        }
        if self.is_stopped() {
            return Err(Fault::Stopped(self.stop.reason().unwrap_or(Reason::Time)));
        }
        Ok(())
    }
}
