//! What the gateway calls: endpoints of every source, a vault, and files; good or failing.

use std::collections::BTreeMap;

use serde_json::json;

use crate::calls::{Answer, CallRequest, Outcome};
use crate::jwt::testing::TestKey;
use crate::time::{Monotonic, Now, UnixTime};
use crate::tokens::testing::Dice;

/// The content of Arc's challenge file.
const CHALLENGE: &str = "c2hvd24";

/// The time of one Envoy, in milliseconds, and how far its wall clock has stepped.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) milliseconds: u64,
    pub(super) stepped: i64,
}

impl Clock {
    pub(super) fn now(self) -> Now {
        let wall = (1_800_000_000 + self.milliseconds / 1_000).checked_add_signed(self.stepped).unwrap();
        Now {
            monotonic: Monotonic::from_nanoseconds(self.milliseconds * 1_000_000),
            wall: UnixTime::from_seconds(wall),
        }
    }
}

pub(super) struct Servers {
    /// What the files are now, by their paths.
    pub(super) files: BTreeMap<&'static str, String>,
    /// What the vault's secret is.
    pub(super) vault: String,
    /// Whether the vault gives it to us.
    pub(super) gives: bool,
    /// When each token ends, in milliseconds.
    pub(super) ends: BTreeMap<String, u64>,
    /// Whether answers are as they should be.
    pub(super) good: bool,
}

impl Servers {
    pub(super) fn new() -> Self {
        let key = TestKey::p256().private_pem();
        let files = [("/key", "key-0"), ("/token", "e30.e30.token-0"), ("/ec", &key)];
        Self {
            files: files.map(|(path, content)| (path, content.to_owned())).into(),
            vault: "vault-0".to_owned(),
            gives: true,
            ends: BTreeMap::new(),
            good: false,
        }
    }

    /// Another value for one of the secrets.
    pub(super) fn rotate(&mut self, dice: &mut Dice) {
        let number = dice.roll(1 << 30);
        match dice.roll(4) {
            0 => self.files.insert("/key", format!("key-{number}")),
            1 => self.files.insert("/token", format!("e30.e30.token-{number}")),
            2 => self.files.insert("/ec", TestKey::p256().private_pem()),
            _ => Some(std::mem::replace(&mut self.vault, format!("vault-{number}"))),
        };
    }

    pub(super) fn answer(&mut self, request: &CallRequest, clock: Clock, dice: &mut Dice) -> Outcome {
        if !self.good && dice.roll(4) == 0 {
            return fault(dice);
        }
        let form = |name: &str| {
            let mut fields = form_urlencoded::parse(request.body.expose().as_bytes());
            fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
        };
        let is = |name: &str, value: &str| form(name).is_some_and(|field| field == value);
        match request.cluster.as_str() {
            "files" => answer(200, &self.files[request.url.path.as_str()]),
            "vault" => self.secret(request, clock),
            "challenges" => answer(200, CHALLENGE),
            "himds" if request.header("authorization") != Some(&format!("Basic {CHALLENGE}")) => challenge(),
            "login"
                if !is("client_assertion", &self.files["/token"])
                    && !is("client_secret", &self.files["/key"]) =>
            {
                invalid_client()
            }
            "idp" if !is("client_secret", &self.vault) => invalid_client(),
            "signer" if form("client_assertion").is_none() => invalid_client(),
            cluster => self.token(cluster, clock, dice),
        }
    }

    fn token(&mut self, cluster: &str, clock: Clock, dice: &mut Dice) -> Outcome {
        let lives = [20, 70, 900, 3_600, 86_400];
        let life = lives[dice.roll(lives.len() as u64) as usize];
        let name = format!("{cluster}-{}", self.ends.len());
        self.ends.insert(name.clone(), clock.milliseconds + life * 1_000);
        let end = clock.now().wall.seconds() + life;
        answer(
            200,
            &match cluster {
                "platform" => {
                    json!({"access_token": name, "expires_on": end.to_string(), "token_type": "Bearer"})
                }
                _ => json!({"access_token": name, "expires_in": life, "token_type": "Bearer"}),
            }
            .to_string(),
        )
    }

    fn secret(&self, request: &CallRequest, clock: Clock) -> Outcome {
        let shown = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap();
        assert!(clock.milliseconds < self.ends[shown] + 5_000, "an expired token was sent to the vault");
        match self.gives {
            true => answer(200, &json!({"value": self.vault, "attributes": {"enabled": true}}).to_string()),
            false => answer(403, r#"{"error":{"code":"Forbidden"}}"#),
        }
    }
}

pub(super) fn answer(status: u16, body: &str) -> Outcome {
    Outcome::Answer(Answer { status, retry_after: None, challenge: None, body: body.as_bytes().to_vec() })
}

fn challenge() -> Outcome {
    let challenge = Some("Basic realm=/var/opt/azcmagent/tokens/1.key".to_owned());
    Outcome::Answer(Answer { status: 401, retry_after: None, challenge, body: Vec::new() })
}

fn invalid_client() -> Outcome {
    answer(401, r#"{"error":"invalid_client","error_description":"AADSTS7000215: …"}"#)
}

/// Azure's own, and worse.
fn fault(dice: &mut Dice) -> Outcome {
    match dice.roll(14) {
        0 => Outcome::NoAnswer,
        1 => Outcome::Answer(Answer {
            status: 429,
            retry_after: Some((1 + dice.roll(20)).to_string()),
            challenge: None,
            body: b"Too Many Requests".to_vec(),
        }),
        2 => answer(400, r#"{"error":"invalid_request"}"#),
        3 => answer(200, "<html>"),
        4 => answer(200, ""),
        5 => answer(200, r#"{"access_token":"x","expires_in":36"#),
        6 => answer(200, r#"{"access_token":"a\r\nb","expires_in":3600,"token_type":"Bearer"}"#),
        7 => answer(200, r#"{"access_token":"for-ever","token_type":"Bearer"}"#),
        8 => answer(200, r#"{"access_token":"past","expires_in":0,"token_type":"Bearer"}"#),
        9 => answer(410, ""),
        10 => answer(302, ""),
        11 => answer(401, ""),
        status => answer(if status == 12 { 500 } else { 504 }, ""),
    }
}
