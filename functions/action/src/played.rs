//! For tests: the services on the emulator, and an app for them to call.

use harness::World;
use harness::app::App;
use serde_json::json;

use crate::product::Place;
use crate::services::Services;

/// The function on the emulator, the services of one process, and an app.
pub(crate) struct Played {
    pub(crate) world: World,
    pub(crate) services: Services,
    pub(crate) app: App,
}

impl Played {
    pub(crate) async fn open() -> Self {
        let world = World::builder().function("ActionFunction", crate::function).open().await;
        let app = App::start(&world.clock).await;
        Self { services: services(&world), app, world }
    }

    /// The services of another process, which remembers nothing.
    pub(crate) fn another(&self) -> Services {
        services(&self.world)
    }
}

fn services(world: &World) -> Services {
    Services::new(world.environment("ActionFunction")).unwrap()
}

/// A place of a tenant.
pub(crate) fn place(tenant: &str) -> Place {
    let place = json!({
        "tenantId": tenant, "product": "shop", "env": "dev", "accessTag": "crm-main", "app": "crm", "appEnv": "prd",
    });
    serde_json::from_value(place).unwrap()
}
