//! The HTTP routes: callbacks for clients, the public call, the rotation of keys.

pub(crate) mod call;
pub(crate) mod callbacks;
pub(crate) mod keys;
