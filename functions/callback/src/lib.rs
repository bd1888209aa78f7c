//! functions/callback
