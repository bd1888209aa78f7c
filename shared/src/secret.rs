//! Secrets that an operator keeps in Secrets Manager.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::error::Error;

/// How old the text in memory may be before it is read again.
const MAX_AGE: Duration = Duration::from_secs(300);
/// How soon a doubt about the text may make us read it again.
const MIN_AGE: Duration = Duration::from_secs(5);

/// One secret, read when first needed.
#[derive(Clone)]
pub struct Secret {
    client: aws_sdk_secretsmanager::Client,
    id: String,
    cache: Arc<Mutex<Option<Cached>>>,
}

/// When the text was read, and the text.
type Cached = (Instant, Arc<str>);

impl Secret {
    /// Returns the secret with this name or ARN.
    pub fn new(aws: &Aws, id: &str) -> Self {
        Self { client: aws.secrets.clone(), id: id.to_owned(), cache: Arc::default() }
    }

    /// Returns the secret's text, at most five minutes old.
    pub async fn text(&self) -> Result<Arc<str>, Error> {
        self.not_older_than(MAX_AGE).await
    }

    /// Returns the secret's text, at most five seconds old: for when it may have been changed just now.
    pub async fn fresh_text(&self) -> Result<Arc<str>, Error> {
        self.not_older_than(MIN_AGE).await
    }

    async fn not_older_than(&self, age: Duration) -> Result<Arc<str>, Error> {
        let mut cache = self.cache.lock().await;
        if let Some((read_at, text)) = &*cache
            && read_at.elapsed() < age
        {
            return Ok(text.clone());
        }
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await;
        let answer = answer.map_err(Error::cannot("read a secret"))?;
        let text: Arc<str> = answer.secret_string().unwrap_or_default().into();
        *cache = Some((Instant::now(), text.clone()));
        Ok(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}
