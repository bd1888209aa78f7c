//! Logging: one line per thing that happened, readable alone, with identifiers as fields.
//!
//! What we log ourselves holds no secret, at any level. What a library logs below a warning may be a whole request with
//! its headers and its body, so that no configuration lets it through.

use std::io::{IsTerminal as _, stderr, stdout};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry};

/// The crates whose messages below a warning may be shown.
const OURS: [&str; 16] = [
    "action",
    "auth",
    "callback",
    "client",
    "dispatcher",
    "emulator",
    "hookyard",
    "local",
    "mail",
    "pattern",
    "platform",
    "server",
    "shared",
    "tables",
    "task",
    "webhook",
];

/// Logs JSON lines to standard output, as CloudWatch reads them; the level comes from `RUST_LOG`, `info` by default.
pub fn init_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().json().with_current_span(false).with_writer(stdout);
    let _ = subscriber(filter, lines).try_init();
}

/// Tells whether a filter for [`init_text`] says which levels it asks for: a misspelt level is the name of a target to the
/// library.
pub fn is_filter(filter: &str) -> bool {
    let has_level = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    filter.split(',').all(has_level) && EnvFilter::try_new(filter).is_ok()
}

/// Logs lines for people to standard error.
pub fn init_text(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = subscriber(filter, text(stderr, stderr().is_terminal())).try_init();
}

fn text<S, W>(writer: W, colours: bool) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().with_writer(writer).with_ansi(colours)
}

/// Builds the only subscriber there is: what the filter asks for, as far as it can be shown at all.
fn subscriber<L>(filter: EnvFilter, lines: L) -> impl Subscriber + Send + Sync
where
    L: Layer<Shown> + Send + Sync,
{
    registry().with(filter).with(filter_fn(is_safe as fn(&Metadata<'_>) -> bool)).with(lines)
}

/// What is left for the writer of lines.
type Shown = Layered<FilterFn<fn(&Metadata<'_>) -> bool>, Layered<EnvFilter, Registry>>;

/// Tells whether a message can be shown without knowing what it says.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    let krate = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::WARN || OURS.contains(&krate)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged while `work` runs.
    fn logged(filter: &str, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = text(move || writer.clone(), false);
        with_default(subscriber(EnvFilter::new(filter), layer), work);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    macro_rules! log_as {
        ($($target:literal),*) => {{
            $(
                tracing::trace!(target: $target, "trace of {}", $target);
                tracing::debug!(target: $target, "debug of {}", $target);
                tracing::info!(target: $target, "info of {}", $target);
                tracing::warn!(target: $target, "warn of {}", $target);
                let span = tracing::trace_span!(target: $target, "a span", body = "hush");
                span.in_scope(|| tracing::error!(target: $target, "error of {}", $target));
            )*
        }};
    }

    #[test]
    fn no_filter_shows_what_a_library_says_below_a_warning() {
        for filter in [
            "trace",
            "aws_sdk_secretsmanager=trace",
            "trace,aws_smithy_runtime=trace,hyper_util=trace,log=trace",
            "aws_smithy_runtime[a span]=trace,unheard_of::module=debug",
        ] {
            let log = logged(filter, || {
                log_as!(
                    "aws_smithy_runtime::client",
                    "aws_sdk_secretsmanager",
                    "aws_sigv4",
                    "hyper::proto::h1",
                    "hyper_util",
                    "h2",
                    "reqwest",
                    "rustls",
                    "tower_http",
                    "axum",
                    "lambda_runtime",
                    "rusqlite",
                    "log",
                    "unheard_of::module",
                    "sharedother",
                    ""
                );
            });
            let shown = log.lines().all(|line| line.contains("warn of") || line.contains("error of"));
            assert!(shown && !log.contains("hush"), "{filter}: {log}");
        }
    }

    #[test]
    fn what_we_say_is_shown_as_the_filter_asks() {
        let shown = |filter| {
            let log = logged(filter, || log_as!("shared::step", "hookyard"));
            log.lines().filter(|line| line.contains("trace of")).count()
        };
        assert_eq!((shown("trace"), shown("shared=trace"), shown("debug")), (2, 1, 0));
    }

    #[test]
    fn the_crates_of_the_workspace_are_ours() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let (_, members) = manifest.split_once("members = [").unwrap();
        let (members, _) = members.split_once(']').unwrap();
        let mut ours = vec!["hookyard".to_owned()];
        for member in members.split('"').skip(1).step_by(2).filter(|member| !member.ends_with("harness")) {
            let manifest = std::fs::read_to_string(root.join(member).join("Cargo.toml")).unwrap();
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
            ours.push(name.trim_matches('"').to_owned());
        }
        ours.sort();
        assert_eq!(ours, OURS);
    }
}
