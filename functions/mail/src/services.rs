//! The services of this function; each handler gets those that it touches.

use std::sync::Arc;

use axum::extract::FromRef;
use shared::bus::Bus;
use shared::clock::{Clock, Ids};
use shared::http::BaseUrl;
use shared::outbound::Outbound;
use shared::step::Claims;
use shared::{Environment, Error};

use crate::address::Mailing;
use crate::store::mail::MailStore;
use crate::store::service::MailService;
use crate::store::template::Templates;

/// The services of this function.
#[derive(Clone, FromRef)]
pub(crate) struct Services {
    pub(crate) templates: Templates,
    pub(crate) mails: Arc<Claims<MailStore>>,
    pub(crate) service: MailService,
    pub(crate) bus: Bus,
    pub(crate) outbound: Outbound,
    pub(crate) base_url: BaseUrl,
    /// Who mails are from; nobody if that is not configured.
    pub(crate) sender: Option<Mailing>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
}

impl Services {
    /// Opens the services that the environment names.
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        let sender = environment.config.optional("MAIL_FROM").map(Mailing::parse).transpose();
        Ok(Self {
            templates: Templates::new(environment)?,
            mails: Arc::new(Claims::new(environment, MailStore::new(environment)?)),
            service: MailService::new(environment),
            bus: environment.bus()?,
            outbound: environment.outbound()?,
            base_url: environment.base_url(),
            sender: sender.map_err(|rule| Error::new("read MAIL_FROM", format!("it {rule}")))?,
            clock: environment.clock.clone(),
            ids: environment.ids.clone(),
        })
    }
}
