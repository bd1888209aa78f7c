//! The dispatcher function against the emulator: requests and events in; answers, commands and timelines out.

mod dispatchers;
mod events;
mod faults;
mod lists;
mod outcomes;
mod rotation;
mod run_list;
mod runs;
#[cfg(test)]
mod tenants;
mod time;
#[cfg(test)]
mod world;
