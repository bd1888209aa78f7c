//! The facts about users, as the bus carries them.

use jiff::Timestamp;
use serde::Serialize;
use shared::Error;
use shared::bus::{Bus, Entry};
use shared::clock::derived_uuid;
use shared::event::fact::{
    AUTH_SOURCE, PASSWORD_UPDATE_COMPLETED, USER_ACTIVATION_COMPLETED, USER_CREATED, USER_DELETED, UserChanged,
    UserCompleted,
};
use shared::event::{Envelope, EventId, EventType, Trace};

use crate::user::User;

/// Tells that a user was created.
pub(crate) async fn created(bus: &Bus, user: &User) -> Result<(), Error> {
    let content = UserChanged { id: user.id.clone() };
    publish(bus, USER_CREATED, user, user.creation_timestamp, content).await
}

/// Tells that a user is deleted.
pub(crate) async fn deleted(bus: &Bus, user: &User, now: Timestamp) -> Result<(), Error> {
    publish(bus, USER_DELETED, user, now, UserChanged { id: user.id.clone() }).await
}

/// Tells that a user has had another password since a time.
pub(crate) async fn password_updated(bus: &Bus, user: &User, since: Timestamp) -> Result<(), Error> {
    let content = UserCompleted { user_id: user.id.clone() };
    publish(bus, PASSWORD_UPDATE_COMPLETED, user, since, content).await
}

/// Tells that a user was activated.
pub(crate) async fn activated(bus: &Bus, user: &User) -> Result<(), Error> {
    let content = UserCompleted { user_id: user.id.clone() };
    publish(bus, USER_ACTIVATION_COMPLETED, user, user.update_timestamp, content).await
}

/// Publishes a fact; its id comes from what happened to whom, so that it is one however often it is published.
async fn publish(
    bus: &Bus,
    kind: EventType,
    user: &User,
    time: Timestamp,
    content: impl Serialize,
) -> Result<(), Error> {
    // What can happen to a user again has an occurrence of its own each time.
    let activations = user.activations.to_string();
    let which = if kind == PASSWORD_UPDATE_COMPLETED {
        user.password_stamp.as_str()
    } else if kind == USER_ACTIVATION_COMPLETED {
        activations.as_str()
    } else {
        ""
    };
    let parts =
        [b"user", user.tenant_id.as_str().as_bytes(), user.id.as_bytes(), kind.as_str().as_bytes(), which.as_bytes()];
    let id = EventId::new(derived_uuid(&parts).to_string());
    let trace = Trace::start(&id);
    let envelope = Envelope::new(kind, id, user.tenant_id.clone(), time, content).with_trace(trace);
    let entry = Entry::fact(AUTH_SOURCE, &envelope).map_err(Error::cannot("announce a user"))?;
    bus.publish(vec![entry]).await
}
