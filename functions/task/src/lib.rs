//! functions/task
