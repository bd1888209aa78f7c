//! A year of a schedule, as it really runs and as a naive model says.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::SCHEDULES;
use crate::support::World;

const ZONE: &str = "America/New_York";

/// When a schedule is due.
#[derive(Clone, Debug)]
enum Rule {
    Interval {
        init_s: i64,
        interval_s: i64,
    },
    /// At this local time every day.
    Daily {
        hour: i8,
        minute: i8,
    },
}

#[derive(Clone, Debug)]
enum Step {
    /// Nothing happens for some hours.
    Downtime {
        hours: i64,
        ms: i64,
    },
    /// It is a little before the next instant.
    Before {
        seconds: i64,
    },
    /// The minute schedule comes, once or twice at the same time.
    Minute {
        twice: bool,
    },
    /// Scheduler delivers, once or twice.
    Wake {
        twice: bool,
    },
    /// The process is replaced.
    Restart,
    Stop,
    Start,
    Edit(Rule),
}

/// What is expected of the schedule.
#[derive(Debug)]
struct Model {
    rule: Rule,
    end: Timestamp,
    misfire: &'static str,
    running: bool,
    settled: Timestamp,
    rows: BTreeMap<i64, &'static str>,
    created: Timestamp,
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

impl Model {
    /// All instants after what is settled, as far as anybody will look.
    fn instants(&self) -> Vec<Timestamp> {
        let all: Vec<Timestamp> = match self.rule {
            Rule::Interval { init_s, interval_s } => {
                let init = self.created + seconds(init_s);
                (0..).map(|k| init + seconds(k * interval_s)).take_while(|instant| *instant < self.end).collect()
            }
            Rule::Daily { hour, minute } => {
                let zone = TimeZone::get(ZONE).unwrap();
                let first = self.created.to_zoned(zone.clone()).date();
                let days = (0..).map(|days: i64| first.checked_add(days.days()).unwrap());
                let local = days.map(|day| day.at(hour, minute, 0, 0));
                local.map(|local| instant(&zone, local)).take_while(|instant| *instant < self.end).collect()
            }
        };
        all.into_iter().filter(|instant| *instant > self.settled && *instant >= self.created).collect()
    }

    fn tolerance(&self) -> SignedDuration {
        match self.rule {
            Rule::Interval { interval_s, .. } => seconds(interval_s.clamp(10, 90)),
            Rule::Daily { .. } => seconds(90),
        }
    }

    fn is_woken(&self) -> bool {
        matches!(self.rule, Rule::Interval { interval_s, .. } if interval_s % 60 == 0)
    }

    fn next(&self) -> Option<Timestamp> {
        self.instants().first().copied().filter(|_| self.running)
    }

    fn handle(&mut self, now: Timestamp) {
        if !self.running {
            return;
        }
        let come: Vec<Timestamp> = self.instants().into_iter().filter(|instant| *instant <= now).collect();
        let late = come.iter().filter(|instant| now.duration_since(**instant) > self.tolerance()).count();
        let fires = match self.misfire {
            "skip" => 0,
            "once" => 1,
            _ => 100,
        };
        for (index, instant) in come.iter().enumerate() {
            let is_missed = index < late && index + fires < late;
            self.rows.insert(instant.as_millisecond(), if is_missed { "missed" } else { "fired" });
            self.settled = *instant;
        }
    }

    /// When the minute schedule looks at it.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.next().map(|next| if self.is_woken() { next + seconds(120) } else { next });
        let end = (self.end > now || next.is_none()).then_some(self.end);
        next.into_iter().chain(end).min()
    }

    fn minute(&mut self, now: Timestamp) {
        let until = now + seconds(65);
        let mut now = now;
        while let Some(due) = self.due(now).filter(|due| *due <= until) {
            now = now.max(due);
            self.handle(now);
            if self.is_woken() || now >= self.end {
                break;
            }
        }
    }

    fn wake(&mut self, now: Timestamp) {
        let until = now + seconds(5);
        self.handle(now);
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.handle(next);
        }
    }
}

/// The instant of a local time: the first moment after it if the clocks skip it, the earlier one if they repeat it.
fn instant(zone: &TimeZone, local: DateTime) -> Timestamp {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => {
            let before = zone.to_timestamp(local.checked_sub(12.hours()).unwrap()).unwrap();
            zone.following(before).next().unwrap().timestamp()
        }
        _ => ambiguous.earlier().unwrap(),
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let interval = prop_oneof![(180_i64..20_000).prop_map(|minutes| minutes * 60), 10_801_i64..1_000_000];
    prop_oneof![
        2 => (-100_000_i64..2_000_000, interval).prop_map(|(init_s, interval_s)| Rule::Interval { init_s, interval_s }),
        1 => (0_i8..4, 0_i8..60).prop_map(|(hour, minute)| Rule::Daily { hour, minute }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_i64..700, 0_i64..3_600_000).prop_map(|(hours, ms)| Step::Downtime { hours, ms }),
        6 => (0_i64..130).prop_map(|seconds| Step::Before { seconds }),
        6 => any::<bool>().prop_map(|twice| Step::Minute { twice }),
        3 => any::<bool>().prop_map(|twice| Step::Wake { twice }),
        1 => Just(Step::Restart),
        1 => Just(Step::Stop),
        2 => Just(Step::Start),
        1 => rule().prop_map(Step::Edit),
    ]
}

fn fields(model: &Model) -> Value {
    match model.rule {
        Rule::Interval { init_s, interval_s } => json!({
            "interval": interval_s, "startTimestamp": (model.created + seconds(init_s)).as_millisecond(),
        }),
        Rule::Daily { hour, minute } => json!({
            "cron": format!("{minute} {hour} * * *"), "timezone": ZONE, "startTimestamp": model.created.as_millisecond(),
        }),
    }
}

async fn play(world: &World, model: &mut Model, due: &Value, path: &str, step: &Step) {
    let now = world.clock.now();
    let minute = json!({"sweep": "schedules"});
    match step {
        Step::Downtime { hours, ms } => {
            world.clock.set(now + seconds(hours * 3_600) + SignedDuration::from_millis(*ms));
        }
        Step::Before { seconds: before } => {
            let next = model.instants().first().copied().unwrap_or(model.end);
            world.clock.set(now.max(next - seconds(*before)));
        }
        Step::Minute { twice } => {
            let another = world.another();
            let work = async {
                match twice {
                    true => drop(tokio::join!(world.invoke(minute.clone()), another.invoke(minute.clone()))),
                    false => drop(world.invoke(minute.clone()).await),
                }
            };
            world.pass_time(work).await;
            model.minute(now);
        }
        Step::Wake { twice } => {
            for _ in 0..if *twice { 2 } else { 1 } {
                let woken = world.clock.now();
                world.pass_time(world.invoke(due.clone())).await.unwrap();
                model.wake(woken);
            }
        }
        Step::Restart => world.restart(),
        Step::Stop | Step::Start => {
            let action = if matches!(step, Step::Stop) { "stop" } else { "start" };
            world.post(&format!("{path}/{action}"), json!({})).await;
            model.handle(now);
            model.settled = model.settled.max(now);
            model.running = action == "start";
        }
        Step::Edit(rule) => {
            let mut edited = Model { rule: rule.clone(), rows: BTreeMap::new(), ..*model };
            if world.put(path, fields(&edited)).await.status == 200 {
                model.handle(now);
                std::mem::swap(&mut model.rule, &mut edited.rule);
                model.settled = model.settled.max(now);
            }
        }
    }
}

async fn a_year(misfire: &'static str, rule: Rule, end_day: i64, steps: Vec<Step>) {
    let world = World::for_years().await;
    world.function().await;
    let created = world.clock.now();
    let end = created + seconds(end_day * 86_400 + 7);
    let rows = BTreeMap::new();
    let mut model = Model { rule, end, misfire, running: true, settled: created, rows, created };
    let mut body = fields(&model);
    for (name, value) in [
        ("endTimestamp", json!(end.as_millisecond())),
        ("misfirePolicy", json!(misfire)),
        ("overlapPolicy", json!("allow")),
    ] {
        body[name] = value;
    }
    let schedule = world.schedule(body).await;
    let record = world.items("SCHEDULES_TABLE").await.remove(0);
    let due = json!({"tenantId": "default", "scheduleId": schedule["id"], "incarnation": record["incarnation"]});
    let path = format!("{SCHEDULES}/{}", schedule["id"].as_str().unwrap());
    for step in &steps {
        if world.clock.now() >= end {
            break;
        }
        play(&world, &mut model, &due, &path, step).await;
    }
    let found = world.items("SCHEDULE_HISTORY_TABLE").await;
    let found: BTreeMap<i64, &str> =
        found.iter().map(|row| (row["instant"].as_i64().unwrap(), row["outcome"].as_str().unwrap())).collect();
    let wrong: Vec<_> = model.rows.iter().filter(|(instant, outcome)| found.get(instant) != Some(outcome)).collect();
    assert_eq!((wrong, found.len()), (Vec::new(), model.rows.len()), "{misfire} {steps:?}");
    let fired = model.rows.iter().filter(|(_, outcome)| **outcome == "fired");
    let fired: Vec<String> = fired.map(|(ms, _)| format!("{:.3}", Timestamp::from_millisecond(*ms).unwrap())).collect();
    assert_eq!(world.started().await, fired, "{steps:?}");
    let mut started: Vec<Value> = world.heard("task.due").iter().map(|due| due["taskId"].clone()).collect();
    started.sort_by_key(ToString::to_string);
    started.dedup();
    assert_eq!(started.len(), fired.len());
}

#[test]
fn a_year_fires_exactly_what_a_naive_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 12, max_shrink_iters: 10, failure_persistence: None, ..Config::default() });
    let misfire = prop_oneof![Just("skip"), Just("once"), Just("all")];
    let steps = proptest::collection::vec(step(), 20..45);
    let years = (misfire, rule(), 30_i64..420, steps);
    runner
        .run(&years, |(misfire, rule, end_day, steps)| {
            runtime.block_on(a_year(misfire, rule, end_day, steps));
            Ok(())
        })
        .unwrap();
}
