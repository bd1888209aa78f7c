//! The command `http.requested`: make the call once, and answer with what came of it.

use jiff::SignedDuration;
use shared::Error;
use shared::bus::Bus;
use shared::clock::Clock;
use shared::event::{Answer, Received, StepRequested};
use shared::outbound::Outbound;
use shared::step::{self, Claimable as _, Claims, Policy};

use crate::call::Call;
use crate::store::{CallRecord, Calls};

/// How much longer than its timeout a call is taken to be under way somewhere.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// Does one step.
pub(crate) async fn handle(
    calls: &Claims<Calls>,
    bus: &Bus,
    outbound: &Outbound,
    clock: &Clock,
    command: &Received,
) -> Result<(), Error> {
    step::perform(bus, clock, command, async |_, request: StepRequested<Received>| {
        let call = match Call::parse(request.action, &request.id) {
            Ok(call) => call,
            Err(error) => return Ok(Some(Answer::failed(error).into())),
        };
        let lease = SignedDuration::try_from(call.timeout()).unwrap_or(LEASE_MARGIN) + LEASE_MARGIN;
        let policy = Policy { lease, acts_at_once: !call.is_idempotent() };
        let now = clock.now();
        let record = CallRecord::new(&request.id, calls.store().expires_at(now));
        let once = calls.once(record, policy, async |mut record: CallRecord| {
            record.answer_with(call.make(outbound).await.started_at(now));
            Ok(record)
        });
        Ok(once.await?.done()?.and_then(|record| record.answer().cloned()).map(Into::into))
    })
    .await
}
