//! `oauth2client`: a token from a server, for our name and secret (RFC 6749, section 4.4).
//!
//! One token serves every request until it is about to end. Whoever needs a new one fetches it while the others wait; where
//! that fails and the old one still holds, the old one is used. Name and secret go in a `Basic` header and, where the server
//! refuses that, in the form: which of the two it wants is remembered.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::{AuthError, NoCredentials, credential, sensitive, text};
use crate::client::{ClientError, Connector, address, collect};
use crate::reloading::{Reloading, Source};
use crate::settings::OAuth2Settings;

/// What a token's answer may have.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// After a failure the server is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// A token this young was not refused for its age: a new one would be refused too.
const YOUNG: Duration = Duration::from_secs(10);

pub(crate) struct OAuth2 {
    section: String,
    client: Client<Connector, Full<Bytes>>,
    token_url: Uri,
    credentials: Reloading<(String, String), AuthError>,
    /// Of the form, but for the name and the secret.
    form: String,
    timeout: Duration,
    expiry_buffer: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Name and secret go in the form.
    in_form: bool,
    /// When it failed last, and why.
    failed: Option<(Instant, String)>,
}

struct Token {
    value: HeaderValue,
    fetched: Instant,
    /// `None`: it does not say.
    ends: Option<Instant>,
}

/// Why there is no token. Says nothing of what was sent.
enum Failure {
    /// In the other way it may be taken.
    Refused(String),
    Other(String),
}

impl OAuth2 {
    pub fn new(settings: &OAuth2Settings) -> Result<OAuth2, AuthError> {
        let section = settings.key.clone();
        let by_key = |error: ClientError| match error {
            ClientError::Tls(source) => AuthError::Tls { key: format!("{section}::{}", source.key()), source },
            error => AuthError::invalid(&section, error.key(), "expected `http://HOST:PORT/…` or `https://…`"),
        };
        let token_url = address("token_url", &settings.token_url).map_err(by_key)?;
        let tls = (token_url.scheme_str() == Some("https")).then_some(&settings.tls);
        let connector = Connector::new(tls, &[b"h2", b"http/1.1"]).map_err(by_key)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector);
        let sources = vec![
            credential(&section, "client_id", &settings.client_id),
            credential(&section, "client_secret", &settings.client_secret),
        ];
        let make = |sources: &[Source], contents: &[Vec<u8>]| match (sources, contents) {
            ([of_name, of_secret], [name, secret]) => {
                Ok((text(of_name, name)?.to_owned(), text(of_secret, secret)?.to_owned()))
            }
            _ => Ok(Default::default()),
        };
        let credentials = Reloading::new("credentials", sources, make)?;
        let mut form = "grant_type=client_credentials".to_owned();
        if !settings.scopes.is_empty() {
            field(&mut form, "scope", &settings.scopes.join(" "));
        }
        for (name, value) in &settings.endpoint_params {
            field(&mut form, name, value.expose());
        }
        let OAuth2Settings { timeout, expiry_buffer, .. } = *settings;
        Ok(OAuth2 { section, client, token_url, credentials, form, timeout, expiry_buffer, state: Mutex::default() })
    }

    pub async fn apply(&self, headers: &mut HeaderMap) -> Result<(), NoCredentials> {
        let mut state = self.state.lock().await;
        if !state.is_fresh(self.expiry_buffer) {
            self.refresh(&mut state).await;
        }
        // One that was to be renewed and could not be serves until its end.
        let token = state.token.as_ref().filter(|token| token.ends.is_none_or(|ends| Instant::now() < ends));
        match (token, &state.failed) {
            (Some(token), _) => {
                headers.insert(AUTHORIZATION, token.value.clone());
                Ok(())
            }
            (None, failed) => {
                let why = failed.as_ref().map_or_else(|| "the token has ended".to_owned(), |(_, why)| why.clone());
                Err(NoCredentials { key: self.section.clone(), why })
            }
        }
    }

    /// Forgets a token that was not believed, unless it is new.
    pub async fn renew(&self) -> bool {
        let mut state = self.state.lock().await;
        state.token.take_if(|token| token.fetched.elapsed() >= YOUNG).is_some()
    }

    /// Asks for a new token, unless that has just failed.
    async fn refresh(&self, state: &mut State) {
        if state.failed.as_ref().is_some_and(|(at, _)| at.elapsed() < PAUSE) {
            return;
        }
        match self.fetch(state).await {
            Ok(token) => {
                state.token = Some(token);
                state.failed = None;
            }
            Err(why) => {
                warn!(extension = %self.section, reason = %why, "there is no new token");
                state.failed = Some((Instant::now(), why));
            }
        }
    }

    async fn fetch(&self, state: &mut State) -> Result<Token, String> {
        let first = match self.ask_in_time(state.in_form).await {
            Ok(token) => return Ok(token),
            Err(Failure::Other(why)) => return Err(why),
            Err(Failure::Refused(why)) => why,
        };
        let token = self.ask_in_time(!state.in_form).await.map_err(|_| first)?;
        state.in_form = !state.in_form;
        Ok(token)
    }

    async fn ask_in_time(&self, in_form: bool) -> Result<Token, Failure> {
        let late = |_| Failure::Other(format!("the token's server did not answer within {:?}", self.timeout));
        timeout(self.timeout, self.ask(in_form)).await.map_err(late)?
    }

    async fn ask(&self, in_form: bool) -> Result<Token, Failure> {
        let credentials = self.credentials.current().await;
        let (name, secret) = &*credentials;
        let mut form = self.form.clone();
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.token_url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if in_form {
            field(&mut form, "client_id", name);
            field(&mut form, "client_secret", secret);
        } else {
            // Each encoded before they are joined: RFC 6749, section 2.3.1.
            let pair = STANDARD.encode(format!("{}:{}", encoded(name), encoded(secret)));
            let value = sensitive(&self.section, &format!("Basic {pair}"));
            headers.insert(AUTHORIZATION, value.map_err(|error| Failure::Other(error.to_string()))?);
        }
        *request.body_mut() = Full::new(form.into());
        let asked = Instant::now();
        let response = self.client.request(request).await;
        let response = response.map_err(|error| Failure::Other(unreached(&error)))?;
        let (head, body) = response.into_parts();
        let broken = |_| Failure::Other("the token's server broke off".to_owned());
        let collected = collect(body, ANSWER_BYTES_MAX).await.map_err(broken)?;
        let answer: Value = serde_json::from_slice(&collected.data).unwrap_or_default();
        if head.status != StatusCode::OK {
            let why = format!("the token's server answered {}{}", head.status, code(&answer));
            return Err(if head.status.is_client_error() { Failure::Refused(why) } else { Failure::Other(why) });
        }
        let none = || Failure::Other("the token's server gave an answer without a token".to_owned());
        read(&answer, asked).ok_or_else(none)
    }
}

impl State {
    /// Whether the token need not be renewed yet.
    fn is_fresh(&self, buffer: Duration) -> bool {
        let Some(token) = &self.token else { return false };
        token.ends.is_none_or(|ends| Instant::now() + buffer.min((ends - token.fetched) / 2) < ends)
    }
}

fn read(answer: &Value, asked: Instant) -> Option<Token> {
    let token = answer.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let kind = match answer.get("token_type").and_then(Value::as_str).unwrap_or_default() {
        kind if kind.is_empty() || kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind => kind,
    };
    let value = sensitive("access_token", &format!("{kind} {token}")).ok()?;
    // Some write it as a text.
    let life = answer.get("expires_in").and_then(|life| life.as_u64().or_else(|| life.as_str()?.parse().ok()));
    let life = life.filter(|life| *life > 0).map(Duration::from_secs);
    Some(Token { value, fetched: asked, ends: life.and_then(|life| asked.checked_add(life)) })
}

/// The error's code by RFC 6749, section 5.2, if it is one: anything else that a server says may repeat what it was told.
fn code(answer: &Value) -> String {
    const CODES: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    let code = answer.get("error").and_then(Value::as_str).and_then(|code| CODES.iter().find(|known| **known == code));
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

/// Why the server cannot be reached; such errors are about connections, not about what is sent.
fn unreached(error: &dyn std::error::Error) -> String {
    let mut why = "the token's server cannot be reached".to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(why, ": {error}");
        cause = error.source();
    }
    why
}

/// Adds to a form.
fn field(form: &mut String, name: &str, value: &str) {
    let _ = write!(form, "&{}={}", encoded(name), encoded(value));
}

/// As forms have it (`application/x-www-form-urlencoded`).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            byte => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
