//! The tables against another engine, and against crashes.

mod child;
mod differential;
mod durability;
mod lists;
mod statement;
mod support;
