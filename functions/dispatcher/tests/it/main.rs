//! The dispatcher function against the emulator: requests and events in; answers, commands and timelines out.

mod bulk_retries;
mod dispatchers;
mod events;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod fan_out;
mod faults;
#[cfg(test)]
mod graph;
#[cfg(test)]
mod injection;
mod lists;
mod outcomes;
mod replays;
mod retries;
mod rotation;
mod run_list;
mod runs;
#[cfg(test)]
mod simulate;
mod subscriptions;
#[cfg(test)]
mod tenants;
mod time;
#[cfg(test)]
mod world;
