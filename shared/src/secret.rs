//! Secrets that an operator keeps in Secrets Manager.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::error::Error;

/// How old a value in memory may be before it is read again.
const MAX_AGE: Duration = Duration::from_secs(300);
/// How soon a doubt about a value may make us read it again.
const MIN_AGE: Duration = Duration::from_secs(5);

/// One secret, read when first needed, and what its text means.
pub struct Secret<T> {
    client: aws_sdk_secretsmanager::Client,
    id: Arc<str>,
    parse: fn(&str) -> Result<T, Error>,
    cache: Arc<Mutex<Option<Cached<T>>>>,
}

/// When a value was read, and the value.
type Cached<T> = (Instant, Arc<T>);

impl<T> Secret<T> {
    /// Returns the secret with this name or ARN; errors of `parse` must not quote the text.
    pub fn new(aws: &Aws, id: &str, parse: fn(&str) -> Result<T, Error>) -> Self {
        Self { client: aws.secrets.clone(), id: id.into(), parse, cache: Arc::default() }
    }

    /// Returns the value, at most five minutes old.
    pub async fn get(&self) -> Result<Arc<T>, Error> {
        self.get_if(|_| true).await
    }

    /// Returns the value, at most five minutes old if it is good, and five seconds old otherwise: for when it may have
    /// been changed just now.
    pub async fn get_if(&self, is_good: impl Fn(&T) -> bool) -> Result<Arc<T>, Error> {
        let mut cache = self.cache.lock().await;
        if let Some((read_at, value)) = &*cache
            && (read_at.elapsed() < MIN_AGE || (read_at.elapsed() < MAX_AGE && is_good(value)))
        {
            return Ok(value.clone());
        }
        let answer = self.client.get_secret_value().secret_id(&*self.id).send().await;
        let answer = answer.map_err(Error::cannot("read a secret"))?;
        let value = Arc::new((self.parse)(answer.secret_string().unwrap_or_default())?);
        *cache = Some((Instant::now(), value.clone()));
        Ok(value)
    }
}

impl<T> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), id: self.id.clone(), parse: self.parse, cache: self.cache.clone() }
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}
