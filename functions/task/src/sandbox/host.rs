//! The state that a running script and its host functions share.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rquickjs::{Ctx, Function, Persistent, Value};
use shared::event::StepError;

use super::calls::{Call, Calling};
use super::exchange::FetchRequest;
use super::failure::{self, Fault};
use super::fetch::Fetches;
use super::journal::Asked;
use super::outside::Outside;
use super::stop::{Reason, Stop, Wake};
use super::timers::Timers;
use super::turns::Turn;

/// What connects a script's thread to the rest of the worker, for one run.
pub(super) struct Links {
    pub(super) stop: Stop,
    pub(super) events: Receiver<Wake>,
    pub(super) fetches: Fetches,
    pub(super) calling: Calling,
    pub(super) turn: Turn,
}

/// The host's side of one realm, with what belongs to the run that is under way there.
pub(super) struct Host {
    stop: RefCell<Stop>,
    events: RefCell<Receiver<Wake>>,
    turn: RefCell<Turn>,
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
    /// How a replayed script has left its journal.
    diverged: RefCell<Option<StepError>>,
    outside: RefCell<Outside>,
    /// How often it was checked whether the script must stop, which is the same whenever the same script runs.
    checks: Cell<u64>,
    deadline: Cell<Instant>,
}

/// Whether something that a script asks for leaves this process.
#[derive(Clone, Copy)]
enum Sending {
    Now,
    /// Its end is in the journal.
    Never,
}

#[derive(Clone)]
struct Rejections {
    reject: Persistent<Function<'static>>,
    handle: Persistent<Function<'static>>,
}

impl Host {
    /// The host of a new realm, whose first run may take so long.
    pub(super) fn new(links: Links, outside: Outside, time: Duration) -> Self {
        let Links { stop, events, fetches, calling, turn } = links;
        Self {
            stop: RefCell::new(stop),
            events: RefCell::new(events),
            turn: RefCell::new(turn),
            timers: RefCell::default(),
            fetches: RefCell::new(fetches),
            calling: RefCell::new(calling),
            exhausted: Cell::new(false),
            grown: Cell::new(false),
            rejected: Cell::new(false),
            uncaught: RefCell::default(),
            rejections: RefCell::default(),
            diverged: RefCell::default(),
            outside: RefCell::new(outside),
            checks: Cell::new(0),
            deadline: Cell::new(Instant::now() + time),
        }
    }

    /// Begins another run in the same realm, after one that has left nothing behind that waits.
    pub(super) fn begin(&self, links: Links, outside: Outside, time: Duration) {
        let Links { stop, events, fetches, calling, turn } = links;
        self.stop.replace(stop);
        self.events.replace(events);
        self.turn.replace(turn);
        self.fetches.replace(fetches);
        self.calling.replace(calling);
        self.outside.replace(outside);
        self.checks.set(0);
        self.deadline.set(Instant::now() + time);
    }

    /// Tells whether the run has left the realm so that another one can begin there.
    pub(super) fn is_at_rest(&self) -> bool {
        let waits = !self.fetches.borrow().is_empty() || !self.calling.borrow().is_empty();
        let failed = self.exhausted.get() || self.rejected.get() || self.uncaught.borrow().is_some();
        !waits && !failed && self.stop().reason().is_none()
    }

    /// The state that the run shares with the rest of the worker.
    pub(super) fn stop(&self) -> Ref<'_, Stop> {
        self.stop.borrow()
    }

    /// The run's turn at computing.
    pub(super) fn turn(&self) -> Ref<'_, Turn> {
        self.turn.borrow()
    }

    /// When the time of the run is up.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline.get()
    }

    /// Waits for an event; others compute meanwhile.
    pub(super) fn wait(&self, time: Duration) -> Option<Wake> {
        let events = self.events.borrow();
        if let Ok(wake) = events.try_recv() {
            return Some(wake);
        }
        self.turn().release();
        let wake = events.recv_timeout(time).ok();
        self.turn().take();
        wake
    }

    /// Whether the script must stop; notices when its time is up, and lets other scripts go first now and then.
    pub(super) fn is_stopped(&self) -> bool {
        self.turn().share();
        let checks = self.checks.get() + 1;
        self.checks.set(checks);
        if let Some(reason) = self.outside.borrow().replayed_stop(checks) {
            self.stop().stop(reason);
        }
        let reason = self.stop_reason();
        if let Some(reason) = reason {
            self.outside.borrow_mut().note_stop(checks, reason);
        }
        reason.is_some()
    }

    /// Why the script must stop, if it must; notices when its time is up.
    pub(super) fn stop_reason(&self) -> Option<Reason> {
        if self.stop().reason().is_none() && Instant::now() >= self.deadline.get() {
            match self.outside.borrow().is_replayed() {
                true => self.diverge("ReplayTimeLimit", "the script does not end from its journal"),
                false => self.stop().stop(Reason::Time),
            }
        }
        self.stop().reason()
    }

    /// What the script reads from outside.
    pub(super) fn outside(&self) -> RefMut<'_, Outside> {
        self.outside.borrow_mut()
    }

    /// Stops a script that has left its journal.
    pub(super) fn diverge(&self, name: &str, message: &str) {
        self.diverged.borrow_mut().get_or_insert_with(|| failure::runtime(name, failure::clipped_message(message)));
        self.stop().stop(Reason::Diverged);
    }

    /// How the script has left its journal.
    pub(super) fn divergence(&self) -> Option<StepError> {
        self.diverged.borrow().clone()
    }

    /// Starts a request, or waits for what the journal has of it; fails if the journal has another one.
    pub(super) fn ask(&self, id: u32, request: FetchRequest) -> bool {
        match self.asked(&Asked::request(id, &request)) {
            Some(Sending::Now) => self.fetches.borrow_mut().start(id, request),
            Some(Sending::Never) => self.fetches.borrow_mut().expect(id),
            None => return false,
        }
        true
    }

    /// Makes a call, or waits for what the journal has of it; fails if the journal has another one.
    pub(super) fn ask_call(&self, id: u32, call: Call) -> bool {
        match self.asked(&Asked::call(id, &call)) {
            Some(Sending::Now) => self.calling.borrow_mut().start(id, call),
            Some(Sending::Never) => self.calling.borrow_mut().expect(id),
            None => return false,
        }
        true
    }

    fn asked(&self, asked: &Asked) -> Option<Sending> {
        let mut outside = self.outside();
        let sending = if outside.is_replayed() { Sending::Never } else { Sending::Now };
        let message = match outside.ask(asked) {
            Ok(()) => return Some(sending),
            Err(message) => message,
        };
        drop(outside);
        self.diverge("JournalMismatch", &message);
        None
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
            return Err(Fault::Stopped(self.stop().reason().unwrap_or(Reason::Time)));
        }
        Ok(())
    }
}
