//! An app on a real server, used by a product.

use harness::server::{self, Server};
use harness::{Answer, Event, Request, World};
use serde_json::{Value, json};

/// The function on the emulator, a server that plays the app `bank`, and the product `shop` that uses it as `pay`.
pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) server: Server,
}

/// The app that a server plays.
pub(crate) fn app(server: &Server) -> Value {
    json!({
        "tag": "bank", "name": "Bank",
        "envs": [{"slug": "tst", "base_url": server.url(), "active": true}],
        "actions": [
            {"tag": "get_account", "method": "GET", "resource": "/accounts/:id"},
            {"tag": "create_charge", "method": "POST", "resource": "/charges"},
        ],
    })
}

/// Stores an app, and the product `shop` that uses it as `pay`.
pub(crate) async fn stored(world: &World, app: Value, connection: Value) {
    let mut whole =
        json!({"app": "bank", "access_tag": "pay", "envs": [{"product_env_slug": "dev", "app_env_slug": "tst"}]});
    whole.as_object_mut().unwrap().extend(connection.as_object().unwrap().clone());
    for (path, body) in [
        ("/apps", app),
        ("/products", json!({"tag": "shop", "envs": [{"slug": "dev"}]})),
        ("/products/shop/apps", whole),
    ] {
        let answer = world.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The app as `change` makes it.
    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let world = World::builder().function("ActionFunction", action::function).open().await;
        let server = Server::start(|request| match request.path.as_str() {
            "/accounts/missing" => server::Answer::status(404, json!({"error": "no such account"})),
            "/accounts/refused" => server::Answer::status(401, json!("who are you?")),
            "/accounts/broken" => server::Answer::status(500, json!({"error": "oh"})),
            "/accounts/large" => server::Answer::ok("x".repeat(200 * 1024).into()),
            path => server::Answer::ok(json!({"path": path, "body": request.body})),
        });
        let server = server.await;
        let mut app = app(&server);
        change(&mut app);
        stored(&world, app, json!({})).await;
        Self { world, server }
    }

    /// Runs an action as the administrator.
    pub(crate) async fn run(&self, action: &str, more: Value) -> Answer {
        self.world.pass_time(self.world.post("/actions/run", ask(action, more))).await
    }

    /// Runs an action and returns all that is said of it.
    pub(crate) async fn full(&self, action: &str, more: Value) -> Answer {
        self.world.pass_time(self.world.post("/actions/run?full=true", ask(action, more))).await
    }

    /// Runs an action with an `Idempotency-Key`.
    pub(crate) async fn keyed(&self, key: &str, action: &str, more: Value) -> Answer {
        let token = self.world.token("default", &["RUN_ACTIONS"]).await;
        let request = Request::new("POST", "/actions/run").bearer(&token).header("idempotency-key", key);
        self.world.send(request.json(ask(action, more))).await
    }

    /// Returns what is recorded of the newest run.
    pub(crate) async fn newest(&self) -> Value {
        let list = self.world.get("/actions/runs?limit(1)").await.body;
        let id = list["data"][0]["run_id"].as_str().unwrap().to_owned();
        self.world.get(&format!("/actions/runs/{id}")).await.body
    }

    /// Delivers the command of a step; the error is what Lambda would see.
    pub(crate) async fn deliver(&self, step: &str, action: &str, more: Value) -> Result<(), String> {
        let command = Event::command("action", step, ask(action, more));
        self.world.pass_time(self.world.deliver("ActionFunction", &command)).await
    }

    pub(crate) fn calls(&self) -> usize {
        self.server.requests().len()
    }
}

/// What is sent to run an action of the app.
#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
pub(crate) fn ask(action: &str, more: Value) -> Value {
    let mut ask = json!({"env": "dev", "product": "shop", "app": "pay", "action": action});
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask
}
