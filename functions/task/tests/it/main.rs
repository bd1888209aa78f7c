//! The task function on the embedded engines, called as Lambda calls it.

#[cfg(test)]
mod crash;
mod fault;
#[cfg(test)]
mod function;
mod invocation;
mod lambda;
mod log;
mod priority;
mod retry;
#[cfg(test)]
mod sandbox;
mod step;
#[cfg(test)]
mod support;
mod sweep;
mod task;
mod tenant;
