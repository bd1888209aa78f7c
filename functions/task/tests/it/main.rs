//! The task function on the embedded engines, called as Lambda calls it.

#[cfg(test)]
mod crash;
mod fault;
#[cfg(test)]
mod function;
mod invocation;
#[cfg(test)]
mod lambda;
#[cfg(test)]
mod log;
#[cfg(test)]
mod priority;
mod retry;
#[cfg(test)]
mod sandbox;
mod step;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
mod task;
mod tenant;
