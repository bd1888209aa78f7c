//! The dispatcher function against the emulator: requests and events in; answers, commands and timelines out.

#[cfg(test)]
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
#[cfg(test)]
mod lists;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod retries;
mod rotation;
#[cfg(test)]
mod run_list;
mod runs;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod tenants;
mod time;
#[cfg(test)]
mod world;
