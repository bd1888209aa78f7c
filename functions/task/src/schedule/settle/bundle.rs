//! Writes what several passes have planned in one transaction.
//!
//! A plan holds only if nobody else has settled one of its instants. The passes of which that is not so fall back to
//! settling one instant after the other, and the rest of the transaction is done without them.

use std::collections::{BTreeSet, VecDeque};

use futures::{StreamExt as _, stream};
use shared::Error;

use super::at_once;
use super::pass::{Pass, Plan};

/// The most writes of one transaction, as `DynamoDB` limits them.
pub(super) const WRITES: usize = 100;
/// The most bytes of one transaction, which `DynamoDB` limits to 4 MB.
pub(super) const BYTES: usize = 3_500_000;
/// How many transactions are under way at once.
const CONCURRENT_BUNDLES: usize = 4;

/// Settles all that the passes have to do.
pub(super) async fn claim(passes: Vec<Pass<'_>>) -> Vec<Result<Pass<'_>, Error>> {
    let mut results = Vec::with_capacity(passes.len());
    let mut open = passes;
    while !open.is_empty() {
        let (done, busy): (Vec<Pass<'_>>, Vec<Pass<'_>>) = open.into_iter().partition(Pass::has_nothing_to_do);
        results.extend(done.into_iter().map(Ok));
        let bundles: Vec<_> = bundled(busy, Pass::room).into_iter().map(claim_bundle).collect();
        let claimed: Vec<_> = stream::iter(bundles).buffer_unordered(CONCURRENT_BUNDLES).collect().await;
        open = Vec::new();
        for result in claimed.into_iter().flatten() {
            match result {
                Ok(pass) => open.push(pass),
                Err(error) => results.push(Err(error)),
            }
        }
    }
    results
}

/// Puts what fits into one transaction together: `room` says how many writes and bytes something takes.
pub(super) fn bundled<T>(items: impl IntoIterator<Item = T>, room: impl Fn(&T) -> (usize, usize)) -> Vec<Vec<T>> {
    let (mut bundles, mut left) = (Vec::<Vec<T>>::new(), (0, 0));
    for item in items {
        let (writes, bytes) = room(&item);
        match bundles.last_mut() {
            Some(bundle) if writes <= left.0 && bytes <= left.1 => {
                bundle.push(item);
                left = (left.0 - writes, left.1 - bytes);
            }
            _ => {
                bundles.push(vec![item]);
                left = (WRITES.saturating_sub(writes), BYTES.saturating_sub(bytes));
            }
        }
    }
    bundles
}

async fn claim_bundle(passes: Vec<Pass<'_>>) -> Vec<Result<Pass<'_>, Error>> {
    let (mut results, mut planned) = (Vec::new(), Vec::new());
    for pass in passes {
        match pass.plan().await {
            Ok(plan) => planned.push((pass, plan)),
            Err(error) => results.push(Err(error)),
        }
    }
    let mut by_themselves = Vec::new();
    while !planned.is_empty() {
        match write(&planned).await {
            Ok(unmet) if unmet.is_empty() => {
                for (mut pass, plan) in std::mem::take(&mut planned) {
                    pass.accept(plan);
                    results.push(Ok(pass));
                }
            }
            Ok(unmet) => {
                let mut index = 0..;
                let is_met = |_: &(Pass<'_>, Plan)| index.next().is_some_and(|index| !unmet.contains(&index));
                let (met, others): (Vec<_>, Vec<_>) = planned.into_iter().partition(is_met);
                by_themselves.extend(others);
                planned = met;
            }
            Err(error) if planned.len() == 1 && planned[0].1.len() == 1 => {
                results.push(Err(error));
                planned.clear();
            }
            // One of them may be what fails, such as by a collision with somebody else's transaction.
            Err(_) => by_themselves.extend(std::mem::take(&mut planned)),
        }
    }
    let by_themselves = by_themselves.into_iter().map(|(pass, plan)| pass.claim_singly(plan.len()));
    results.extend(at_once(by_themselves.collect()).await);
    results
}

/// Writes plans in one transaction; returns of which of them something is there already.
async fn write(planned: &[(Pass<'_>, Plan)]) -> Result<BTreeSet<usize>, Error> {
    let Some((first, _)) = planned.first() else { return Ok(BTreeSet::new()) };
    let (mut writes, mut owners) = (Vec::new(), VecDeque::new());
    for (index, (pass, plan)) in planned.iter().enumerate() {
        for write in pass.writes(plan)? {
            writes.push(write);
            owners.push_back(index);
        }
    }
    let unmet = first.services.history.transact_all(writes).await?;
    Ok(unmet.into_iter().filter_map(|index| owners.get(index).copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_keeps_to_both_limits() {
        let check = |items: &[(usize, usize)], expected: &[usize]| {
            let sizes: Vec<usize> = bundled(items.to_vec(), |item| *item).iter().map(Vec::len).collect();
            assert_eq!(sizes, expected, "{items:?}");
        };
        check(&[], &[]);
        check(&[(2, 10); 50], &[50]);
        check(&[(2, 10); 51], &[50, 1]);
        check(&[(100, 1), (2, 1), (99, 1)], &[1, 1, 1]);
        check(&[(2, BYTES / 2), (2, BYTES / 2), (2, 2)], &[2, 1]);
        check(&[(2, BYTES * 2), (2, 1)], &[1, 1]);
    }
}
