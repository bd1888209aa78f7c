//! Jobs: actions of apps that run later or periodically. A job is a schedule whose tasks run an action.

pub(crate) mod body;
pub(crate) mod fact;
pub(crate) mod lifecycle;
pub(crate) mod view;
