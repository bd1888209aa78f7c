//! What two or more functions need, and nothing else; it knows no function.
//!
//! [`event`] is the vocabulary of the bus, [`bus`], [`table`] and [`scheduler`] are the AWS services in our terms,
//! [`lambda`] turns an invocation into a request or an event, [`http`], [`json`] and [`auth`] guard the routes,
//! [`encoding`] undoes the compression of bodies, [`step`] is the one way to do a step, [`seal`] keeps secrets,
//! [`outbound`] calls the outside world, [`invoker`] the Lambda functions of others, [`clock`] is the seam for time and ids.

pub mod auth;
pub mod aws;
pub mod bus;
pub mod clock;
pub mod config;
pub mod directory;
pub mod encoding;
pub mod error;
pub mod event;
mod gather;
pub mod http;
pub mod invoker;
pub mod json;
pub mod lambda;
pub mod list;
pub mod log;
pub mod media;
pub mod nearest;
pub mod outbound;
pub mod permission;
pub mod priority;
pub mod rotation;
pub mod rql;
pub mod scheduler;
pub mod seal;
pub mod secret;
pub mod step;
pub mod table;

pub use error::{Error, Refusal};
pub use lambda::{Function, Incoming};

use auth::Tokens;
use aws::Aws;
use clock::{Clock, Ids};
use config::Config;
use seal::{KeyRing, Seal};
use step::Effects;

/// The key ring of a function, which everything in it shares.
pub type SharedKeyRing = std::sync::Arc<std::sync::OnceLock<KeyRing>>;

/// What a function is built from: the same on Lambda and in one process.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The AWS clients.
    pub aws: Aws,
    /// The function's variables.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Ids and secrets.
    pub ids: Ids,
    /// The key ring, once something has asked for it.
    pub key_ring: SharedKeyRing,
    /// Which effects have begun, where a killed process leaves that known, and the threads for them.
    pub effects: Effects,
}

impl Environment {
    /// Reads what Lambda provides.
    pub async fn from_env() -> Self {
        let aws = Aws::from_env().await;
        let (config, key_ring) = (Config::from_env(), SharedKeyRing::default());
        Self { aws, config, clock: Clock::system(), ids: Ids::random(), key_ring, effects: Effects::default() }
    }

    /// Returns the table whose name a variable holds.
    pub fn table(&self, variable: &str) -> Result<table::Table, Error> {
        Ok(table::Table::new(&self.aws, self.config.required(variable)?))
    }

    /// Returns the table whose name a variable holds, with some of its attributes sealed.
    pub fn sealed_table(
        &self,
        variable: &str,
        sealed: &'static table::SealedAttributes,
    ) -> Result<table::Table, Error> {
        Ok(self.table(variable)?.sealing(self.seal()?, sealed))
    }

    /// Returns the bus that `BUS_NAME` names.
    pub fn bus(&self) -> Result<bus::Bus, Error> {
        Ok(bus::Bus::new(&self.aws, self.config.required("BUS_NAME")?, self.seal()?))
    }

    /// Returns the key ring that `KEY_RING_SECRET` names; it is read once for all that use it.
    pub fn key_ring(&self) -> Result<KeyRing, Error> {
        let secret_id = self.config.required("KEY_RING_SECRET")?;
        Ok(self.key_ring.get_or_init(|| KeyRing::new(&self.aws, secret_id)).clone())
    }

    /// Returns the check of access tokens and of signed requests.
    pub fn tokens(&self) -> Result<Tokens, Error> {
        Tokens::new(self)
    }

    /// Returns where clients reach the API, from `BASE_URL`.
    pub fn base_url(&self) -> http::BaseUrl {
        http::BaseUrl::new(self.config.optional("BASE_URL"))
    }

    /// Returns what seals values with the key ring.
    pub fn seal(&self) -> Result<Seal, Error> {
        Ok(Seal::new(self.key_ring()?, self.ids.clone()))
    }

    /// Returns the guarded HTTP client with the exceptions of `ALLOWED_CIDRS`, and without `OWN_PORTS`.
    pub fn outbound(&self) -> Result<outbound::Outbound, Error> {
        Ok(outbound::Outbound::new(&self.config.allowed_cidrs()?).without_own_ports(&self.config.own_ports()?))
    }
}
