use harness::Event;
use serde_json::json;

use crate::support::{FUNCTION, Known, World, plain, request};

#[tokio::test]
async fn another_tenants_callback_is_an_unknown_one() {
    let world = World::new().await;
    let token = async |tenant| world.token(tenant, &["CREATE_CALLBACKS", "VIEW_CALLBACKS"]).await;
    let (acme, globex) = (token("acme").await, token("globex").await);
    let created = world.send("POST", "/callbacks", &acme, "{}").await;
    let Known { id, .. } = Known::of(&created.body);
    let nobodys = "0f8fad5b-d9cb-469f-a165-70867728950e";
    for path in ["/callbacks/ID", "/callbacks/ID/wait"] {
        let look = async |id: &str, token: &str| plain(world.send("GET", &path.replace("ID", id), token, "").await);
        let (status, unknown) = look(nobodys, &globex).await;
        assert_eq!(status, 404);
        let (status, foreign) = look(&id, &globex).await;
        assert_eq!((status, foreign.to_string()), (404, unknown.to_string().replace(nobodys, &id)), "{path}");
        assert_eq!(look(&id, &acme).await.0, 200, "{path}");
    }

    let wait = async |tenant, id: &str| {
        let command = Event::command("callback", "wait", json!({"action": "wait", "id": id})).tenant(tenant);
        world.deliver(FUNCTION, &command).await.unwrap();
        world.answers().await.remove(0)
    };
    assert_eq!(wait("globex", &id).await, wait("globex", nobodys).await);
    assert_eq!(wait("globex", &id).await["error"]["name"], "CallbackUnknown");
    assert_eq!(wait("acme", &id).await["status"], "waiting");
}

#[tokio::test]
async fn the_administrator_names_another_tenant_in_a_header() {
    let world = World::new().await;
    let administrator = world.administrator().await;
    let send = async |method, path: &str, tenant| {
        let request = request(method, path).bearer(&administrator).header("x-tenant-id", tenant).body("{}");
        harness::World::send(&world, request).await
    };
    let created = send("POST", "/callbacks", "acme").await;
    let path = format!("/callbacks/{}", Known::of(&created.body).id);
    assert_eq!(send("GET", &path, "acme").await.status, 200);
    assert_eq!(send("GET", &path, "globex").await.status, 404);
    assert_eq!(world.get(&path).await.status, 404, "`*` alone is no way to another tenant");
    let acme = world.token("acme", &["VIEW_CALLBACKS"]).await;
    assert_eq!(world.send("GET", &path, &acme, "").await.status, 200);
}

#[tokio::test]
async fn what_follows_from_a_callback_stays_in_its_tenant() {
    let world = World::new().await;
    let create = Event::command("callback", "create", json!({"action": "create"})).tenant("acme");
    world.deliver(FUNCTION, &create).await.unwrap();
    let callback = Known::of(&world.answers().await[0]["output"]);
    let wait = Event::command("callback", "wait", json!({"action": "wait", "id": callback.id})).tenant("acme");
    world.deliver(FUNCTION, &wait).await.unwrap();
    world.heard().await;
    assert_eq!(world.call(&callback.path(), "{}").await.0, 200);
    let heard = world.heard().await;
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard.iter().all(|event| event["tenantId"] == "acme"), "{heard:?}");
}
