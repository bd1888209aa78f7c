//! The functions that are served: built from the template's variables, called by the emulator, described together.

use std::collections::BTreeMap;
use std::sync::Arc;

use emulator::Emulator;
use futures::FutureExt as _;
use shared::auth::Tokens;
use shared::aws::Aws;
use shared::clock::{Clock, Ids};
use shared::step::Effects;
use shared::{Environment, Error, Function, SharedKeyRing};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::failure::Failure;

/// The constructor of a function crate.
pub type Constructor = fn(&Environment) -> Result<Function, Error>;

/// The functions by their name in the template.
pub const FUNCTIONS: [(&str, Constructor); 7] = [
    ("WebhookFunction", webhook::function),
    ("DispatcherFunction", dispatcher::function),
    ("TaskFunction", task::function),
    ("ActionFunction", action::function),
    ("CallbackFunction", callback::function),
    ("MailFunction", mail::function),
    ("AuthFunction", auth::function),
];

/// Builds every function from the variables that the template gives it, and from more that only this process has.
pub(crate) fn build(
    emulator: &Emulator,
    variables: &BTreeMap<String, String>,
    effects: &Effects,
) -> Result<BTreeMap<String, Function>, Failure> {
    let one = |(id, constructor): (&str, Constructor)| {
        let function = constructor(&Environment { effects: effects.clone(), ..environment(emulator, id, variables) })
            .map_err(|cause| Failure::start("start the functions", cause))?;
        Ok((id.to_owned(), function))
    };
    FUNCTIONS.into_iter().map(one).collect()
}

/// Builds the check of the access tokens that the functions issue.
pub(crate) fn tokens(emulator: &Emulator) -> Result<Tokens, Failure> {
    let environment = environment(emulator, "AuthFunction", &BTreeMap::new());
    environment.tokens().map_err(|cause| Failure::start("start the check of access tokens", cause))
}

fn environment(emulator: &Emulator, id: &str, variables: &BTreeMap<String, String>) -> Environment {
    let variables = emulator.environment(id).into_iter().chain(variables.clone());
    let (aws, config) = (Aws::new(&emulator.sdk_config()), variables.collect());
    let sleeping = emulator.clock();
    let clock = Clock::system().sleeping(move |at| {
        let clock = sleeping.clone();
        async move { clock.sleep_until(at).await }.boxed()
    });
    let (ids, key_ring) = (Ids::random(), SharedKeyRing::default());
    Environment { aws, config, clock, ids, key_ring, effects: Effects::default() }
}

/// Hands the emulator's deliveries to the functions, as Lambda does.
pub(crate) fn invoker(functions: Arc<BTreeMap<String, Function>>) -> emulator::Invoke {
    Arc::new(move |id, event| {
        let function = functions.get(&*id).cloned();
        async move {
            let function = function.ok_or_else(|| format!("the function {id} does not exist"))?;
            function.handle(&event).await.map_err(|error| error.chain())
        }
        .boxed()
    })
}

/// Merges the functions' descriptions.
pub(crate) fn describe(functions: &BTreeMap<String, Function>) -> OpenApi {
    let mut document = OpenApi::default();
    document.info.title = "Hookyard".to_owned();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.description = Some("Turns webhooks and events into actions.".to_owned());
    for function in functions.values() {
        document.merge(function.openapi().clone());
    }
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme("token", token);
    name_operations(&mut document);
    document
}

/// Names every operation after its method and path, as functions use the same names for their routes.
fn name_operations(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let place = path.replace(['{', '}'], "").replace(['/', '.', '-'], "_");
        let operations = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
            ("head", &mut item.head),
            ("options", &mut item.options),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}{place}"));
            }
        }
    }
}
