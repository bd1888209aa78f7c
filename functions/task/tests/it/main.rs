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
#[cfg(test)]
mod execute;
mod fault;
#[cfg(test)]
mod function;
mod invocation;
#[cfg(test)]
mod package;
mod retry;
#[cfg(test)]
mod sandbox;
mod schedule;
mod step;
#[cfg(test)]
mod support;
mod task;
mod tenant;
#[cfg(test)]
mod version;
