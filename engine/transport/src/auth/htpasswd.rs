//! `basicauth` of servers: names with hashes of passwords, as Apache's `htpasswd` writes them.
//!
//! A bcrypt hash takes tens of milliseconds of a processor to compare, for each request. So a success is remembered, by a
//! keyed hash of the header, until the file changes; and comparisons run on threads of their own, a few at a time, so that whoever
//! guesses passwords costs no more than these.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wasmill_batch::{Refusal, RefusalKind};

use super::{AuthError, FILE_INTERVAL, after_scheme, text, unauthenticated};
use crate::reloading::{Content, Reloading, Source};
use crate::settings::HtpasswdSettings;

/// Comparisons of bcrypt at one time.
const COMPARED_MAX: usize = 2;

/// What a request waits for its turn; then it is told to come again.
const TURN_MAX: Duration = Duration::from_secs(5);

/// A cost of 14 is about a second of a processor. Each more doubles it.
const COST_MAX: u32 = 14;

/// Successes that are remembered.
const REMEMBERED_MAX: usize = 1024;

pub(crate) struct Htpasswd {
    users: Reloading<Users, AuthError>,
    turns: Semaphore,
}

struct Users {
    by_name: HashMap<String, Hash>,
    remembered: Mutex<HashMap<[u8; 32], String>>,
    /// So that what is remembered cannot be looked up in a table.
    salt: [u8; 16],
}

#[derive(Clone)]
enum Hash {
    Bcrypt(String),
    Sha1([u8; 20]),
    Plain(String),
}

impl Htpasswd {
    pub fn new(settings: &HtpasswdSettings) -> Result<Htpasswd, AuthError> {
        let HtpasswdSettings { key, file, inline } = settings;
        let section = format!("{key}::htpasswd");
        let source = |name, content, every| Source { key: format!("{section}::{name}"), content, every };
        let file = file.as_ref().map(|path| source("file", Content::File(path.clone()), Some(FILE_INTERVAL)));
        let inline = inline.as_ref().map(|text| source("inline", Content::Text(text.expose().to_owned()), None));
        let sources = file.into_iter().chain(inline).collect();
        let make = move |sources: &[Source], contents: &[Vec<u8>]| {
            let mut by_name = HashMap::new();
            for (source, content) in sources.iter().zip(contents) {
                read(source, content, &mut by_name)?;
            }
            if by_name.is_empty() {
                return Err(AuthError::Invalid { key: section.clone(), why: "there is no user".into() });
            }
            Ok(Users { by_name, remembered: Mutex::default(), salt: salt() })
        };
        Ok(Htpasswd { users: Reloading::new("users", sources, make)?, turns: Semaphore::new(COMPARED_MAX) })
    }

    /// The user's name.
    pub async fn check(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Err(unauthenticated("`authorization` is missing"));
        };
        let malformed = || unauthenticated("`authorization` is not `Basic` with a name and a password");
        let encoded = after_scheme(value.as_bytes(), "Basic").ok_or_else(malformed)?;
        let decoded = STANDARD.decode(encoded).ok().and_then(|decoded| String::from_utf8(decoded).ok());
        let decoded = decoded.ok_or_else(malformed)?;
        let (name, password) = decoded.split_once(':').ok_or_else(malformed)?;
        let users = self.users.current().await;
        let digest = users.digest(&decoded);
        if let Some(name) = users.remembered(&digest) {
            return Ok(name);
        }
        let wrong = || unauthenticated("the name or the password is wrong");
        // A name that nobody has is compared with somebody's hash: it takes as long.
        let known = users.by_name.get(name);
        let hash = known.or_else(|| users.by_name.values().next()).cloned().ok_or_else(wrong)?;
        let matches = self.compare(hash, password.to_owned()).await?;
        if !matches || known.is_none() {
            return Err(wrong());
        }
        users.remember(digest, name);
        Ok(name.to_owned())
    }

    async fn compare(&self, hash: Hash, password: String) -> Result<bool, Refusal> {
        let hash = match hash {
            Hash::Plain(known) => return Ok(known.as_bytes().ct_eq(password.as_bytes()).into()),
            Hash::Sha1(known) => return Ok(Sha1::digest(password.as_bytes()).as_slice().ct_eq(&known[..]).into()),
            Hash::Bcrypt(hash) => hash,
        };
        let busy = || Refusal::new(RefusalKind::Unavailable, "too many passwords are being compared, try again later");
        let Ok(Ok(_turn)) = timeout(TURN_MAX, self.turns.acquire()).await else { return Err(busy()) };
        let compare = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        Ok(compare.await.unwrap_or(false))
    }
}

impl Users {
    fn digest(&self, credentials: &str) -> [u8; 32] {
        Sha256::new_with_prefix(self.salt).chain_update(credentials).finalize().into()
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<String> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn remember(&self, digest: [u8; 32], name: &str) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(digest, name.to_owned());
    }
}

/// Lines of `NAME:HASH`; empty ones and those with `#` are left out. Of several with one name the last counts.
fn read(source: &Source, content: &[u8], by_name: &mut HashMap<String, Hash>) -> Result<(), AuthError> {
    for (number, line) in text(source, content)?.lines().enumerate().map(|(i, line)| (i + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let invalid = |why: &str| AuthError::Invalid { key: source.key.clone(), why: format!("line {number}: {why}") };
        let (name, hash) = line.split_once(':').ok_or_else(|| invalid("expected `NAME:HASH`"))?;
        by_name.insert(name.to_owned(), parse(hash).map_err(invalid)?);
    }
    Ok(())
}

fn parse(hash: &str) -> Result<Hash, &'static str> {
    if let Some(encoded) = hash.strip_prefix("{SHA}") {
        let decoded = STANDARD.decode(encoded).ok().and_then(|decoded| decoded.try_into().ok());
        return decoded.map(Hash::Sha1).ok_or("after `{SHA}` there is no hash");
    }
    if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| "the bcrypt hash is damaged")?;
        if parts.get_cost() > COST_MAX {
            return Err("the cost of the bcrypt hash is above 14: each request would take seconds");
        }
        return Ok(Hash::Bcrypt(hash.to_owned()));
    }
    if hash.starts_with('$') || hash.starts_with('{') {
        return Err("this kind of hash is not taken: use bcrypt, `htpasswd -B`");
    }
    if hash.is_empty() {
        return Err("the password is empty");
    }
    Ok(Hash::Plain(hash.to_owned()))
}

/// The standard library's hash maps are seeded from the system's random numbers.
fn salt() -> [u8; 16] {
    let random = || RandomState::new().hash_one(0_u8).to_ne_bytes();
    let mut salt = [0; 16];
    for (to, from) in salt.iter_mut().zip(random().into_iter().chain(random())) {
        *to = from;
    }
    salt
}
