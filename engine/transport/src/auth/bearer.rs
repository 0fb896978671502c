//! `bearertokenauth`: a token that both sides know.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use subtle::ConstantTimeEq;
use wasmill_batch::Refusal;

use super::{AuthError, FILE_INTERVAL, after_scheme, sensitive, text, unauthenticated};
use crate::reloading::{Content, Reloading, Source};
use crate::settings::{BearerSettings, Tokens};

pub(crate) struct Bearer {
    header: HeaderName,
    scheme: String,
    tokens: Reloading<Known, AuthError>,
}

/// At least one.
struct Known {
    tokens: Vec<String>,
    /// What a client sends.
    value: HeaderValue,
}

impl Bearer {
    pub fn new(settings: &BearerSettings) -> Result<Bearer, AuthError> {
        let BearerSettings { key, header, scheme, tokens } = settings;
        let header = header.parse().map_err(|_| AuthError::invalid(key, "header", "it is not the name of a header"))?;
        let (name, contents, every) = match tokens {
            Tokens::File(path) => ("filename", vec![Content::File(path.clone())], Some(FILE_INTERVAL)),
            Tokens::Texts(tokens) => {
                let texts = tokens.iter().map(|token| Content::Text(token.expose().to_owned())).collect();
                (if tokens.len() == 1 { "token" } else { "tokens" }, texts, None)
            }
        };
        let of_key = format!("{key}::{name}");
        let source = |content| Source { key: of_key.clone(), content, every };
        let sources: Vec<Source> = contents.into_iter().map(source).collect();
        let of_scheme = scheme.clone();
        let make = move |sources: &[Source], contents: &[Vec<u8>]| {
            let mut tokens = Vec::new();
            for (source, content) in sources.iter().zip(contents) {
                let lines = text(source, content)?.lines().map(str::trim).filter(|line| !line.is_empty());
                tokens.extend(lines.map(str::to_owned));
            }
            let none = || AuthError::Invalid { key: of_key.clone(), why: "there is no token".into() };
            let first = tokens.first().ok_or_else(none)?;
            let value = match of_scheme.as_str() {
                "" => sensitive(&of_key, first)?,
                scheme => sensitive(&of_key, &format!("{scheme} {first}"))?,
            };
            Ok(Known { tokens, value })
        };
        Ok(Bearer { header, scheme: scheme.clone(), tokens: Reloading::new("tokens", sources, make)? })
    }

    pub async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(value) = headers.get(&self.header) else {
            return Err(unauthenticated(format!("`{}` is missing", self.header)));
        };
        let Some(token) = after_scheme(value.as_bytes(), &self.scheme) else {
            return Err(unauthenticated(format!("`{}` does not begin with `{}`", self.header, self.scheme)));
        };
        let known = self.tokens.current().await;
        // Every one is compared, and in a time that does not depend on how much of it is right.
        let matches = known.tokens.iter().map(|known| bool::from(known.as_bytes().ct_eq(token)));
        if matches.fold(false, |any, is| any | is) { Ok(()) } else { Err(unauthenticated("the token is not known")) }
    }

    pub async fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(self.header.clone(), self.tokens.current().await.value.clone());
    }
}
