//! Runs the scripts of functions with what they may use: the API through a token, and events and tasks through calls.

use shared::clock::Clock;
use shared::invoker::Invoker;
use shared::{Environment, Error};

use crate::credentials::{self, Credentials};
use crate::emitter::{Emitter, Origin};
use crate::lambda;
use crate::sandbox::{BeforeEffect, Log, Place, Report, Sandbox, Script};
use crate::store::function::Function;

/// Runs scripts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Runner {
    sandbox: Sandbox,
    emitter: Emitter,
    credentials: Credentials,
    invoker: Invoker,
    clock: Clock,
}

impl Runner {
    pub(crate) fn new(environment: &Environment, sandbox: Sandbox, emitter: Emitter) -> Result<Self, Error> {
        let invoker = Invoker::new(&environment.aws, &environment.config);
        let (credentials, clock) = (Credentials::new(environment)?, environment.clock.clone());
        Ok(Self { sandbox, emitter, credentials, invoker, clock })
    }

    /// Runs a script of a function to its end, or the function of AWS Lambda that is in its place.
    ///
    /// # Errors
    ///
    /// As those of [`Sandbox::run`], and when no token can be issued.
    pub(crate) async fn run(
        &self,
        function: &Function,
        script: Script,
        origin: Origin,
        before_effect: BeforeEffect,
    ) -> Result<Report, Error> {
        let place = self.sandbox.place(&script.tenant, &script.file_name, 0).await?;
        self.run_in(place, function, script, origin, before_effect, &Log::default()).await
    }

    /// Runs it as [`run`](Self::run) does, in a place that it has already, and keeps what it prints in `log`.
    pub(crate) async fn run_in(
        &self,
        place: Place,
        function: &Function,
        mut script: Script,
        origin: Origin,
        before_effect: BeforeEffect,
        log: &Log,
    ) -> Result<Report, Error> {
        if let Some(target) = &function.lambda {
            let invoked = lambda::run(&self.invoker, target, script.input, script.limits, before_effect, &self.clock);
            return Box::pin(invoked).await;
        }
        let variables = self.credentials.issue(&origin.tenant, function).await?;
        script.variables.extend(variables.clone());
        credentials::hide(log, &variables);
        let own_api = self.credentials.own_api().filter(|_| !variables.is_empty());
        let sandbox = own_api.map_or_else(|| self.sandbox.clone(), |address| self.sandbox.with_own_api(address));
        let mut report = sandbox.run_in(place, script, before_effect, self.emitter.calls(origin), log).await?;
        credentials::mask(&mut report, &variables);
        Ok(report)
    }
}
