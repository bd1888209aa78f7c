//! functions/webhook
