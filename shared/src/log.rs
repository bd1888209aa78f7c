//! Logging: one line per thing that happened, readable alone, with identifiers as fields.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// Logs JSON lines to standard output, as CloudWatch reads them; the level comes from `RUST_LOG`, `info` by default.
pub fn init_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).try_init();
}

/// Logs lines for people to standard error.
pub fn init_text(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = stderr().is_terminal();
    let _ = tracing_subscriber::fmt().with_writer(stderr).with_ansi(colours).with_env_filter(filter).try_init();
}
