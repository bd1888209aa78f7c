//! The dispatcher function against the emulator: requests and events in; answers, commands and timelines out.

mod dispatchers;
mod events;
mod faults;
#[cfg(test)]
mod graph;
mod rotation;
mod runs;
mod subscriptions;
#[cfg(test)]
mod tenants;
mod time;
#[cfg(test)]
mod world;
