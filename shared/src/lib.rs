//! What two or more functions need, and nothing else; it knows no function.
//!
//! [`event`] is the vocabulary of the bus, [`bus`], [`table`] and [`scheduler`] are the AWS services in our terms,
//! [`lambda`] turns an invocation into a request or an event, [`http`], [`json`] and [`auth`] guard the routes, [`step`]
//! is the one way to do a step, [`seal`] keeps secrets, [`outbound`] calls the outside world, [`clock`] is the seam for
//! time and ids.

pub mod auth;
pub mod aws;
pub mod bus;
pub mod clock;
pub mod config;
pub mod directory;
pub mod error;
pub mod event;
pub mod http;
pub mod json;
pub mod lambda;
pub mod log;
pub mod nearest;
pub mod outbound;
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
}

impl Environment {
    /// Reads what Lambda provides.
    pub async fn from_env() -> Self {
        let aws = Aws::from_env().await;
        Self { aws, config: Config::from_env(), clock: Clock::system(), ids: Ids::random() }
    }

    /// Returns the table whose name a variable holds.
    pub fn table(&self, variable: &str) -> Result<table::Table, Error> {
        Ok(table::Table::new(&self.aws, self.config.required(variable)?))
    }

    /// Returns the bus that `BUS_NAME` names.
    pub fn bus(&self) -> Result<bus::Bus, Error> {
        Ok(bus::Bus::new(&self.aws, self.config.required("BUS_NAME")?))
    }

    /// Returns the key ring that `KEY_RING_SECRET` names.
    pub fn key_ring(&self) -> Result<KeyRing, Error> {
        Ok(KeyRing::new(&self.aws, self.config.required("KEY_RING_SECRET")?))
    }

    /// Returns the check of access tokens.
    pub fn tokens(&self) -> Result<Tokens, Error> {
        Ok(Tokens::new(self.key_ring()?, self.clock.clone()))
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
