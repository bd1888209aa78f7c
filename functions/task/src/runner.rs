//! Runs the scripts of functions with what they may use: the API through a token, and events and tasks through calls.

pub(crate) mod credentials;
pub(crate) mod emitter;
pub(crate) mod share;

use std::collections::BTreeMap;

use shared::clock::Clock;
use shared::{Environment, Error};

use crate::runner::credentials::Credentials;
use crate::runner::emitter::{Emitter, Origin};
use crate::sandbox::{BeforeEffect, Log, Place, Report, Sandbox, Script};
use crate::store::function::Function;

/// Runs scripts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Runner {
    sandbox: Sandbox,
    emitter: Emitter,
    credentials: Credentials,
}

impl Runner {
    pub(crate) fn new(environment: &Environment, sandbox: Sandbox, emitter: Emitter) -> Result<Self, Error> {
        Ok(Self { sandbox, emitter, credentials: Credentials::new(environment)? })
    }

    /// Runs a script again from its journal, without any token; see [`Sandbox::replay`].
    ///
    /// # Errors
    ///
    /// As those of [`Sandbox::replay`].
    pub(crate) async fn replay(&self, mut script: Script, had_token: bool, clock: &Clock) -> Result<Report, Error> {
        if had_token {
            script.variables.extend(self.credentials.masked());
        }
        self.sandbox.replay(script, clock).await
    }

    /// Runs a script to its end, that of a function with what the function lets it do.
    ///
    /// # Errors
    ///
    /// As those of [`Sandbox::run`], and when no token can be issued.
    pub(crate) async fn run(
        &self,
        function: Option<&Function>,
        mut script: Script,
        origin: Origin,
        before_effect: BeforeEffect,
        place: Place,
        log: &Log,
    ) -> Result<Report, Error> {
        let variables = match function {
            Some(function) => self.credentials.issue(&origin.tenant, function).await?,
            None => BTreeMap::new(),
        };
        script.variables.extend(variables.clone());
        credentials::hide(log, &variables);
        let own_api = self.credentials.own_api().filter(|_| !variables.is_empty());
        let sandbox = own_api.map_or_else(|| self.sandbox.clone(), |address| self.sandbox.with_own_api(address));
        let mut report = sandbox.run_in(place, script, before_effect, self.emitter.calls(origin), log).await?;
        credentials::mask(&mut report, &variables);
        Ok(report)
    }
}
