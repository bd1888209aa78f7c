//! Who has claimed a piece of work: the part of its record that says so, and how such records are written.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::event::Answer;
use crate::table::{Expression, Table};

/// Who does a piece of work, until when nobody else may, and how it ended: part of the record that the work leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The delivery that does it, as `<process>.<delivery>`.
    pub owner: String,
    /// Until when nobody else may take it over, in milliseconds since 1970.
    pub lease_until_ms: i64,
    /// Whether the outside world may have noticed it.
    pub effect: bool,
    /// How it ended, as JSON text, which nests deeper and has numbers that DynamoDB's do not reach.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text")]
    pub answer: Option<Answer>,
}

/// A record that carries a claim; one without has not begun.
pub trait Claimable: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The name of the table's key.
    const KEY: &'static str;
    /// The attributes that one version of the record may have and the next one may lack, if all of them are known: then its
    /// writes share requests with others.
    const MAY_LACK: Option<&'static [&'static str]> = None;

    /// Returns the key.
    fn id(&self) -> &str;

    /// Returns the claim.
    fn claim(&self) -> Option<&Claim>;

    /// Returns where the claim is kept.
    fn claim_mut(&mut self) -> &mut Option<Claim>;

    /// Ends the work whose outcome nobody knows, as it was interrupted after it had begun to act.
    fn conclude_unknown(&mut self, now: Timestamp);

    /// Adds what else changes in a record that is written already when its work begins to act; `:true` is known.
    fn marked(&self, change: Expression) -> Expression {
        change
    }

    /// Puts the record into the lists, which need not have it before its work has lasted for
    /// [`SHOWN_AFTER`](super::SHOWN_AFTER) or has ended.
    fn show(&mut self) {}

    /// Returns what of the record is written first when its work acts, if that is its first write.
    ///
    /// The rest follows once the work has lasted for [`SHOWN_AFTER`](super::SHOWN_AFTER) or has ended, and is in the
    /// command until then.
    fn first(&self) -> Self {
        self.clone()
    }

    /// Adds what the first write has left out, from the record as its command describes it.
    fn complete(&mut self, _described: Self) {}

    /// Ends the work with an answer, which is part of the claim.
    fn answer_with(&mut self, answer: Answer) {
        if let Some(claim) = self.claim_mut() {
            claim.answer = Some(answer);
        }
    }

    /// Returns how the work ended.
    fn answer(&self) -> Option<&Answer> {
        self.claim()?.answer.as_ref()
    }
}

/// Where the records of a kind of work are kept.
pub trait ClaimStore: Send + Sync {
    /// A record.
    type Record: Claimable;

    /// The table of the records.
    fn table(&self) -> &Table;

    /// Writes a concluded record if a condition on the one that is there holds; returns whether it did.
    fn conclude(
        &self,
        record: &Self::Record,
        condition: Expression,
    ) -> impl Future<Output = Result<bool, Error>> + Send {
        put_if(self.table(), record, condition)
    }
}

/// Writes a record if a condition on the one that is there holds; returns whether it did.
pub async fn put_if<R: Claimable>(table: &Table, record: &R, condition: Expression) -> Result<bool, Error> {
    match R::MAY_LACK {
        Some(may_lack) => table.replace_if(record, may_lack, condition).await,
        None => table.put_if(record, condition).await,
    }
}

/// Tells whether two versions of a record were claimed by the same delivery.
pub(super) fn is_same_owner<R: Claimable>(one: &R, other: &R) -> bool {
    one.claim().map(|claim| &claim.owner) == other.claim().map(|claim| &claim.owner)
}

/// The condition that a record is still the one that its owner has claimed.
pub(super) fn owned<R: Claimable>(record: &R) -> Expression {
    Expression::new("claim.#owner = :owner AND attribute_not_exists(claim.answer)")
        .name("#owner", "owner")
        .value(":owner", record.claim().map(|claim| &claim.owner))
}

/// Keeps an answer as JSON text.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};

    use crate::event::Answer;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(answer: &Option<Answer>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_some(&serde_json::to_string(answer).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Answer>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(de::Error::custom)
    }
}
