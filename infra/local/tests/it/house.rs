//! The functions together on one emulator, with something of every kind in a tenant.

use std::collections::BTreeMap;

use harness::{Answer, Request, World};
use serde_json::{Value, json};

/// Opens a world in which every function runs.
pub(crate) async fn open() -> World {
    let world = local::FUNCTIONS.into_iter().fold(World::builder(), |world, (id, build)| world.function(id, build));
    let world = world.variable("SCRIPT_WORKER", env!("CARGO_BIN_EXE_hookyard"));
    world.parameter("BaseUrl", "https://hooks.example.com").parameter("MailFrom", "a@example.com").open().await
}

/// The names of a tenant's records in the paths of routes, by path and parameter.
pub(crate) type Records = BTreeMap<&'static str, String>;

/// One operation of the OpenAPI document.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The method in upper case.
    pub(crate) method: String,
    /// The path as the document has it.
    pub(crate) path: String,
    /// The schema of its JSON body, if it takes one.
    pub(crate) body: Option<Value>,
    /// Whether it needs an access token.
    pub(crate) is_public: bool,
}

/// Routes that anybody may call, or whose bodies are not ours.
const PUBLIC: [&str; 6] = [
    "/webhooks/{channelId}",
    "/unsecured/callback/{id}",
    "/auth/v2/oauth2/tokens",
    "/api/v1/info",
    "/mail/v1/health",
    "/mail/v1/{hash}/open",
];

/// Operations that lead to no record, whoever calls them: they create one, or `test` stands for a text.
const OF_NO_RECORD: [(&str, &str); 3] = [
    ("put", "/assets/public/director/{name}"),
    ("post", "/api/v1/tasks/{id}"),
    // It takes a signature in place of a token.
    ("post", "/auth/v2/oauth1/tokens"),
];

/// Returns every route of every function.
pub(crate) fn routes(document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "delete", "patch"] {
            let Some(operation) = item.get(method) else { continue };
            let body = operation["requestBody"]["content"].get("application/json").map(|json| json["schema"].clone());
            let is_public = PUBLIC.contains(&path.as_str()) || OF_NO_RECORD.contains(&(method, path.as_str()));
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), body, is_public });
        }
    }
    assert!(routes.len() > 40, "{}", routes.len());
    routes
}

/// Follows the references of a schema.
pub(crate) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(place) => resolved(document, document.pointer(place.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// A client of one tenant.
pub(crate) struct Client<'a> {
    pub(crate) world: &'a World,
    pub(crate) token: String,
}

impl<'a> Client<'a> {
    /// A client that may do everything in its tenant.
    pub(crate) async fn of(world: &'a World, tenant: &str) -> Self {
        Self { world, token: world.token(tenant, &["*"]).await }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::new(method, path).bearer(&self.token);
        self.world
            .send(match body {
                Some(body) => request.json(body),
                None => request,
            })
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.send("POST", path, Some(body)).await;
        assert_eq!(answer.status, 200, "POST {path}: {}", answer.body);
        answer.body
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send("GET", path, None).await.body
    }

    /// Creates what runs of actions need, and returns the answer to one.
    async fn furnish_actions(&self) -> Value {
        let envs = json!([{"slug": "prd", "base_url": "https://api.example.com", "active": true}]);
        let auths = json!([{"tag": "key", "setup_type": "api_key", "key_name": "x-key", "in": "header"}]);
        self.post("/apps", json!({"tag": "acme_app", "envs": envs, "auths": auths})).await;
        let call = json!({"tag": "acme_call", "method": "GET", "resource": "/"});
        self.post("/apps/acme_app/actions", call).await;
        self.post("/products", json!({"tag": "acme_product", "envs": [{"slug": "prd"}]})).await;
        let envs = json!([{"product_env_slug": "prd", "app_env_slug": "prd", "auth": [
            {"auth_tag": "key", "data": {"key": "k"}},
        ]}]);
        let connection = json!({"app": "acme_app", "access_tag": "acme_access", "envs": envs});
        self.post("/products/acme_product/apps", connection).await;
        let run = json!({"env": "prd", "product": "acme_product", "app": "acme_access", "action": "none"});
        self.post("/secrets", json!({"key": "ACME_SECRET", "value": "s"})).await;
        let (product, tag) = ("shop", "rates");
        let session = json!({"product": product, "tag": tag, "schema": {"id": "u1"}, "selector": "$Session{id}",
            "expiry": 1, "period": "days"});
        self.post("/sessions", session).await;
        self.post("/caches", json!({"product": product, "tag": tag, "expiry": 60_000})).await;
        let value = json!({"key": "eur", "value": 1});
        assert_eq!(self.send("PUT", "/caches/shop/rates/values", Some(value)).await.status, 200);
        self.send("POST", "/actions/run", Some(run)).await.body
    }

    /// Creates a user, a role, a client, and what comes of its logins: a token that signs and a refresh token.
    async fn furnish_people(&self) -> Records {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
        let new = json!({"email": "ada@example.com", "password": "correct horse"});
        let user = self.post("/users/v1/register", new).await;
        let role = self.post("/users/v1/roles", json!({"name": "r"})).await;
        let client = self.post("/clients", json!({"name": "c"})).await;
        let (id, tenant) = (&client["clientId"], &client["tenantId"]);
        let token_id = format!("{:0>24}", tenant.as_str().unwrap().len());
        let token = json!({
            "token": format!("token of {tenant}"), "tokenSecret": "s", "id": token_id, "tenantId": tenant,
            "applicationId": id, "userId": id, "isUser": false, "applicationStamp": "s", "ownerStamp": "s",
            "creationTimestamp": client["creationTimestamp"],
        });
        self.world.table("SIGNING_TOKENS_TABLE").put(&token).await.unwrap();
        let grant =
            json!({"grant_type": "client_credentials", "client_id": id, "client_secret": client["clientSecret"]});
        self.world.send(Request::new("POST", "/auth/v2/oauth2/tokens").json(grant)).await;
        let logins = self.get("/auth/v2/oauth2/refreshTokens").await;
        Records::from([
            ("/clients/{id}", text(&client, "clientId")),
            ("/users/v1/{id}", text(&user, "id")),
            ("/users/v1/roles/{id}", text(&role, "id")),
            ("/oauth1/tokens/{id}", token_id),
            ("/refreshTokens/{id}", text(&logins["data"][0], "id")),
        ])
    }

    async fn furnish_template(&self) -> String {
        let template = json!({"name": "greeting", "outputs": {"subject": "s", "body": "b"}});
        self.post("/templates/v2", template).await["id"].as_str().unwrap().to_owned()
    }

    async fn furnish_channel(&self) -> Value {
        let credentials = json!({"signingSecret": "s", "botToken": "xoxb-1"});
        let channel = json!({"platform": "slack", "credentials": credentials, "apiUrl": "http://127.0.0.1:9"});
        self.post("/channels", channel).await
    }

    async fn furnish_job(&self) -> Value {
        let schedule = json!({"every": 60_000, "start_at": "2030-01-01T00:00:00Z"});
        let job = json!({"env": "prd", "product_tag": "p", "app": "a", "event": "e", "schedule": schedule});
        self.post("/actions/jobs", job).await
    }

    async fn furnish_subscription(&self) -> Value {
        let service = json!({"name": "s", "version": {"major": 1, "minor": 0, "patch": 0}});
        self.post("/events/v1/subscriptions", json!({"service": service, "event_types": ["thing.happened"]})).await
    }

    /// Creates something of every kind, and returns what the paths of routes call it.
    pub(crate) async fn furnish(&self, code: &str) -> Records {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
        let channel = self.furnish_channel().await;
        self.post("/tasks/v1/functions", json!({"name": "f", "code": code})).await;
        let later = json!({"functionName": "f", "startTimestamp": "2030-01-01T00:00:00Z"});
        let task = self.post("/tasks/v1", later).await;
        let schedule = self.post("/tasks/v1/schedules", json!({"functionName": "f", "cron": "@yearly"})).await;
        let job = self.furnish_job().await;
        let people = self.furnish_people().await;
        let action = json!({"type": "task", "name": "run", "functionName": "f"});
        let dispatcher = json!({"eventType": "thing.happened", "name": "d", "actions": [action]});
        let dispatcher = self.post("/dispatchers/v1", dispatcher).await;
        let event = self.post("/events/v1", json!({"type": "thing.happened", "content": {"n": 1}})).await;
        let subscription = self.furnish_subscription().await;
        let bulk = self.post("/runs/retry", json!({"filter": {}})).await;
        let run = self.furnish_actions().await;
        let asset = Request::new("PUT", "/assets/public/director/acme/own.js").bearer(&self.token).body(code);
        assert_eq!(self.world.send(asset).await.status, 200);
        let periodic = json!({"id": "slack-acme1", "script": "/assets/public/director/acme/own.js", "config": {},
            "interval": 60_000});
        self.post("/api/v1/tasks", periodic).await;
        self.get("/tasks/v1/api/f").await;
        let requests = self.get("/tasks/v1/apiRequests").await;
        self.world.idle().await;
        let records = Records::from([
            ("/channels/{channelId}", text(&channel, "channelId")),
            ("/tasks/v1/functions/{name}", "f".to_owned()),
            ("/versions/{version}", "1".to_owned()),
            ("/tasks/v1/api/{name}", "f".to_owned()),
            ("/{path}", "a/b".to_owned()),
            ("/tasks/v1/apiRequests/{id}", text(&requests["data"][0], "id")),
            ("/tasks/v1/{id}", text(&task, "id")),
            ("/tasks/v1/schedules/{id}", text(&schedule, "id")),
            ("/actions/jobs/{id}", text(&job, "job_id")),
            ("/callbacks/{id}", text(&self.post("/callbacks", json!({})).await, "id")),
            ("/dispatchers/v1/{id}", text(&dispatcher, "id")),
            ("/actions/{actionId}", text(&dispatcher["actions"][0], "id")),
            ("/events/v1/subscriptions/{id}", text(&subscription, "id")),
            ("/runs/{eventId}", text(&event, "id")),
            ("/{dispatcherId}", text(&dispatcher, "id")),
            ("/events/v1/{id}", text(&event, "id")),
            ("/runs/retries/{id}", text(&bulk, "id")),
            ("/templates/v2/{idOrName}", self.furnish_template().await),
            ("/actions/runs/{id}", text(&run, "run_id")),
            ("/credentials/{env}/{auth_tag}", "prd/key".to_owned()),
            ("/health/{env}", "prd".to_owned()),
            ("/secrets/{key}", "ACME_SECRET".to_owned()),
            ("/assets/public/director/{name}", "acme/own.js".to_owned()),
            ("/api/v1/tasks/{id}", "slack-acme1".to_owned()),
            ("/status/{action}", "switch".to_owned()),
            ("/sessions/{product}/{tag}", "shop/rates".to_owned()),
            ("/caches/{product}/{tag}", "shop/rates".to_owned()),
            ("/values/{key}", "eur".to_owned()),
            ("/apps/{tag}", "acme_app".to_owned()),
            ("/actions/{action}", "acme_call".to_owned()),
            ("/products/{tag}", "acme_product".to_owned()),
            ("/apps/{access_tag}", "acme_access".to_owned()),
        ]);
        records.into_iter().chain(people).collect()
    }
}

/// Fills in the parameters of a path.
pub(crate) fn filled(path: &str, records: &Records) -> String {
    let mut path = path.to_owned();
    for (place, id) in records {
        let (before, _) = place.split_once('{').unwrap();
        path = path.replace(place, &format!("{before}{id}"));
    }
    assert!(!path.contains('{'), "{path}: nothing is known of this parameter");
    path
}

/// Returns a body that a route takes, as far as it must have one.
pub(crate) fn valid_body(route: &Route) -> Option<Value> {
    route.body.as_ref()?;
    Some(match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/channels") => json!({"platform": "unsigned", "unsigned": true}),
        ("PUT", "/channels/{channelId}") => json!({"name": "renamed"}),
        ("POST", "/channels/{channelId}/send") => json!({"to": "C1", "content": "hello"}),
        ("POST", "/channels/{channelId}/validate") => json!({"credentials": {"signingSecret": "s"}}),
        ("POST", "/tasks/v1") => json!({"functionName": "f"}),
        ("POST", "/tasks/v1/functions") => json!({"name": "g", "code": "exports.main = () => 1"}),
        ("PUT", "/tasks/v1/functions/{name}") => json!({"description": "changed"}),
        ("POST", "/tasks/v1/functions/{name}/rollback") => json!({"version": 1}),
        ("POST", "/tasks/v1/schedules" | "/tasks/v1/schedules/next") => json!({"functionName": "f", "interval": 60}),
        ("PUT", "/tasks/v1/schedules/{id}") => json!({"priority": 1}),
        ("POST", "/actions/jobs") => json!({"env": "prd", "product_tag": "p", "app": "a", "event": "e"}),
        ("PUT", "/actions/jobs/{id}") => json!({"retries": 1}),
        ("POST", "/api/v1/tasks") | ("PUT", "/api/v1/tasks/{id}") => {
            json!({"script": "https://a.test/a.js", "config": {}, "interval": 60_000})
        }
        ("POST", "/clients") => json!({"name": "c"}),
        ("PUT", "/clients/{id}" | "/users/v1/roles/{id}") => json!({"name": "renamed"}),
        ("POST", "/users/v1/roles") => json!({"name": "n"}),
        ("POST", "/users/v1/register") => json!({"email": "bob@example.com", "password": "correct horse"}),
        ("POST", "/users/v1/authenticate") => json!({"email": "bob@example.com", "password": "correct horse"}),
        ("POST", "/users/v1/confirm_password") => json!({"password": "correct horse"}),
        ("PUT", "/users/v1/password") => json!({"old_password": "correct horse", "new_password": "battery staple"}),
        ("PUT", "/users/v1/{id}/password") => json!({"password": "battery staple"}),
        ("PUT", "/users/v1/{id}/email") => json!({"email": "eve@example.com"}),
        ("POST", "/users/v1/roles/add_permissions" | "/users/v1/roles/remove_permissions") => {
            json!({"permissions": []})
        }
        ("POST", "/users/v1/add_roles" | "/users/v1/remove_roles") => json!({"roles": []}),
        ("POST", "/dispatchers/v1") => {
            json!({"eventType": "a.b", "actions": [{"type": "http", "url": "https://a.test"}]})
        }
        ("PUT", "/dispatchers/v1/{id}") => json!({"description": "changed"}),
        ("POST", "/dispatchers/v1/{id}/actions") => json!({"type": "http", "url": "https://a.test"}),
        ("PUT", "/dispatchers/v1/{id}/actions/{actionId}") => json!({"functionName": "g"}),
        ("POST", "/dispatchers/v1/{id}/explain") => json!({"type": "thing.happened"}),
        ("POST", "/sessions/{product}/{tag}/start") => json!({"env": "dev", "data": {"id": "u1"}}),
        ("PUT", "/caches/{product}/{tag}/values") => json!({"key": "usd", "value": 1}),
        ("POST", "/actions/run") => json!({"env": "prd", "product": "own", "app": "own", "action": "own"}),
        ("POST", "/secrets") => json!({"key": "OWN", "value": "s"}),
        ("PUT", "/secrets/{key}") => json!({"description": "changed"}),
        ("PUT", "/products/{tag}/apps/{access_tag}/credentials/{env}/{auth_tag}") => json!({"data": {"key": "k"}}),
        ("POST", "/apps") => json!({"tag": "own"}),
        ("PUT", "/apps/{tag}" | "/apps/{tag}/actions/{action}" | "/products/{tag}") => json!({"name": "renamed"}),
        ("POST", "/apps/{tag}/actions") => json!({"tag": "own", "method": "GET", "resource": "/"}),
        ("POST", "/products") => json!({"tag": "own", "envs": [{"slug": "dev"}]}),
        ("POST", "/products/{tag}/apps") => json!({"app": "acme_app"}),
        ("PUT", "/products/{tag}/apps/{access_tag}") => json!({"fallbacks": []}),
        ("POST", "/templates/v2") => json!({"name": "own", "outputs": {"a": "b"}}),
        ("PUT", "/templates/v2/{idOrName}") => json!({"description": "changed"}),
        ("POST", "/mail/v1") => json!({"subject": "s", "body": "b", "recipients": {"to": ["a@example.com"]}}),
        ("POST", "/runs/retry") => json!({"filter": {}}),
        ("POST", "/events/v1") => json!({"type": "other.thing"}),
        ("POST", "/events/v1/subscriptions") => {
            let service = json!({"name": "s", "version": {"major": 1, "minor": 0, "patch": 0}});
            json!({"service": service, "event_types": ["other.thing"]})
        }
        _ => json!({}),
    })
}
