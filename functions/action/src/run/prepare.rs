//! The request of a run, from its input: checked, filled in, checked again, decorated and built.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use shared::Error;
use shared::outbound::Request;

use crate::credential::{self, Credentials};
use crate::failure::{Failure, FailureType, Violation};
use crate::input::Input;
use crate::mask::Masks;
use crate::placeholder::{self, References, Sources};
use crate::run::fill;
use crate::run::target::Target;
use crate::services::Services;
use crate::session::Session;
use crate::{declared, request};

/// The header by which a server can tell a repeated request; the same for every attempt at a run.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a run gives an action.
#[derive(Clone, Debug)]
pub(crate) struct Given<'a> {
    /// The input, with placeholders.
    pub(crate) input: Input,
    /// What `$Value{n}` stands for.
    pub(crate) values: &'a [Value],
    /// The session.
    pub(crate) session: Option<&'a Session>,
    /// What `$Input{…}` stands for in the input: nothing, unless it is a fallback's own.
    pub(crate) caller: Option<Value>,
    /// What every attempt has in the header `Idempotency-Key`, if the app looks at it.
    pub(crate) idempotency_key: String,
}

/// Headers and fields of the query.
type Additions = (BTreeMap<String, String>, BTreeMap<String, String>);

/// A request that can be sent.
pub(crate) struct Prepared {
    /// The request.
    pub(crate) request: Request,
    /// What must not be shown of it and of its answer.
    pub(crate) masks: Masks,
    /// What it was made with.
    pub(crate) credentials: Credentials,
}

/// Checks the input as far as that is possible before anything is asked of anybody.
pub(crate) fn check(target: &Target, given: &Given<'_>, is_token_action: bool) -> Result<(Input, References), Failure> {
    let input = declared::checked(&target.action, given.input.clone()).map_err(Failure::violating)?;
    let (headers, query) = if is_token_action { Additions::default() } else { additions(target, &input) };
    let all = json!([input.to_value(), headers, query]);
    let mut references = placeholder::references(&all).map_err(|violation| Failure::violating(vec![violation]))?;
    let auth = target.auth().map(|auth| auth.tag.as_str().to_owned());
    if references.default_auth {
        references.auths.extend(auth);
    }
    Ok((input, references))
}

/// Prepares the request of an action; `own` is the auth whose token it is asked for, with its data.
pub(crate) async fn prepare(
    services: &Services,
    target: &Target,
    given: &Given<'_>,
    own: Option<(&str, &Value)>,
) -> Result<Result<Prepared, Failure>, Error> {
    let (input, references) = match check(target, given, own.is_some()) {
        Ok(checked) => checked,
        Err(failure) => return Ok(Err(failure)),
    };
    let loaded = match own {
        None => credential::load(services, &target.place, &target.app, &references).await?,
        Some(own) => of_token_action(services, target, references, own).await?,
    };
    let credentials = match loaded {
        Ok(credentials) => credentials,
        Err(failure) => return Ok(Err(failure)),
    };
    Ok(built(target, given, &input, own.is_some(), &credentials, services.clock.now()))
}

/// Loads what an action needs that is run for the token of an auth, which has no other auth than that.
async fn of_token_action(
    services: &Services,
    target: &Target,
    mut references: References,
    (tag, data): (&str, &Value),
) -> Result<Result<Credentials, Failure>, Error> {
    references.auths.remove(tag);
    if let Some(other) = references.auths.first() {
        let message = format!("the action that gets the token of `{tag}` cannot use the auth `{other}`");
        return Ok(Err(Failure::new(FailureType::ValidationError, message)));
    }
    references.default_auth = false;
    let loaded = credential::load(services, &target.place, &target.app, &references).await?;
    Ok(loaded.map(|mut credentials| {
        credentials.auths.insert(tag.to_owned(), data.clone());
        credentials
    }))
}

fn built(
    target: &Target,
    given: &Given<'_>,
    input: &Input,
    is_token_action: bool,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Prepared, Failure> {
    let (action, mut sources) = (&target.action, sources(target, given, credentials, now));
    let own = fill::given(action, &given.input, &mut sources).map_err(Failure::violating)?;
    let filled = fill::added(action, (&given.input, own), input, &mut sources).map_err(Failure::violating)?;
    let whole = declared::checked_values(action, filled).map_err(Failure::violating)?;
    let mut input = declared::decorated(action, whole);
    if !is_token_action {
        sources.input = None;
        add_auth(target, &mut input, &sources).map_err(|violation| Failure::violating(vec![violation]))?;
    }
    let built = request::build(target.base_url(), action, target.request_type(), &input);
    let mut request = built.map_err(Failure::violating)?;
    if target.app.idempotency_key && !target.is_idempotent() {
        let key = HeaderValue::from_str(&given.idempotency_key);
        let key = key.map_err(|_| Failure::new(FailureType::ValidationError, "the Idempotency-Key is not a header"))?;
        request.headers.entry(IDEMPOTENCY_KEY).or_insert(key);
    }
    Ok(Prepared { request, masks: Masks::of(credentials), credentials: credentials.clone() })
}

/// What placeholders resolve to in a run.
pub(crate) fn sources(target: &Target, given: &Given<'_>, credentials: &Credentials, now: Timestamp) -> Sources {
    let variables: Map<String, Value> =
        target.settings.variables.iter().map(|known| (known.key.clone(), known.value.clone())).collect();
    let constants: Map<String, Value> =
        target.app.constants.iter().map(|known| (known.key.clone(), known.value.clone())).collect();
    let named = |values: Map<String, Value>| {
        let names = [&target.place.app, &target.place.access_tag];
        names.into_iter().map(|name| (name.as_str().to_owned(), values.clone())).collect::<BTreeMap<_, _>>()
    };
    Sources {
        input: given.caller.clone(),
        values: given.values.to_vec(),
        auths: credentials.auths.clone(),
        default_auth: target.auth().map(|auth| auth.tag.clone()),
        secrets: credentials.secrets.clone(),
        session: given.session.map(|session| (session.tag.clone(), session.data.clone())),
        variables: named(variables),
        constants: named(constants),
        response: None,
        default: None,
        now,
    }
}

/// Returns what the auth of the access tag adds, with placeholders; what the input has already stays as it is.
fn additions(target: &Target, input: &Input) -> Additions {
    let Some(auth) = target.auth() else { return Additions::default() };
    let (mut headers, mut query) = credential::additions(auth);
    headers.retain(|name, _| !input.headers.keys().any(|known| known.eq_ignore_ascii_case(name)));
    query.retain(|name, _| !input.query.contains_key(name));
    (headers, query)
}

/// Adds to an input that is filled in what the auth adds.
fn add_auth(target: &Target, input: &mut Input, sources: &Sources) -> Result<(), Violation> {
    let (headers, query) = additions(target, input);
    for (name, text) in headers {
        input.headers.insert(name, placeholder::resolve(&text.into(), sources)?);
    }
    for (name, text) in query {
        input.query.insert(name, placeholder::resolve(&text.into(), sources)?);
    }
    Ok(())
}
