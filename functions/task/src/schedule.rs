//! When the instants of a schedule are, and what becomes of each: pure.

pub(crate) mod decide;
pub(crate) mod timing;
