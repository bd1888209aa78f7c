//! Work that one process after another does: records of which the first write has only a part, and records that appear
//! while somebody looks for them.

use std::sync::atomic::{AtomicUsize, Ordering};

use harness::World;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::Error;
use shared::event::Answer;
use shared::step::{Claim, ClaimStore, Claimable, Claims, Once, Policy, put_if};
use shared::table::{Expression, Table, is_new};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::gather::world;

const POLICY: Policy = Policy { lease: SignedDuration::from_secs(5), acts_at_once: false };

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Work {
    task_id: String,
    input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
}

impl Work {
    fn described() -> Self {
        Self { task_id: "w".to_owned(), input: Some("all of it".to_owned()), claim: None }
    }
}

impl Claimable for Work {
    const KEY: &'static str = "taskId";

    fn id(&self) -> &str {
        &self.task_id
    }

    fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    fn claim_mut(&mut self) -> &mut Option<Claim> {
        &mut self.claim
    }

    fn conclude_unknown(&mut self, _now: Timestamp) {
        self.answer_with(Answer::succeeded("unknown".into()));
    }

    fn first(&self) -> Self {
        Self { input: None, ..self.clone() }
    }

    fn complete(&mut self, described: Self) {
        self.input = described.input;
    }
}

struct Store(Table);

impl ClaimStore for Store {
    type Record = Work;

    fn table(&self) -> &Table {
        &self.0
    }
}

fn process(world: &World) -> Claims<Store> {
    Claims::new(world.environment("TaskFunction"), Store(world.table("TASKS_TABLE")))
}

/// A process marks that it acts, takes that back or not, and is gone.
async fn gone(world: &World, acts: bool) {
    let claims = process(world);
    let work = async |record: Work| {
        let _marked = claims.mark_effect(&record).await?.expect("nobody else works on it");
        if !acts {
            claims.withdraw(&record).await?;
        }
        Err(Error::new("work", "the process is gone"))
    };
    claims.once_unwritten(Work::described(), POLICY, work).await.unwrap_err();
    let written = claims.find("w").await.unwrap().unwrap();
    assert_eq!((written.input, written.claim.unwrap().effect), (None, acts));
    world.clock.advance(SignedDuration::from_secs(6));
}

/// A store whose record appears when its table is asked for the second time.
struct Late(Table, AtomicUsize);

impl ClaimStore for Late {
    type Record = Work;

    fn table(&self) -> &Table {
        if self.1.fetch_add(1, Ordering::Relaxed) == 1 {
            let record = Work { input: None, ..Work::described() };
            let create = put_if(&self.0, &record, is_new(Work::KEY));
            assert!(block_in_place(|| Handle::current().block_on(create)).unwrap());
        }
        &self.0
    }
}

async fn finish(record: Work) -> Result<Work, Error> {
    let mut record = record;
    record.answer_with(Answer::succeeded("done".into()));
    Ok(record)
}

#[tokio::test]
async fn whoever_does_the_work_again_has_all_of_its_record() {
    for (acts, outcome) in [(false, "done"), (true, "unknown")] {
        for begins_later in [false, true] {
            let world = world().await;
            gone(&world, acts).await;
            let next = process(&world);
            let (change, new) =
                (Expression::new("SET begun = :none").value(":none", ()), Expression::new("claim = :none"));
            let once = match begins_later {
                false => next.once_unwritten(Work::described(), POLICY, finish).await,
                true => next.once_begun("w", Some(Work::described()), change, new, POLICY, finish).await,
            };
            let Once::Done(record) = once.unwrap() else { panic!("the work is free") };
            let written = next.find("w").await.unwrap().unwrap();
            assert_eq!(record.input.as_deref(), Some("all of it"), "{acts} {begins_later}");
            assert_eq!((written.input, written.claim.clone()), (record.input, record.claim), "{acts} {begins_later}");
            let answer = written.claim.unwrap().answer.unwrap();
            assert_eq!(answer.output, Some(outcome.into()), "{acts} {begins_later}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_record_appears_while_it_is_to_begin_begins() {
    for (input, is_due) in [(None, true), (Some("another"), false)] {
        let world = world().await;
        let claims =
            Claims::new(world.environment("TaskFunction"), Late(world.table("TASKS_TABLE"), AtomicUsize::new(0)));
        let change = Expression::new("SET begun = :none").value(":none", ());
        let condition = Expression::new("#input = :input").name("#input", "input").value(":input", input);
        match claims.once_begun("w", None, change, condition, POLICY, finish).await.unwrap() {
            Once::Done(record) => assert!(is_due && record.answer().is_some(), "{record:?}"),
            Once::NotDue(record) => assert!(!is_due && record.claim.is_none(), "{record:?}"),
            other => panic!("{other:?}"),
        }
    }
}
