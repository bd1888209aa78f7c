//! The task function on the embedded engines, called as Lambda calls it.

#[cfg(test)]
mod crash;
mod fault;
#[cfg(test)]
mod function;
mod invocation;
#[cfg(test)]
mod journal;
mod retry;
#[cfg(test)]
mod sandbox;
mod step;
#[cfg(test)]
mod support;
mod task;
mod tenant;
