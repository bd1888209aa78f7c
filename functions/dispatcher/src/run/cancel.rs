//! How a run is cancelled.

use jiff::Timestamp;
use shared::bus::Entry;
use shared::event::command::{TASK, TASK_CANCEL_REQUESTED, TaskCancelRequested};
use shared::event::{Envelope, EventId, Received};
use shared::event::{Trace, command::COMMAND_SOURCE};

use super::{Run, RunStatus, StepState};

/// Why a step of a cancelled run was skipped.
const REASON: &str = "the run was cancelled";

impl Run {
    /// Ends the run: what has not begun never does; returns `false` if it is over already.
    ///
    /// An attempt that is under way stays as it is, and its answer is still recorded.
    pub(crate) fn cancel(&mut self, now: Timestamp) -> bool {
        if self.is_over() {
            return false;
        }
        for step in &mut self.steps {
            // The command of an attempt whose time is still to come was not sent.
            let is_to_come = |requested_at: Timestamp| step.status == StepState::Requested && requested_at > now;
            if step.requested_at().is_some_and(is_to_come) {
                step.attempts.pop();
                step.status = StepState::Pending;
            }
            if step.status == StepState::Pending {
                step.status = StepState::Skipped;
                step.reason = Some(REASON.to_owned());
            }
        }
        self.status = RunStatus::Cancelled;
        self.finished_at = Some(now);
        true
    }

    /// Returns the commands that cancel the tasks of steps which are under way, as far as these have not started.
    pub(crate) fn task_cancellations(&self, event: &Received, now: Timestamp) -> Vec<Entry> {
        let steps = self.steps.iter().enumerate();
        let open = steps.filter(|(_, step)| {
            step.action.kind == TASK.name && matches!(step.status, StepState::Requested | StepState::Waiting)
        });
        let entry = |(index, step): (usize, &super::Step)| {
            let task_id = self.step_id(index, step.attempt()).record_id();
            let id = EventId::new(format!("{task_id}-cancel-requested"));
            let content = TaskCancelRequested { task_id };
            let command = Envelope::new(TASK_CANCEL_REQUESTED, id, event.tenant_id.clone(), now, content);
            Entry::sealed(COMMAND_SOURCE, &command.with_trace(Trace::caused_by(event))).ok()
        };
        open.filter_map(entry).collect()
    }
}
