use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::clock::Clock;

/// How much an acknowledged write survives.
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
    /// The directory that keeps everything; without one, everything is in memory.
    pub data: Option<PathBuf>,
    /// How much an acknowledged write survives.
    pub durability: Durability,
    /// The time for schedules, retries and events.
    pub clock: Clock,
    /// Values of the template's parameters; `AWS::StackName` may be given, too.
    pub parameters: BTreeMap<String, String>,
}
