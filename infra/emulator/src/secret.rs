//! Secrets Manager: one file that only its owner can read.

mod generate;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arn::random_id;
use crate::clock::Clock;
use crate::error::EmulatorError;
use crate::folder::{Folder, SECRETS_FILE, replace};
use crate::template::SecretSeed;
use crate::wire::{Reply, read_json};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
/// Longest secret value, as on AWS.
const MAX_BYTES: usize = 65_536;

/// All secrets, and the file that holds them.
#[derive(Debug)]
pub(crate) struct Secrets {
    path: Option<PathBuf>,
    clock: Clock,
    /// By logical id.
    kept: Mutex<BTreeMap<String, Secret>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Secret {
    name: String,
    arn: String,
    created_at_s: i64,
    /// Drawn when it was created, so that one of another directory is recognised.
    mark: String,
    /// By version id.
    versions: BTreeMap<String, Version>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Version {
    stages: Vec<String>,
    created_at_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Base64, as in requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads the file and generates the secrets of the template that the directory has never had.
    pub(crate) fn open(folder: &Folder, seeds: &[SecretSeed], clock: Clock) -> Result<Self, EmulatorError> {
        let path = folder.file(SECRETS_FILE);
        let kept = read(&path, folder.is_complete())?;
        let is_whole = |id: &String| kept.get(id).and_then(|secret| secret.version_at(CURRENT)).is_some_and(has_value);
        if let Some((lost, _)) = folder.known_secrets().iter().find(|(id, _)| !is_whole(id)) {
            return Err(damaged(&path, format!("has lost the secret {lost}")));
        }
        let is_foreign = |id: &String, mark: &String| kept.get(id).is_some_and(|secret| secret.mark != *mark);
        if folder.known_secrets().iter().any(|(id, mark)| is_foreign(id, mark)) {
            return Err(damaged(&path, "is one of another data directory"));
        }
        Self::with(kept, Some(path), seeds, clock)
    }

    /// Generates the secrets of the template, and keeps them nowhere.
    pub(crate) fn in_memory(seeds: &[SecretSeed], clock: Clock) -> Result<Self, EmulatorError> {
        Self::with(BTreeMap::new(), None, seeds, clock)
    }

    fn with(
        mut kept: BTreeMap<String, Secret>,
        path: Option<PathBuf>,
        seeds: &[SecretSeed],
        clock: Clock,
    ) -> Result<Self, EmulatorError> {
        let before = kept.len();
        for seed in seeds {
            if !kept.contains_key(&seed.id) {
                kept.insert(seed.id.clone(), generate(seed, &clock)?);
            }
        }
        let secrets = Self { path, clock, kept: Mutex::new(kept) };
        if secrets.kept().len() > before {
            secrets.save(&secrets.kept())?;
        }
        Ok(secrets)
    }

    /// The secrets that have a value: the marks by logical id.
    pub(crate) fn marks(&self) -> BTreeMap<String, String> {
        let kept = self.kept();
        let valued = kept.iter().filter(|(_, secret)| secret.version_at(CURRENT).is_some_and(has_value));
        valued.map(|(id, secret)| (id.clone(), secret.mark.clone())).collect()
    }

    /// The current value of a secret, by logical id.
    pub(crate) fn value(&self, id: &str) -> Option<String> {
        let kept = self.kept();
        let (_, version) = kept.get(id)?.version_at(CURRENT)?;
        version.text.clone()
    }

    /// Answers a request; the file is written off the async workers.
    pub(crate) async fn answer(self: &Arc<Self>, operation: &str, body: &[u8]) -> Reply {
        let request = match read_json(body) {
            Ok(request) => request,
            Err(reply) => return reply,
        };
        let answered = match operation {
            "GetSecretValue" => self.get(&request),
            "DescribeSecret" => self.describe(&request),
            "PutSecretValue" => {
                let secrets = self.clone();
                let written = tokio::task::spawn_blocking(move || secrets.put(&request)).await;
                written.unwrap_or_else(|error| Err(Reply::internal(error)))
            }
            _ => {
                let message = format!("Secrets Manager's {operation} is not supported here");
                Err(Reply::error(400, "UnknownOperationException", message))
            }
        };
        answered.unwrap_or_else(|reply| reply)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, kept: &BTreeMap<String, Secret>) -> Result<(), EmulatorError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let text =
            serde_json::to_vec_pretty(kept).map_err(|cause| EmulatorError::engine("write the secrets", cause))?;
        let doing = format!("write {}", path.display());
        replace(path, &text).map_err(EmulatorError::io(doing))
    }

    fn get(&self, request: &Value) -> Result<Reply, Reply> {
        let kept = self.kept();
        let secret = find(&kept, request)?;
        let stage = request["VersionStage"].as_str().unwrap_or(CURRENT);
        let found = match request["VersionId"].as_str() {
            Some(id) => secret.versions.get_key_value(id),
            None => secret.version_at(stage),
        };
        let (id, version) = found.ok_or_else(|| {
            let message = "Secrets Manager can't find the specified secret value.";
            Reply::error(400, "ResourceNotFoundException", message)
        })?;
        let mut answer = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": id,
            "VersionStages": version.stages,
            "CreatedDate": version.created_at_s,
        });
        if let Some(text) = &version.text {
            answer["SecretString"] = text.as_str().into();
        }
        if let Some(binary) = &version.binary {
            answer["SecretBinary"] = binary.as_str().into();
        }
        Ok(Reply::ok(&answer))
    }

    fn describe(&self, request: &Value) -> Result<Reply, Reply> {
        let kept = self.kept();
        let secret = find(&kept, request)?;
        let stages: BTreeMap<_, _> = secret.versions.iter().map(|(id, v)| (id, &v.stages)).collect();
        Ok(Reply::ok(&json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "CreatedDate": secret.created_at_s,
            "VersionIdsToStages": stages,
        })))
    }

    fn put(&self, request: &Value) -> Result<Reply, Reply> {
        let version = Version {
            stages: stages(request),
            created_at_s: self.clock.now().as_second(),
            text: request["SecretString"].as_str().map(str::to_owned),
            binary: request["SecretBinary"].as_str().map(str::to_owned),
        };
        let length = version.text.as_ref().or(version.binary.as_ref()).map_or(0, String::len);
        if length == 0 || length > MAX_BYTES || version.text.is_some() == version.binary.is_some() {
            let message = "You must provide either SecretString or SecretBinary, of 1 to 65536 bytes.";
            return Err(Reply::error(400, "InvalidParameterException", message));
        }
        let token = request["ClientRequestToken"].as_str();
        let id = token.map_or_else(random_id, str::to_owned);
        let mut kept = self.kept();
        let (arn, mut secret) = {
            let secret = find(&kept, request)?;
            (secret.arn.clone(), secret.clone())
        };
        if let Some(old) = secret.versions.get(&id) {
            if old.text != version.text || old.binary != version.binary {
                let message = "A version with this token exists and has another value.";
                return Err(Reply::error(400, "ResourceExistsException", message));
            }
        } else {
            secret.add(id.clone(), version);
        }
        let answer = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": id,
            "VersionStages": secret.versions[&id].stages,
        });
        let mut changed = kept.clone();
        if let Some(slot) = changed.values_mut().find(|secret| secret.arn == arn) {
            *slot = secret;
        }
        self.save(&changed).map_err(Reply::internal)?;
        *kept = changed;
        Ok(Reply::ok(&answer))
    }
}

impl Secret {
    fn version_at(&self, stage: &str) -> Option<(&String, &Version)> {
        let mut versions = self.versions.iter();
        versions.find(|(_, version)| version.stages.iter().any(|s| s == stage))
    }

    /// Adds a version; each stage moves to it, and what was current becomes the previous one.
    fn add(&mut self, id: String, version: Version) {
        if version.stages.iter().any(|stage| stage == CURRENT) {
            let was_current = self.version_at(CURRENT).map(|(id, _)| id.clone());
            for old in self.versions.values_mut() {
                old.stages.retain(|stage| stage != PREVIOUS);
            }
            if let Some(old) = was_current.and_then(|id| self.versions.get_mut(&id)) {
                old.stages.push(PREVIOUS.to_owned());
            }
        }
        for old in self.versions.values_mut() {
            old.stages.retain(|stage| !version.stages.contains(stage));
        }
        // A version without a stage is deprecated and can be removed.
        self.versions.retain(|_, version| !version.stages.is_empty());
        self.versions.insert(id, version);
    }
}

fn stages(request: &Value) -> Vec<String> {
    let given = request["VersionStages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stages: Vec<_> = given.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if stages.is_empty() { vec![CURRENT.to_owned()] } else { stages }
}

/// Finds a secret by name, ARN, or ARN without its last six characters.
fn find<'k>(kept: &'k BTreeMap<String, Secret>, request: &Value) -> Result<&'k Secret, Reply> {
    let id = request["SecretId"].as_str().unwrap_or_default();
    let matches = |secret: &&Secret| {
        let partial = secret.arn.rsplit_once('-').map(|(start, _)| start);
        secret.name == id || secret.arn == id || partial == Some(id)
    };
    kept.values().find(matches).ok_or_else(|| {
        let message = "Secrets Manager can't find the specified secret.";
        Reply::error(400, "ResourceNotFoundException", message)
    })
}

fn generate(seed: &SecretSeed, clock: &Clock) -> Result<Secret, EmulatorError> {
    let text = match (&seed.properties["SecretString"], &seed.properties["GenerateSecretString"]) {
        (Value::String(text), _) => Some(text.clone()),
        (_, Value::Null) => None,
        (_, recipe) => Some(
            generate::generate(recipe)
                .map_err(|problem| EmulatorError::resource(&seed.id, "GenerateSecretString", problem))?,
        ),
    };
    let created_at_s = clock.now().as_second();
    let version =
        text.map(|text| Version { stages: vec![CURRENT.to_owned()], created_at_s, text: Some(text), binary: None });
    Ok(Secret {
        name: seed.name.clone(),
        arn: seed.arn.clone(),
        created_at_s,
        mark: random_id(),
        versions: version.map(|version| (random_id(), version)).into_iter().collect(),
    })
}

fn has_value((_, version): (&String, &Version)) -> bool {
    version.text.as_ref().or(version.binary.as_ref()).is_some_and(|value| !value.trim().is_empty())
}

fn damaged(path: &Path, problem: impl Into<String>) -> EmulatorError {
    EmulatorError::damaged(path.parent().unwrap_or(path), SECRETS_FILE, problem)
}

/// Reads the file, which must be there and hold something in a directory that is complete.
fn read(path: &Path, is_complete: bool) -> Result<BTreeMap<String, Secret>, EmulatorError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_complete => return Ok(BTreeMap::new()),
        Err(error) => return Err(EmulatorError::io(format!("read {}", path.display()))(error)),
    };
    let kept: BTreeMap<String, Secret> =
        serde_json::from_slice(&text).map_err(|_| damaged(path, "is not what was written"))?;
    if is_complete && kept.is_empty() {
        return Err(damaged(path, "is empty"));
    }
    Ok(kept)
}
