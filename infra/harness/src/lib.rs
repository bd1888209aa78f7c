//! For tests only: the functions on the emulator, and the world around them.
//!
//! A [`World`] runs the functions that a test names on the real emulator with the real template: in memory or on a
//! directory, at a fixed time, with ids from a seed. Nothing sleeps and nothing is mocked: a [`Request`] and an
//! [`Event`] enter as AWS hands them to Lambda, what is published is read from the bus, records are read from their
//! tables, and faults are those of the emulator ([`World::emulator`] has `throttle`, `lose_reply`, `fail_entries`,
//! `deliver_twice`, `crash_before`, `crash_after`). The outside world is a [`server::Server`] on loopback; the chat
//! platforms are played by [`platform`], an API that actions call by [`app`], a mail server by [`smtp`]; [`World::stand_in`] takes the deliveries of functions that do not run. A new
//! process is [`World::restart`] (all functions), [`World::another`] (one more) or [`World::reopen`] (after `kill -9`).
//!
//! ```
//! use harness::server::{Answer, Server};
//! use harness::{Event, Request, World};
//! use serde_json::json;
//! # fn echo(environment: &shared::Environment) -> Result<shared::Function, shared::Error> {
//! #     let (bus, outbound) = (environment.bus()?, environment.outbound()?);
//! #     let _ = (bus, outbound);
//! #     let router = axum::Router::new().fallback(|| async { axum::Json(json!({"data": []})) });
//! #     Ok(shared::Function::new(environment.seal()?, (router, Default::default()), |_| async { Ok(()) }))
//! # }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! // In a function's own tests this is `task::function`, as `infra/local` starts it.
//! let world = World::builder().function("TaskFunction", echo).open().await;
//!
//! // A request is routed by the template; `get`, `post`, `put` and `delete` send an administrator's token.
//! let answer = world.get("/tasks/v1/").await;
//! assert_eq!((answer.status, &answer.body), (200, &json!({"data": []})));
//! let token = world.token("default", &["VIEW_TASKS"]).await;
//! let request = Request::new("POST", "/tasks/v1/?limit(5)").bearer(&token).json(json!({"functionName": "greet"}));
//! assert_eq!(world.send(request).await.status, 200);
//!
//! // The outside world: it answers as the closure or the next scripted answer says, and records its requests.
//! let server = Server::start(|_| Answer::ok(json!({"ok": true}))).await;
//! server.answer_next(Answer::status(503, json!("try later")));
//! assert_eq!(server.requests().len(), 0);
//!
//! // A command travels over the bus, or is handed to the function by hand: again, or at once.
//! let command = Event::command("task", "greet", json!({"functionName": "greet", "url": server.url()}));
//! world.publish(&command).await;
//! world.deliver("TaskFunction", &command).await.unwrap();
//! let (one, two) = tokio::join!(world.deliver("TaskFunction", &command), world.deliver("TaskFunction", &command));
//! assert!(one.is_ok() && two.is_ok());
//!
//! // What was published, including the answers to commands, and the items of the tables.
//! assert_eq!(world.published("task.requested")[0]["content"]["step"], "greet");
//! assert_eq!(world.answer("greet"), None);
//! assert_eq!(world.items("TASKS_TABLE").await.len(), 0);
//!
//! // Time moves when a test moves it; a process can crash at any AWS call, and a new one goes on.
//! world.advance(60).await;
//! world.emulator.crash_before("dynamodb.PutItem", 1);
//! # });
//! ```

#![expect(clippy::needless_pass_by_value, reason = "tests write values in place")]

pub mod app;
mod event;
pub mod platform;
mod process;
mod request;
pub mod server;
pub mod smtp;
pub mod steps;
mod wait;
mod world;

pub use event::{Event, NOW, TENANT};
pub use process::{Constructor, StandIn};
pub use request::{Answer, Request};
pub use wait::until;
pub use world::{Builder, World};
