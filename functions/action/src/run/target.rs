//! What a run calls: an action of an app, as a product uses it under an access tag in an environment.

use shared::Error;
use shared::event::TenantId;

use crate::app::{Action, App, AppEnv, Auth, RequestType};
use crate::failure::{Failure, FailureType};
use crate::product::{Connection, ConnectionEnv, Place};
use crate::services::Services;
use crate::tag::{Slug, Tag};

/// An action where it is run.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where.
    pub(crate) place: Place,
    /// The app.
    pub(crate) app: App,
    /// The environment of the app.
    pub(crate) env: AppEnv,
    /// The action.
    pub(crate) action: Action,
    /// The access tag.
    pub(crate) connection: Connection,
    /// What the access tag has for the environment.
    pub(crate) settings: ConnectionEnv,
}

impl Target {
    /// Finds an action by the access tag of its app in a product.
    pub(crate) async fn find(
        services: &Services,
        tenant: &TenantId,
        (product, env): (&Tag, &Slug),
        (access_tag, action): (&Tag, &Tag),
    ) -> Result<Result<Self, Failure>, Error> {
        let Some(found) = services.products.get(tenant, product).await? else {
            return Ok(Err(Failure::unknown("product", product)));
        };
        if !found.envs.iter().any(|known| known.slug == *env && known.active) {
            return Ok(Err(not_there(format!("the product `{product}` has no active environment `{env}`"))));
        }
        let Some(connection) = services.products.connection(tenant, product, access_tag).await? else {
            return Ok(Err(not_there(format!("the product `{product}` has no access tag `{access_tag}`"))));
        };
        let Some(settings) = connection.envs.iter().find(|settings| settings.product_env_slug == *env).cloned() else {
            let message =
                format!("the access tag `{access_tag}` of `{product}` has nothing for the environment `{env}`");
            return Ok(Err(not_there(message)));
        };
        let Some(app) = services.apps.get(tenant, &connection.app).await? else {
            return Ok(Err(Failure::unknown("app", &connection.app)));
        };
        let Some(action) = services.apps.action(tenant, &app.tag, action).await? else {
            return Ok(Err(not_there(format!("the app `{}` has no action `{action}`", app.tag))));
        };
        Ok(Self::of(tenant, product, connection, settings, app, action))
    }

    /// Finds where an action of an app runs for a place that is known.
    pub(crate) async fn at(
        services: &Services,
        place: &Place,
        app: &App,
        action: &Action,
    ) -> Result<Result<Self, Failure>, Error> {
        let Place { tenant_id, product, access_tag, .. } = place;
        let Some(connection) = services.products.connection(tenant_id, product, access_tag).await? else {
            return Ok(Err(not_there(format!("the product `{product}` has no access tag `{access_tag}`"))));
        };
        let Some(settings) = connection.envs.iter().find(|known| known.product_env_slug == place.env).cloned() else {
            let message = format!("the access tag `{access_tag}` has nothing for the environment `{}`", place.env);
            return Ok(Err(not_there(message)));
        };
        Ok(Self::of(tenant_id, product, connection, settings, app.clone(), action.clone()))
    }

    fn of(
        tenant: &TenantId,
        product: &Tag,
        connection: Connection,
        settings: ConnectionEnv,
        app: App,
        action: Action,
    ) -> Result<Self, Failure> {
        let slug = &settings.app_env_slug;
        let Some(env) = app.envs.iter().find(|env| env.slug == *slug && env.active).cloned() else {
            return Err(not_there(format!("the app `{}` has no active environment `{slug}`", app.tag)));
        };
        let place = Place {
            tenant_id: tenant.clone(),
            product: product.clone(),
            env: settings.product_env_slug.clone(),
            access_tag: connection.access_tag.clone(),
            app: app.tag.clone(),
            app_env: slug.clone(),
        };
        Ok(Self { place, app, env, action, connection, settings })
    }

    /// Returns the auth whose headers every request of the access tag carries.
    pub(crate) fn auth(&self) -> Option<&Auth> {
        match &self.settings.auth_tag {
            Some(tag) => self.app.auths.iter().find(|auth| auth.tag == *tag),
            None => self.app.auths.first(),
        }
    }

    /// Returns what the resource is appended to: the environment says so, or else the action.
    pub(crate) fn base_url(&self) -> &str {
        match self.env.base_url.as_str() {
            "" => self.action.base_url.as_deref().unwrap_or_default(),
            base_url => base_url,
        }
    }

    /// Returns how the body is written.
    pub(crate) fn request_type(&self) -> RequestType {
        self.action.request_type.unwrap_or(self.env.request_type)
    }

    /// Tells whether a second request does no more than a first: by its method, or as the app tells them by their key.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.app.idempotency_key || self.is_idempotent()
    }

    /// Tells whether the method promises that a second request does no more than the first (RFC 9110, 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        self.action.method.to_ascii_uppercase().parse().is_ok_and(|method: http::Method| method.is_idempotent())
    }
}

fn not_there(message: String) -> Failure {
    Failure::new(FailureType::NotFound, message)
}
