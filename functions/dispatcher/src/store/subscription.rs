//! The subscriptions of a tenant, in a partition of their own of the table of dispatchers: `#subscription#<tenant>`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::Error;
use shared::event::TenantId;
use shared::table::{Expression, Query, Table, exists, is_new};

use super::run::{from_text, to_text};
use crate::subscription::Subscription;

/// The most subscriptions of a tenant.
pub(crate) const SUBSCRIPTION_LIMIT: usize = 1_000;

/// The subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct Subscriptions {
    table: Table,
}

/// A subscription as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionItem {
    pk: String,
    /// Its id: the sort key of the table is named after what else is in it.
    dispatcher_id: String,
    subscription: String,
}

impl SubscriptionItem {
    /// Reads the subscription.
    pub(super) fn subscription(&self) -> Result<Subscription, Error> {
        from_text(&self.subscription)
    }
}

impl Subscriptions {
    /// Keeps the subscriptions in a table.
    pub(super) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns all subscriptions of a tenant, oldest first.
    pub(crate) async fn all(&self, tenant: &TenantId) -> Result<Vec<Subscription>, Error> {
        let of_tenant = Expression::new("pk = :pk").value(":pk", partition(tenant));
        let items: Vec<SubscriptionItem> = self.table.query(Query::new(of_tenant)).await?;
        let read = items.iter().filter_map(|item| {
            let name = || format!("dispatcherId={} pk={}", item.dispatcher_id, item.pk);
            item.subscription().inspect_err(|error| self.table.log_unreadable(&name(), error)).ok()
        });
        let mut subscriptions: Vec<Subscription> = read.collect();
        subscriptions
            .sort_by(|one, other| (one.creation_timestamp, &one.id).cmp(&(other.creation_timestamp, &other.id)));
        Ok(subscriptions)
    }

    /// Writes a subscription unless there is one of its id; returns the one that is there then.
    pub(crate) async fn create(&self, tenant: &TenantId, new: Subscription) -> Result<Subscription, Error> {
        let (pk, dispatcher_id) = (partition(tenant), new.id.clone());
        let item = SubscriptionItem { pk, dispatcher_id, subscription: to_text(&new)? };
        if self.table.put_if(&item, is_new("pk")).await? {
            return Ok(new);
        }
        let known = self.table.get::<SubscriptionItem>(&key(tenant, &new.id)).await?;
        known.map_or(Ok(new), |known| known.subscription())
    }

    /// Deletes a subscription; returns whether it was there.
    pub(crate) async fn delete(&self, tenant: &TenantId, id: &str) -> Result<bool, Error> {
        let deleted: Option<SubscriptionItem> = self.table.delete(&key(tenant, id), Some(exists("pk"))).await?;
        Ok(deleted.is_some())
    }
}

/// The partition of a tenant's subscriptions; no tenant starts with `#`.
fn partition(tenant: &TenantId) -> String {
    format!("#subscription#{tenant}")
}

fn key(tenant: &TenantId, id: &str) -> Value {
    json!({"pk": partition(tenant), "dispatcherId": id})
}
