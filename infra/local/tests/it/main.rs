//! The whole system as a user has it: the real binary, real HTTP, real signals.

mod crash;
mod delayed;
mod delivery;
mod demo;
mod process;
mod readme;
mod script;
mod serve;
mod wiring;
