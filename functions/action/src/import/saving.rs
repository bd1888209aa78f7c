//! Saves what was imported: all of it in the end, whoever is interrupted or comes at the same time.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use shared::Error;
use shared::event::TenantId;

use super::{Imported, Kind};
use crate::app::{Action, App};
use crate::services::Services;
use crate::store::app::{ActionChange, Addition, Lease};
use crate::store::catalog::Stored;
use crate::tag::Tag;

/// For how long another document cannot be imported into the same app, unless an import ends before.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// How often what has changed meanwhile is read again.
const ATTEMPTS: usize = 10;

/// What an import did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Report {
    /// The tag of the app.
    pub(crate) tag: Tag,
    /// What the document is.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// Whether the app is new.
    pub(crate) created: bool,
    /// What became of the actions.
    pub(crate) actions: Counts,
    /// What could not be taken over.
    pub(crate) warnings: Vec<String>,
}

/// How many actions an import wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Counts {
    /// New ones.
    pub(crate) created: usize,
    /// Others than before.
    pub(crate) updated: usize,
    /// Those that were there already.
    pub(crate) unchanged: usize,
    /// Those of the app that the document does not have; they stay.
    pub(crate) kept: usize,
}

/// Why an import was not saved.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The app exists, and may not be changed.
    Exists,
    /// Another document is being imported into it.
    Busy,
    /// Actions could not be added.
    Actions(Addition),
    /// The app as it would be breaks a rule.
    Broken(shared::json::Problem),
}

/// Saves an app and its actions.
///
/// The same document, sent again after an interruption or twice at once, continues the import. Another one has to wait
/// until the import has ended or was given up.
pub(crate) async fn save(
    services: &Services,
    tenant: &TenantId,
    imported: Imported,
    update_if_exists: bool,
) -> Result<Result<Report, Refused>, Error> {
    let Imported { kind, app, actions, mut warnings } = imported;
    let digest = digest(&app, &actions);
    let now = services.clock.now();
    let lease = Lease { digest, until: now + LEASE };
    let created = match services.apps.begin_import(tenant, &app, &lease, now, update_if_exists).await? {
        crate::store::app::Begun::Created => true,
        crate::store::app::Begun::Joined { created } => created,
        crate::store::app::Begun::Exists => return Ok(Err(Refused::Exists)),
        crate::store::app::Begun::Busy => return Ok(Err(Refused::Busy)),
    };
    if let Err(refused) = update(services, tenant, &app).await? {
        services.apps.end_import(tenant, &app.tag, &lease.digest).await?;
        return Ok(Err(refused));
    }
    let counts = match write(services, tenant, &app.tag, &actions).await? {
        Ok(counts) => counts,
        Err(refused) => {
            services.apps.end_import(tenant, &app.tag, &lease.digest).await?;
            return Ok(Err(refused));
        }
    };
    services.apps.end_import(tenant, &app.tag, &lease.digest).await?;
    if counts.kept > 0 {
        warnings.push(format!("{} actions of the app are not in the document; they stay as they are", counts.kept));
    }
    Ok(Ok(Report { tag: app.tag, kind, created, actions: counts, warnings }))
}

fn digest(app: &App, actions: &[Action]) -> String {
    let text = serde_json::to_vec(&(app, actions)).unwrap_or_default();
    Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Brings the app to what the document says; parts that it does not name stay.
async fn update(services: &Services, tenant: &TenantId, app: &App) -> Result<Result<(), Refused>, Error> {
    for _ in 0..ATTEMPTS {
        let Some(former) = services.apps.find(tenant, &app.tag).await? else {
            return Ok(Err(Refused::Actions(Addition::UnknownApp)));
        };
        let next = joined(&former.value, app);
        if next == former.value {
            return Ok(Ok(()));
        }
        if let Err(problem) = crate::app::rules::check(&next) {
            return Ok(Err(Refused::Broken(problem)));
        }
        if services.apps.replace(tenant, &former, &next).await? {
            return Ok(Ok(()));
        }
    }
    Ok(Err(Refused::Busy))
}

fn joined(former: &App, app: &App) -> App {
    let mut next = former.clone();
    next.name.clone_from(&app.name);
    if !app.description.is_empty() {
        next.description.clone_from(&app.description);
    }
    join(&mut next.envs, &app.envs, |env| env.slug.as_str());
    join(&mut next.auths, &app.auths, |auth| auth.tag.as_str());
    join(&mut next.constants, &app.constants, |constant| constant.key.as_str());
    join(&mut next.variables, &app.variables, |variable| variable.key.as_str());
    next
}

/// Replaces the parts of the same name, and adds the others.
fn join<T: Clone>(parts: &mut Vec<T>, others: &[T], name: impl Fn(&T) -> &str) {
    for other in others {
        match parts.iter_mut().find(|part| name(part) == name(other)) {
            Some(part) => part.clone_from(other),
            None => parts.push(other.clone()),
        }
    }
}

/// Keeps the name and the description of an action where the document has none.
fn described(action: &Action, former: Option<&Action>) -> Action {
    let mut action = action.clone();
    if action.name.is_empty() {
        action.name = former.map_or_else(|| action.tag.to_string(), |former| former.name.clone());
    }
    if let Some(former) = former.filter(|_| action.description.is_empty()) {
        action.description.clone_from(&former.description);
    }
    action
}

/// Writes the actions that are not there as they should be.
async fn write(
    services: &Services,
    tenant: &TenantId,
    app: &Tag,
    actions: &[Action],
) -> Result<Result<Counts, Refused>, Error> {
    let mut total: Option<Counts> = None;
    for _ in 0..ATTEMPTS {
        let mut there: BTreeMap<Tag, Stored<Action>> = BTreeMap::new();
        for stored in services.apps.actions(tenant, app).await? {
            there.insert(stored.value.tag.clone(), stored);
        }
        let (mut counts, mut changes) = (Counts::default(), Vec::<ActionChange>::new());
        for action in actions {
            let former = there.remove(&action.tag);
            let action = described(action, former.as_ref().map(|former| &former.value));
            match &former {
                None => counts.created += 1,
                Some(former) if former.value == action => {
                    counts.unchanged += 1;
                    continue;
                }
                Some(_) => counts.updated += 1,
            }
            changes.push((action, former));
        }
        counts.kept = there.len();
        let counts = *total.get_or_insert(counts);
        match services.apps.write_actions(tenant, app, &changes).await?.1 {
            Addition::Added => return Ok(Ok(counts)),
            // Somebody else was faster with one of them: what is left is found out anew.
            Addition::Exists(_) => {}
            refused => return Ok(Err(Refused::Actions(refused))),
        }
    }
    Ok(Err(Refused::Busy))
}
