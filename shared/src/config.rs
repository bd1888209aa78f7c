//! The configuration of one function: the variables that the template gives it.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::error::Error;

/// The variables of one function, read once.
#[derive(Debug, Clone, Default)]
pub struct Config(BTreeMap<String, String>);

impl Config {
    /// Reads the process environment, as Lambda sets it from the template.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Self {
        std::env::vars().collect()
    }

    /// Returns a variable, or an error that names the one that the template forgot.
    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.optional(name).ok_or_else(|| Error::new("read the configuration", format!("{name} is not set")))
    }

    /// Returns a variable that may be absent; an empty one counts as absent.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns how long records are kept, in seconds, from `RETENTION_DAYS`.
    pub fn retention_s(&self) -> Result<i64, Error> {
        let days = self.required("RETENTION_DAYS")?;
        let days: u32 = days.parse().map_err(Error::cannot("read RETENTION_DAYS"))?;
        Ok(i64::from(days) * 24 * 60 * 60)
    }

    /// Returns how many events and steps one first event may cause, from `EVENT_BUDGET`.
    pub fn event_budget(&self) -> Result<u64, Error> {
        self.required("EVENT_BUDGET")?.parse().map_err(Error::cannot("read EVENT_BUDGET"))
    }

    /// Returns how many seconds an access token is valid, from `ACCESS_TOKEN_SECONDS`.
    pub fn access_token_s(&self) -> Result<i64, Error> {
        let seconds: u32 =
            self.required("ACCESS_TOKEN_SECONDS")?.parse().map_err(Error::cannot("read ACCESS_TOKEN_SECONDS"))?;
        Ok(seconds.into())
    }

    /// Returns the outbound exceptions of `ALLOWED_CIDRS`, separated by commas.
    pub fn allowed_cidrs(&self) -> Result<Vec<IpNet>, Error> {
        let list = self.optional("ALLOWED_CIDRS").unwrap_or_default();
        let parse = |cidr: &str| {
            cidr.parse().map_err(|cause| Error::new(format!("read ALLOWED_CIDRS, `{cidr}` is not a CIDR block"), cause))
        };
        list.split(',').map(str::trim).filter(|cidr| !cidr.is_empty()).map(parse).collect()
    }

    /// Returns the ports of `OWN_PORTS`, separated by commas: those that the process itself listens on.
    pub fn own_ports(&self) -> Result<Vec<u16>, Error> {
        let list = self.optional("OWN_PORTS").unwrap_or_default();
        let parse = |port: &str| {
            port.parse().map_err(|cause| Error::new(format!("read OWN_PORTS, `{port}` is not a port"), cause))
        };
        list.split(',').map(str::trim).filter(|port| !port.is_empty()).map(parse).collect()
    }
}

impl FromIterator<(String, String)> for Config {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Extend<(String, String)> for Config {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, variables: I) {
        self.0.extend(variables);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, value: &str) -> Config {
        Config::from_iter([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert!(config("A", "").required("A").unwrap_err().chain().contains("A is not set"));
        assert_eq!(config("A", "b").required("A").unwrap(), "b");
    }

    #[test]
    fn records_are_kept_for_whole_days() {
        assert_eq!(config("RETENTION_DAYS", "2").retention_s().unwrap(), 172_800);
        for wrong in ["", "-1", "soon"] {
            assert!(config("RETENTION_DAYS", wrong).retention_s().is_err(), "{wrong}");
        }
    }

    #[test]
    fn exceptions_are_a_list_of_blocks() {
        let blocks = config("ALLOWED_CIDRS", "127.0.0.0/8, ::1/128").allowed_cidrs().unwrap();
        assert_eq!(blocks.len(), 2);
        assert!(config("ALLOWED_CIDRS", "everything").allowed_cidrs().unwrap_err().chain().contains("everything"));
        assert!(config("ALLOWED_CIDRS", "").allowed_cidrs().unwrap().is_empty());
    }

    #[test]
    fn own_ports_are_a_list_of_numbers() {
        assert_eq!(config("OWN_PORTS", "8787, 8000").own_ports().unwrap(), [8787, 8000]);
        assert!(config("OWN_PORTS", "70000").own_ports().unwrap_err().chain().contains("70000"));
        assert!(config("OWN_PORTS", "").own_ports().unwrap().is_empty());
    }
}
