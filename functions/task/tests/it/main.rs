//! The task function on the embedded engines, called as Lambda calls it.

mod crash;
mod fault;
mod function;
mod invocation;
mod step;
mod support;
mod task;
mod tenant;
