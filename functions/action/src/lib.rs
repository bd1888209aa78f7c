//! functions/action
