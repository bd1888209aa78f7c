use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::mail::Smtp;

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, `kill -9` included.
    #[default]
    Process,
    /// A power cut as well: every commit waits for the disk.
    Power,
}

/// How an emulator is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory for all data; without one, everything is in memory.
    pub data: Option<PathBuf>,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// The clock for schedules, retries and events.
    pub clock: Clock,
    /// Values of the template's parameters; `AWS::StackName` may be given, too.
    pub parameters: BTreeMap<String, String>,
    /// The SMTP server that mails are relayed to; without one they stay in the outbox.
    pub smtp: Option<Smtp>,
    /// Where deliveries are made; the runtime of the caller if there is none.
    pub deliveries: Option<Handle>,
}
