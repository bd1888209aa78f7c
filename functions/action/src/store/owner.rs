//! What sessions and cached values belong to.

use shared::event::TenantId;

use crate::tag::Tag;

/// A definition of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) product: &'a Tag,
    pub(crate) tag: &'a Tag,
}

impl Owner<'_> {
    /// Returns the key of all that belongs to the definition.
    pub(crate) fn key(&self) -> String {
        let Self { tenant, product, tag } = self;
        tenant.key(&format!("{product}#{tag}"))
    }
}
