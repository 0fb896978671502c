//! What browsers ask before a page of another origin may send (the Fetch standard's CORS protocol).
//!
//! Answers are those of the library that the Collector uses: a page that may not is served like anybody, and not told that it may;
//! its browser keeps the answer from it.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::reply::HttpBody;
use crate::settings::CorsSettings;

/// Headers that every page may send.
const ALWAYS: [&str; 4] = ["accept", "content-type", "origin", "x-requested-with"];

/// The answer to a browser that asks beforehand; `None`: this is a request.
pub(super) fn preflight(cors: &CorsSettings, method: &Method, headers: &HeaderMap) -> Option<Response<HttpBody>> {
    let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| *method == Method::OPTIONS)?;
    let mut response = Response::new(HttpBody::new(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(
        VARY,
        HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"),
    );
    let origin = headers.get(ORIGIN).filter(|origin| is_allowed(cors, origin));
    let asked = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    let all_allowed = asked.iter().all(|names| headers_allowed(cors, names));
    if let Some(origin) = origin.filter(|_| wanted.as_bytes() == Method::POST.as_str().as_bytes() && all_allowed) {
        allow_origin(origin, answer);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(Method::POST.as_str()));
        for names in asked {
            answer.append(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        if !cors.max_age.is_zero() {
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
        }
    }
    Some(response)
}

/// Tells the page of a request that it may see the answer, if so.
pub(super) fn allow(cors: &CorsSettings, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
    answer.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.filter(|origin| is_allowed(cors, origin)) {
        allow_origin(origin, answer);
    }
}

fn allow_origin(origin: &HeaderValue, answer: &mut HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
}

fn is_allowed(cors: &CorsSettings, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let origin = origin.to_ascii_lowercase();
    cors.allowed_origins.iter().any(|allowed| {
        let allowed = allowed.to_ascii_lowercase();
        match allowed.split_once('*') {
            Some((before, after)) => {
                origin.len() >= before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
            }
            None => origin == allowed,
        }
    })
}

fn headers_allowed(cors: &CorsSettings, names: &HeaderValue) -> bool {
    let Ok(names) = names.to_str() else { return false };
    let allowed = |name: &str| {
        ALWAYS.iter().any(|always| always.eq_ignore_ascii_case(name))
            || cors.allowed_headers.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(name))
    };
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).all(allowed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A `*` stands for any text, once; case does not matter; an origin is the whole of it.
    #[test]
    fn origins() {
        let cors = CorsSettings {
            allowed_origins: ["https://a.test", "https://*.b.test"].map(str::to_owned).into(),
            allowed_headers: Vec::new(),
            max_age: Duration::ZERO,
        };
        let cases = [
            ("https://a.test", true),
            ("HTTPS://A.test", true),
            ("https://a.test:1", false),
            ("http://a.test", false),
            ("https://x.b.test", true),
            ("https://b.test", false),
            ("https://.b.test.evil", false),
            ("", false),
        ];
        for (origin, expected) in cases {
            assert_eq!(is_allowed(&cors, &HeaderValue::from_str(origin).unwrap()), expected, "{origin}");
        }
    }
}
