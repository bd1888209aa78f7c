//! The task function on the embedded engines, called as Lambda calls it.

mod api_function;
#[cfg(test)]
mod asset;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod credentials;
mod director;
#[cfg(test)]
mod execute;
mod fault;
#[cfg(test)]
mod function;
mod invocation;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod lambda;
#[cfg(test)]
mod log;
#[cfg(test)]
mod package;
#[cfg(test)]
mod priority;
mod retry;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod schedule;
mod step;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
mod task;
mod tenant;
#[cfg(test)]
mod version;
