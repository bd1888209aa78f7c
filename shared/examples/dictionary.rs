//! Makes the dictionary with which values are packed: `cargo run -p shared --example dictionary -- shared/src/seal/dictionary.zstd`.
//!
//! It learns from records as the functions write them, with contents as the platforms send them. Whoever runs it again
//! changes the format of all that is stored: the number of the format must change with it.

use std::error::Error;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

/// Larger ones gain less than they cost each thread.
const DICTIONARY_BYTES: usize = 2048;
const RECORDS: usize = 1500;
const WORDS: &str = "the of and to in is that for was on are with as be this have from one had by word but not what all were when \
    there can your which their said if do will each about how up out them then she many some so these would other into has \
    more her two like him see time could no make than first been its who now people my made over did down only way find use \
    may water long little very after called just where most know get through back much before go good new write our used me \
    man too any day same right look think also around another came come work three must because does part even place well \
    such here take why things help put years different away again off went old number great tell men say small every found \
    still between name should home big give air line set own under read last never us left end along while might next sound \
    below saw something thought both few those always looked show large often together asked house world going want order \
    invoice payment customer release build failed error price account page server report missing update request please";

struct Sampler(StdRng);

impl Sampler {
    fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.0).copied().unwrap_or_default()
    }

    fn word(&mut self) -> String {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        self.one(&words).to_owned()
    }

    fn text(&mut self, words: u64) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| format!("{:x}", self.below(16))).collect()
    }

    fn id(&mut self) -> String {
        format!("{}-{}-7{}-9{}-{}", self.hex(8), self.hex(4), self.hex(3), self.hex(3), self.hex(12))
    }

    fn time(&mut self) -> String {
        let (month, day, hour) = (1 + self.below(12), 1 + self.below(28), self.below(24));
        format!(
            "2026-{month:02}-{day:02}T{hour:02}:{:02}:{:02}.{:03}Z",
            self.below(60),
            self.below(60),
            self.below(1000)
        )
    }

    fn person(&mut self) -> Value {
        let login = self.word();
        json!({"login": login, "id": self.below(1 << 30), "type": self.one(&["User", "Bot"]),
            "html_url": format!("https://github.com/{login}")})
    }

    fn github(&mut self) -> Value {
        let (owner, name, number) = (self.word(), self.word(), self.below(10_000));
        let labels: Vec<Value> = (0..self.below(4))
            .map(|_| json!({"id": self.below(1 << 30), "name": self.word(), "color": self.hex(6)}))
            .collect();
        let words = 5 + self.below(56);
        let mut payload = json!({
            "action": self.one(&["opened", "closed", "edited", "created"]),
            "repository": {"id": self.below(1 << 30), "name": name, "full_name": format!("{owner}/{name}"),
                "private": self.below(2) == 0, "owner": self.person(), "default_branch": "main",
                "html_url": format!("https://github.com/{owner}/{name}")},
            "sender": self.person(),
        });
        payload[self.one(&["issue", "pull_request"])] = json!({
            "id": self.below(1 << 30), "number": number, "title": self.text(6), "body": self.text(words),
            "state": self.one(&["open", "closed"]), "user": self.person(), "labels": labels,
            "created_at": self.time(), "updated_at": self.time(),
            "html_url": format!("https://github.com/{owner}/{name}/issues/{number}"),
        });
        payload
    }

    fn stripe(&mut self) -> Value {
        json!({"id": format!("evt_{}", self.hex(24)), "object": "event", "api_version": "2024-06-20",
            "created": self.below(1 << 31), "livemode": self.below(2) == 0, "type": "payment_intent.succeeded",
            "data": {"object": {"id": format!("pi_{}", self.hex(24)), "object": "payment_intent",
                "amount": self.below(100_000), "currency": self.one(&["usd", "eur"]), "status": "succeeded",
                "customer": format!("cus_{}", self.hex(14)), "description": self.text(5),
                "metadata": {"order": self.below(10_000).to_string()}}}})
    }

    fn slack(&mut self) -> Value {
        json!({"token": self.hex(24), "team_id": format!("T{}", self.hex(8)), "api_app_id": format!("A{}", self.hex(8)),
            "event": {"type": "message", "channel": format!("C{}", self.hex(8)), "user": format!("U{}", self.hex(8)),
                "text": self.text(15), "ts": format!("{}.{:06}", self.below(1 << 31), self.below(1_000_000))},
            "type": "event_callback", "event_id": format!("Ev{}", self.hex(8)), "event_time": self.below(1 << 31)})
    }

    fn shop(&mut self) -> Value {
        let count = 1 + self.below(4);
        let items: Vec<Value> = (0..count)
            .map(|_| json!({"sku": self.hex(6), "title": self.text(3), "quantity": 1 + self.below(5), "price": self.below(100)}))
            .collect();
        json!({"order": {"id": self.below(1 << 30), "email": format!("{}@example.com", self.word()),
            "total_price": format!("{}.{:02}", self.below(1000), self.below(100)), "currency": "EUR", "items": items,
            "customer": {"id": self.below(1 << 30), "name": self.text(2), "email": format!("{}@example.com", self.word())},
            "created_at": self.time()}, "message": self.text(10)})
    }

    /// An event, the input of its task, and its run.
    fn records(&mut self) -> [Value; 3] {
        let mut headers = json!({"accept": "*/*", "content-type": "application/json"});
        let (platform, payload) = match self.below(5) {
            0 => ("stripe", self.stripe()),
            1 => ("slack", self.slack()),
            2 => ("generic", self.shop()),
            _ => {
                headers["user-agent"] = json!(format!("GitHub-Hookshot/{}", self.hex(7)));
                headers["x-github-delivery"] = json!(self.id());
                headers["x-github-event"] = json!("issues");
                ("github", self.github())
            }
        };
        let (id, time) = (self.id(), self.time());
        let content = json!({"platform": platform, "channelId": self.id(), "headers": headers, "payload": payload});
        let event = json!({"id": id, "type": format!("{platform}.{}", self.word()), "tenantId": "default", "time": time,
            "content": content, "trace": {"correlationId": id, "depth": 0}});
        let input = json!({"event": {"id": id, "type": event["type"], "tenantId": "default", "content": content,
            "creation_timestamp": self.below(1 << 40)}});
        let run = json!({"steps": [{
            "action": {"id": self.id(), "type": "task", "name": self.word(), "functionName": self.word(),
                "onFailure": "fail", "dependencies": [], "retry": {"attempts": 0, "delaySeconds": 0, "backoff": "fixed"}},
            "status": self.one(&["requested", "succeeded", "failed"]),
            "attempts": [{"attempt": 1, "requestedAt": self.time(), "startedAt": self.time(), "finishedAt": self.time(),
                "record": {"kind": "task", "id": self.id()}}],
            "output": self.text(5)}]});
        [event, input, run]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: dictionary PATH")?;
    let mut sampler = Sampler(StdRng::seed_from_u64(7));
    let samples: Vec<Vec<u8>> =
        (0..RECORDS).flat_map(|_| sampler.records()).map(|record| record.to_string().into_bytes()).collect();
    std::fs::write(path, zstd::dict::from_samples(&samples, DICTIONARY_BYTES)?)?;
    Ok(())
}
