//! The task function on the embedded engines, called as Lambda calls it.

#[cfg(test)]
mod asset;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod director;
mod fault;
#[cfg(test)]
mod function;
mod invocation;
mod retry;
#[cfg(test)]
mod sandbox;
mod schedule;
mod step;
#[cfg(test)]
mod support;
mod task;
mod tenant;
