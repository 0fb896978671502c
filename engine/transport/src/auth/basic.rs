//! `basicauth` of clients: a name and a password (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};

use super::{AuthError, credential, sensitive, text};
use crate::reloading::{Reloading, Source};
use crate::settings::BasicSettings;

pub(crate) struct Basic {
    value: Reloading<HeaderValue, AuthError>,
}

impl Basic {
    pub fn new(settings: &BasicSettings) -> Result<Basic, AuthError> {
        let section = format!("{}::client_auth", settings.key);
        let sources = vec![
            credential(&section, "username", &settings.username),
            credential(&section, "password", &settings.password),
        ];
        let make = move |sources: &[Source], contents: &[Vec<u8>]| {
            let invalid = |why: &str| AuthError::Invalid { key: section.clone(), why: why.into() };
            let ([of_name, of_password], [name, password]) = (sources, contents) else {
                return Err(invalid("name and password are missing"));
            };
            let (name, password) = (text(of_name, name)?, text(of_password, password)?);
            if name.contains(':') {
                return Err(invalid("a name with a colon cannot be sent"));
            }
            sensitive(&section, &format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
        };
        Ok(Basic { value: Reloading::new("credentials", sources, make)? })
    }

    pub async fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, HeaderValue::clone(&*self.value.current().await));
    }
}
