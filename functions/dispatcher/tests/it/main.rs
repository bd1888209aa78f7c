//! The dispatcher function against the emulator: requests and events in; answers, commands and timelines out.

mod dispatchers;
mod events;
#[cfg(test)]
mod explain;
mod faults;
#[cfg(test)]
mod injection;
mod rotation;
mod runs;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod tenants;
mod time;
#[cfg(test)]
mod world;
