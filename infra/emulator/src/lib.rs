//! AWS in this process: DynamoDB, EventBridge, Scheduler, SES and Secrets Manager behind the real SDK.
//!
//! In: a SAM template and a data directory. Out: an [`SdkConfig`] whose clients reach embedded engines instead of a
//! network, and one invocation of a function for each event that a rule sends to its queue or a schedule sends it.
//!
//! Nothing here knows a function: an [`Invoke`] gets a logical id and the text of an event.
//! Everything that has been acknowledged survives the process; a delivery is retried until its function accepts it.

mod arn;
mod bus;
mod clock;
mod connector;
mod database;
mod delivery;
mod dynamodb;
mod engines;
mod error;
mod fault;
mod folder;
mod journal;
mod mail;
mod options;
mod scheduler;
mod secret;
mod template;
mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use server::Connections;
use tokio::sync::watch;

pub use clock::Clock;
pub use delivery::{DeadLetter, Invoke};
pub use error::EmulatorError;
pub use fault::Units;
pub use mail::{Mail, MailAttachment, MailRecipient, RecipientStatus, Smtp, UnusableSmtp};
pub use options::{Durability, Options};
pub use template::Template;

use arn::REGION;
use connector::Connector;
use engines::Engines;
use fault::Fault;

/// A handle to the embedded engines.
///
/// Clones are cheap. When the last one is dropped, everything stops at once, as in a crash, and the SDK clients get
/// connection errors.
#[derive(Clone)]
pub struct Emulator {
    engines: Arc<Engines>,
}

impl Emulator {
    /// Opens the engines and creates what the template describes and the data directory does not have yet.
    ///
    /// # Errors
    /// When the template cannot be resolved, or the data directory is in use, unreadable or in another format.
    pub async fn open(template: Template, options: Options) -> Result<Self, EmulatorError> {
        let engines = Engines::open(template, options).await?;
        Ok(Self { engines: Arc::new(engines) })
    }

    /// A configuration for SDK clients that talk to the embedded engines.
    ///
    /// Retries are the SDK's standard ones with shorter waits. Nothing checks signatures, so a client that may leave them
    /// out does.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new("local", "local", None, None, "emulator");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .auth_scheme_preference([AuthSchemeId::from("noAuth")])
            .http_client(Connector(Arc::downgrade(&self.engines)))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(20)))
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// The environment of a function as Lambda would set it, from the template; empty for an unknown function.
    pub fn environment(&self, function_id: &str) -> BTreeMap<String, String> {
        let function = self.engines.stack.functions.get(function_id);
        function.map(|function| function.environment.clone()).unwrap_or_default()
    }

    /// Starts to deliver, beginning with what an earlier process left behind, and to fire schedules.
    ///
    /// # Panics
    /// When it is called outside of a Tokio runtime.
    pub fn start(&self, invoke: Invoke) {
        self.engines.deliveries.start(invoke);
        self.engines.tasks().extend(self.engines.scheduler.start().into_iter().chain(self.engines.mails.start()));
    }

    /// The clock, whose sleepers count as idle.
    pub fn clock(&self) -> Clock {
        self.engines.clock.clone()
    }

    /// Starts no more deliveries, waits for those in flight, flushes everything to disk and closes.
    ///
    /// SDK clients get connection errors afterwards, and another process can open the data directory.
    pub async fn stop(&self) {
        self.engines.deliveries.stop().await;
        self.engines.close();
        let engines = self.engines.clone();
        let _ = tokio::task::spawn_blocking(move || engines.release()).await;
    }

    /// Waits until nothing is due or in flight, and every acknowledgement is written.
    ///
    /// Retries and schedules in the future do not count. Before the start and after the end it returns immediately.
    pub async fn idle(&self) {
        loop {
            self.engines.scheduler.settle().await;
            self.engines.deliveries.idle().await;
            // A function that just ran may have created a schedule that is due already.
            let before = self.engines.faults.calls();
            self.engines.scheduler.settle().await;
            self.engines.deliveries.idle().await;
            if self.engines.faults.calls() == before {
                break;
            }
        }
        // After the end, there is nothing left to write.
        let _ = self.engines.journal.write(|_| Ok(())).await;
    }

    /// How often each operation was called, such as `dynamodb.PutItem`, retries included.
    ///
    /// The services are `dynamodb`, `eventbridge`, `scheduler`, `secretsmanager` and `sesv2`.
    pub fn aws_calls(&self) -> BTreeMap<String, u64> {
        self.engines.faults.calls()
    }

    /// What each operation of DynamoDB, such as `dynamodb.PutItem`, has used of each table, by the table's name.
    ///
    /// The units are DynamoDB's own: those of indexes are in their table's, transactions pay double, and a write whose
    /// condition fails pays as well.
    pub fn capacity_units(&self) -> BTreeMap<String, BTreeMap<String, Units>> {
        self.engines.faults.units()
    }

    /// Resets the counts of calls and of capacity units to zero.
    pub fn reset_aws_calls(&self) {
        self.engines.faults.reset_calls();
    }

    /// How many events were dropped because no rule matched them.
    pub fn unmatched_events(&self) -> u64 {
        self.engines.bus.unmatched()
    }

    /// The newest thousand dead letters, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        // A closed or broken journal lists nothing.
        let mut letters = self.engines.journal.read(delivery::row::dead_letters).unwrap_or_default();
        for letter in &mut letters {
            if let Some(feed) = self.engines.stack.feeds.get(&letter.target) {
                letter.queue = Some(std::mem::replace(&mut letter.target, feed.function.to_string()));
            }
        }
        letters
    }

    /// Moves the dead letters of queues back to the queues that they come from, where they begin again, and returns how
    /// many; `only` names those to move, by their ids.
    ///
    /// The inputs of schedules come from no queue, and stay.
    pub async fn redrive(&self, only: Option<&[i64]>) -> u64 {
        let Ok(last) = self.engines.journal.write(delivery::row::last_dead_letter).await else {
            return 0;
        };
        let mut moved = 0;
        for (queue, feed) in &self.engines.stack.feeds {
            let ranges =
                only.map_or_else(|| vec![(0, last)], |ids| ids.iter().map(|id| (id.saturating_sub(1), *id)).collect());
            for range in ranges {
                moved += self.engines.redrive(queue, feed.retry(), range).await;
            }
        }
        moved
    }

    /// The newest mails that were sent, the newest first; the last thousand are kept.
    pub async fn outbox(&self, limit: usize) -> Vec<Mail> {
        self.engines.mails.outbox(limit).await
    }

    /// A mail of the outbox as it was sent, with its headers.
    pub async fn mail(&self, message_id: &str) -> Option<Vec<u8>> {
        self.engines.mails.raw(message_id.to_owned()).await
    }

    /// The current value of a secret of the template, by logical id.
    pub fn secret(&self, logical_id: &str) -> Option<String> {
        self.engines.secrets.value(logical_id)
    }

    /// Serves DynamoDB's HTTP API on the loopback interface until the emulator stops; port 0 picks a free one.
    ///
    /// # Errors
    /// When it cannot listen on the port.
    pub async fn serve_dynamodb(&self, port: u16, connections: Connections) -> Result<SocketAddr, EmulatorError> {
        let doing = format!("serve DynamoDB on port {port}");
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(EmulatorError::io(&doing))?;
        let address = listener.local_addr().map_err(EmulatorError::io(&doing))?;
        let router = dynamodb::port::router(self.engines.tables.clone());
        // The engines' end is the end as well.
        tokio::spawn(server::serve(listener, router, connections, self.engines.closed.subscribe()));
        Ok(address)
    }

    /// Throttles the next calls of an operation such as `dynamodb.PutItem`, without performing them.
    pub fn throttle(&self, operation: &str, times: u32) {
        self.engines.faults.inject(operation, Fault::Throttle, times);
    }

    /// Takes back the faults that were injected into an operation and have not happened yet.
    pub fn recover(&self, operation: &str) {
        self.engines.faults.recover(operation);
    }

    /// Performs the next calls of an operation and drops the connection before the response.
    pub fn lose_reply(&self, operation: &str, times: u32) {
        self.engines.faults.inject(operation, Fault::LoseReply, times);
    }

    /// Lets the next calls of an operation pass, so that the fault injected after this meets a later one.
    pub fn pass(&self, operation: &str, times: u32) {
        self.engines.faults.inject(operation, Fault::Pass, times);
    }

    /// Crashes the caller of the next calls of an operation before they are performed.
    ///
    /// Such a call never returns: whatever runs the caller drops it when [`Emulator::crashes`] goes up.
    pub fn crash_before(&self, operation: &str, times: u32) {
        self.engines.faults.inject(operation, Fault::CrashBefore, times);
    }

    /// Performs the next calls of an operation and crashes their caller before the response, as `crash_before` does.
    pub fn crash_after(&self, operation: &str, times: u32) {
        self.engines.faults.inject(operation, Fault::CrashAfter, times);
    }

    /// The number of crashes so far, to be watched by whatever runs the functions.
    pub fn crashes(&self) -> watch::Receiver<u64> {
        self.engines.faults.crashes()
    }

    /// Calls `observer` with every event that the bus accepts from now on, as a function would receive it.
    ///
    /// There is one observer; a second call changes nothing.
    pub fn observe(&self, observer: impl Fn(&str) + Send + Sync + 'static) {
        self.engines.bus.observe(Box::new(observer));
    }

    /// Fails the last entry of each of the next `PutEvents` calls, inside a response with status 200.
    pub fn fail_entries(&self, times: u32) {
        self.engines.faults.fail_entries(times);
    }

    /// Delivers everything twice, one delivery after the other; the result of the second one counts.
    pub fn deliver_twice(&self, on: bool) {
        self.engines.faults.deliver_twice(on);
    }
}
