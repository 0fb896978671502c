//! What stands before every request of a client: the settings' headers, then those that the protocol fixes.

use ::http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::ClientError;
use crate::encoding::Encoding;
use crate::settings::Compression;

/// The settings' headers. A `user-agent` among them replaces the other.
pub(super) fn headers(user_agent: &str, headers: &[(String, String)]) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| ClientError::Setting {
            key: "headers",
            value: name.clone(),
            expected: "the name of a header: letters, digits and `-`",
        })?;
        // The value may be a secret: the error names the header instead.
        let mut value: HeaderValue = value.parse().map_err(|_| ClientError::Setting {
            key: "headers",
            value: name.to_string(),
            expected: "a value of visible characters",
        })?;
        value.set_sensitive(true);
        map.append(name, value);
    }
    if !map.contains_key(USER_AGENT) {
        let value = user_agent.parse().map_err(|_| ClientError::Setting {
            key: "user_agent",
            value: user_agent.into(),
            expected: "visible characters",
        })?;
        map.insert(USER_AGENT, value);
    }
    Ok(map)
}

pub(super) fn encoding(compression: Compression) -> Encoding {
    match compression {
        Compression::None => Encoding::Identity,
        Compression::Gzip => Encoding::Gzip,
        Compression::Zstd => Encoding::Zstd,
    }
}
