//! The tables against another engine, and against crashes.

mod differential;
