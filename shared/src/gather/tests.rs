use futures::future::join_all;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;

/// The part whose request panics.
const PANICS: u32 = 1_030;

/// Doubles numbers, ten in a request, of which no two may be the same and whose sum is a hundred at most.
struct Doubling {
    sent: Mutex<Vec<Vec<u32>>>,
    gate: Semaphore,
}

impl Doubling {
    fn new(open: usize) -> Gatherer<Self> {
        Gatherer::new(Self { sent: Mutex::default(), gate: Semaphore::new(open) })
    }
}

impl Requests for Doubling {
    type Part = u32;
    type Answer = u32;
    type Lane = bool;

    const LIMIT: usize = 10;
    const LIMIT_BYTES: usize = 100;

    fn lane(part: &u32) -> bool {
        *part >= 1_000
    }

    fn size_bytes(part: &u32) -> usize {
        *part as usize % 1_000
    }

    fn clash(one: &u32, other: &u32) -> bool {
        one == other
    }

    async fn send(&self, parts: Vec<u32>) -> Vec<u32> {
        self.sent.lock().unwrap().push(parts.clone());
        self.gate.acquire().await.unwrap().forget();
        assert!(!parts.contains(&PANICS), "as it was told");
        parts.iter().map(|part| part * 2).collect()
    }
}

fn sent(gatherer: &Gatherer<Doubling>) -> Vec<Vec<u32>> {
    gatherer.0.requests.sent.lock().unwrap().clone()
}

fn ask(gatherer: &Gatherer<Doubling>, part: u32) -> tokio::task::JoinHandle<Option<u32>> {
    let gatherer = gatherer.clone();
    tokio::spawn(async move { gatherer.ask(part).await.ok() })
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_comes_while_requests_are_under_way_goes_out_together() {
    let gatherer = Doubling::new(0);
    let mut asked = vec![ask(&gatherer, 1)];
    settle().await;
    assert_eq!(sent(&gatherer), [[1]], "one alone goes out at once");
    asked.push(ask(&gatherer, 2));
    settle().await;
    asked.extend([3, 4, 5].map(|part| ask(&gatherer, part)));
    settle().await;
    assert_eq!(sent(&gatherer), [[1], [2]]);
    let other = ask(&gatherer, 1_001);
    settle().await;
    assert_eq!(sent(&gatherer).last().unwrap(), &[1_001], "another lane waits for nobody");
    gatherer.0.requests.gate.add_permits(1);
    settle().await;
    assert_eq!(sent(&gatherer).last().unwrap(), &[3, 4, 5]);
    gatherer.0.requests.gate.add_permits(9);
    let answers: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [2, 4, 6, 8, 10].map(Some));
    assert_eq!(other.await.unwrap(), Some(2_002));
    settle().await;
    assert!(gatherer.0.lock().is_empty(), "nothing stays behind");
}

#[tokio::test]
async fn what_one_caller_asks_for_shares_requests() {
    let gatherer = Doubling::new(9);
    let parts: Vec<u32> = (0..14).collect();
    assert_eq!(gatherer.ask_all(parts.clone()).await.unwrap(), parts.iter().map(|part| part * 2).collect::<Vec<_>>());
    assert_eq!(sent(&gatherer), [(0..10).collect::<Vec<_>>(), (10..14).collect()]);
    assert!(gatherer.ask_all(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_panic_reaches_those_who_share_the_request_and_nobody_else() {
    let gatherer = Doubling::new(0);
    let before = [ask(&gatherer, 1_001)];
    settle().await;
    let with = [PANICS, 1_002].map(|part| ask(&gatherer, part));
    settle().await;
    let after = [1_003, 1_004].map(|part| ask(&gatherer, part));
    settle().await;
    gatherer.0.requests.gate.add_permits(9);
    let answers = async |asked: Vec<_>| join_all(asked).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(answers(before.into()).await, [Some(2_002)]);
    assert_eq!(answers(with.into()).await, [None, None]);
    assert_eq!(answers(after.into()).await, [Some(2_006), Some(2_008)]);
    settle().await;
    assert!(gatherer.0.lock().is_empty(), "its place is given back");
}

#[tokio::test]
async fn a_request_whose_callers_have_gone_is_dropped() {
    let gatherer = Doubling::new(0);
    let mut gone = Vec::new();
    for part in [1, 2] {
        gone.push(ask(&gatherer, part));
        settle().await;
    }
    let (waiting, left) = (ask(&gatherer, 3), ask(&gatherer, 4));
    settle().await;
    assert_eq!(sent(&gatherer), [[1], [2]]);
    for task in gone.into_iter().chain([waiting]) {
        task.abort();
    }
    settle().await;
    gatherer.0.requests.gate.add_permits(1);
    assert_eq!(left.await.unwrap(), Some(8), "the one permit was left to it");
    assert!(sent(&gatherer).iter().all(|parts| !parts.contains(&3)));
}

#[test]
fn a_runtime_that_stops_leaves_no_one_waiting() {
    let gatherer = Doubling::new(0);
    let stopped = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asked: Vec<_> = stopped.block_on(async {
        let first = ask(&gatherer, 1);
        settle().await;
        vec![first, ask(&gatherer, 2), ask(&gatherer, 3)]
    });
    drop(stopped);
    drop(asked);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    gatherer.0.requests.gate.add_permits(9);
    assert_eq!(runtime.block_on(gatherer.ask(4)).unwrap(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_keep_to_their_limits_and_everyone_gets_an_answer(
        callers in prop::collection::vec(prop::collection::vec(0u32..130, 0..30), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gatherer = Doubling::new(1_000);
        let answers = runtime.block_on(join_all(callers.iter().map(|parts| gatherer.ask_all(parts.clone()))));
        for (parts, answers) in callers.iter().zip(answers) {
            prop_assert_eq!(answers.unwrap(), parts.iter().map(|part| part * 2).collect::<Vec<_>>());
        }
        let mut all = Vec::new();
        for parts in sent(&gatherer) {
            prop_assert!(!parts.is_empty() && parts.len() <= 10);
            prop_assert!(parts.len() == 1 || parts.iter().sum::<u32>() <= 100, "{:?}", parts);
            let mut different = parts.clone();
            different.sort_unstable();
            different.dedup();
            prop_assert_eq!(different.len(), parts.len(), "{:?}", parts);
            all.extend(parts);
        }
        let mut asked: Vec<u32> = callers.into_iter().flatten().collect();
        all.sort_unstable();
        asked.sort_unstable();
        prop_assert_eq!(all, asked);
    }
}
