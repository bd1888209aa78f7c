//! Schedules over HTTP, and the tasks that they start.

mod cost;
mod crash;
mod http;
mod model;
mod overlap;
mod time;

use serde_json::{Value, json};

use crate::support::World;

pub(super) const SCHEDULES: &str = "/tasks/v1/schedules";

impl World {
    /// Creates a schedule of the function `f` and returns it.
    async fn schedule(&self, fields: Value) -> Value {
        let mut body = json!({"functionName": "f"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let created = self.post(SCHEDULES, body).await;
        assert_eq!(created.status, 200, "{}", created.body);
        created.body
    }

    /// A function that schedules can name; its tasks only start where they are delivered.
    async fn function(&self) {
        self.script("f", "exports.main = (task) => task.scheduledTimestamp").await;
    }

    /// Runs the minute schedule to its end while the clock moves on.
    async fn minute(&self) {
        self.pass_time(self.invoke(json!({"sweep": "schedules"}))).await.unwrap();
    }

    /// What became of the instants of a schedule, the oldest first, in short.
    async fn history(&self, schedule: &Value) -> Vec<String> {
        let path = format!("{SCHEDULES}/{}/history?limit(50)", schedule["id"].as_str().unwrap());
        let list = self.get(&path).await.body;
        let row = |row: &Value| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let reason = if row["reason"].is_null() { String::new() } else { format!(" {}", text("reason")) };
            let count =
                if row["count"] == 1 { String::new() } else { format!(" {} from {}", row["count"], text("from")) };
            format!("{} {}{reason}{count}", text("timestamp"), text("outcome"))
        };
        list["data"].as_array().unwrap_or_else(|| panic!("{list}")).iter().rev().map(row).collect()
    }

    /// The tasks of schedules, in the order of their instants: the instants.
    async fn started(&self) -> Vec<String> {
        let tasks = self.items("TASKS_TABLE").await;
        let instant = |task: &Value| Some(task["schedule"]["instant"].as_str()?.to_owned());
        let mut instants: Vec<String> = tasks.iter().filter_map(instant).collect();
        instants.sort();
        instants
    }
}
