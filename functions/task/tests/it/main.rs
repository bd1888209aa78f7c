//! The task function on the embedded engines, called as Lambda calls it.

#[cfg(test)]
mod api_function;
#[cfg(test)]
mod asset;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod director;
#[cfg(test)]
mod execute;
#[cfg(test)]
mod fault;
#[cfg(test)]
mod function;
#[cfg(test)]
mod invocation;
#[cfg(test)]
mod job;
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
#[cfg(test)]
mod retry;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod step;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod task;
#[cfg(test)]
mod tenant;
#[cfg(test)]
mod version;
