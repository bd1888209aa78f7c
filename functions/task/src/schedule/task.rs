//! The task that a schedule starts.

use jiff::Timestamp;
use shared::Error;

use crate::schedule::decide::starts_at;
use crate::services::Services;
use crate::store::schedule::{Misfire, Overlap, Program, Schedule};
use crate::store::task::{OfSchedule, Priority, Status, Task};

/// Builds the task of an instant, or of a run that somebody has asked for.
pub(crate) async fn task_of(
    services: &Services,
    schedule: &Schedule,
    instant: Option<Timestamp>,
    task_id: String,
    now: Timestamp,
) -> Result<Task, Error> {
    let (function_name, script, data, priority, tags) = match schedule.program.clone() {
        Program::Script { script, config } => (String::new(), Some(script), config, None, Vec::new()),
        Program::Action { .. } => (String::new(), None, "{}".to_owned(), Some(0), Vec::new()),
        Program::Function { function_name, data, priority, tags } => (function_name, None, data, priority, tags),
    };
    let action = match &schedule.program {
        Program::Action { fields } => Some(fields.clone()),
        _ => None,
    };
    let priority = match (priority, &script) {
        (Some(priority), _) => priority,
        (None, Some(_)) => 0,
        (None, None) => {
            let function = services.functions.recent(&schedule.tenant_id, &function_name).await?;
            function.and_then(|function| function.default_priority()).map_or(0, Priority::get)
        }
    };
    let has_queue = schedule.overlap == Overlap::Queue || schedule.misfire == Misfire::All;
    Ok(Task {
        task_id,
        tenant_id: schedule.tenant_id.clone(),
        creation_timestamp: now,
        update_timestamp: now,
        status: Status::New,
        status_changed_timestamp: now,
        function_name,
        function_version: None,
        data,
        script,
        action,
        schedule: Some(OfSchedule { key: schedule.key(), instant, has_queue }),
        start_timestamp: instant.map(|instant| starts_at(schedule, instant)),
        tags,
        priority,
        created_by_application_id: schedule.creator.created_by_application_id.clone(),
        created_by_user_id: schedule.creator.created_by_user_id.clone(),
        origin: None,
        trace: None,
        open: None,
        sweep_at_ms: None,
        sweeps: 0,
        listed_tenant: None,
        direct: false,
        claim: None,
        logs: Vec::new(),
        retried_by_task_id: None,
        retry_for_task_ids: Vec::new(),
        retries_interruption: false,
        journal: None,
        expires_at: services.tasks.store().expires_at(now),
    })
}
