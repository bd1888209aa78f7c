//! functions/auth
