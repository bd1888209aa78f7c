//! functions/dispatcher
