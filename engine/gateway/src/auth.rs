//! Authenticators as the configuration has them, in the transport's terms.

use wasmill_config::{self as config, ComponentId, Config, Extension};
use wasmill_transport::GuardSettings;
use wasmill_transport::settings::{
    BasicSettings, BearerSettings, ClientAuthSettings, Credential, HeaderAction, HeaderRule, HeaderSource,
    HeadersSettings, HtpasswdSettings, OAuth2Settings, Secret, ServerAuthSettings, Tokens,
};

use crate::tls::{tls_client, tls_server};

/// Who may ask a `health_check`.
pub fn health_guard(config: &Config, id: &ComponentId, settings: &config::HealthCheck) -> GuardSettings {
    GuardSettings {
        tls: settings.tls.as_ref().map(|tls| tls_server(format!("extensions::{id}::tls"), tls)),
        auth: settings.authenticator.as_ref().map(|id| server_auth(config, id)),
    }
}

/// Who may scrape an exporter.
pub fn scrape_guard(config: &Config, id: &ComponentId, settings: &config::PrometheusExporter) -> GuardSettings {
    GuardSettings {
        tls: settings.tls.as_ref().map(|tls| tls_server(format!("exporters::{id}::tls"), tls)),
        auth: settings.authenticator.as_ref().map(|id| server_auth(config, id)),
    }
}

/// Who may send to a server that names this extension. One that cannot be had lets nobody in: it has no tokens, and is refused.
pub fn server_auth(config: &Config, id: &ComponentId) -> ServerAuthSettings {
    let key = key(id);
    match config.extensions.get(id) {
        Some(Extension::BearerTokenAuth(bearer)) => ServerAuthSettings::Bearer(bearer_settings(key, bearer)),
        Some(Extension::BasicAuth(config::BasicAuth { htpasswd: Some(htpasswd), .. })) => {
            let config::Htpasswd { file, inline } = htpasswd;
            let inline = inline.as_ref().map(secret);
            ServerAuthSettings::Basic(HtpasswdSettings { key, file: file.clone(), inline })
        }
        _ => ServerAuthSettings::Bearer(nobody(key)),
    }
}

/// How a client that names this extension says who it is.
pub fn client_auth(config: &Config, id: &ComponentId) -> ClientAuthSettings {
    let key = key(id);
    match config.extensions.get(id) {
        Some(Extension::BearerTokenAuth(bearer)) => ClientAuthSettings::Bearer(bearer_settings(key, bearer)),
        Some(Extension::BasicAuth(config::BasicAuth { client: Some(client), .. })) => {
            let (username, password) = (credential(&client.username), credential(&client.password));
            ClientAuthSettings::Basic(BasicSettings { key, username, password })
        }
        Some(Extension::HeadersSetter(setter)) => ClientAuthSettings::Headers(HeadersSettings {
            key,
            rules: setter.rules.iter().filter_map(rule).collect(),
            // Never a `headers_setter` again: this ends.
            additional: setter.additional.as_ref().map(|id| Box::new(client_auth(config, id))),
        }),
        Some(Extension::OAuth2Client(oauth2)) => ClientAuthSettings::OAuth2(OAuth2Settings {
            key,
            client_id: credential(&oauth2.client_id),
            client_secret: credential(&oauth2.client_secret),
            token_url: oauth2.token_url.to_string(),
            scopes: oauth2.scopes.iter().map(ToString::to_string).collect(),
            endpoint_params: oauth2
                .endpoint_params
                .iter()
                .map(|(name, value)| (name.to_string(), secret(value)))
                .collect(),
            timeout: oauth2.timeout,
            expiry_buffer: oauth2.expiry_buffer,
            tls: tls_client(&oauth2.tls),
        }),
        _ => ClientAuthSettings::Bearer(nobody(key)),
    }
}

fn key(id: &ComponentId) -> String {
    format!("extensions::{id}")
}

fn nobody(key: String) -> BearerSettings {
    BearerSettings { key, header: "authorization".into(), scheme: "Bearer".into(), tokens: Tokens::Texts(Vec::new()) }
}

fn bearer_settings(key: String, bearer: &config::BearerTokenAuth) -> BearerSettings {
    let tokens = match &bearer.tokens {
        config::Tokens::Texts(tokens) => Tokens::Texts(tokens.iter().map(secret).collect()),
        config::Tokens::File(path) => Tokens::File(path.clone()),
    };
    BearerSettings { key, header: bearer.header.to_string(), scheme: bearer.scheme.to_string(), tokens }
}

fn rule(rule: &config::HeaderRule) -> Option<HeaderRule> {
    let source = |source: &config::HeaderSource| match source {
        config::HeaderSource::Value(value) => HeaderSource::Value(credential(value)),
        config::HeaderSource::Context { name, default } => {
            HeaderSource::Context { name: name.to_string(), default: default.as_ref().map(secret) }
        }
    };
    let action = match (rule.action, rule.value.as_ref().map(source)) {
        (config::HeaderAction::Insert, Some(source)) => HeaderAction::Insert(source),
        (config::HeaderAction::Update, Some(source)) => HeaderAction::Update(source),
        (config::HeaderAction::Upsert, Some(source)) => HeaderAction::Upsert(source),
        (config::HeaderAction::Delete, _) => HeaderAction::Delete,
        (_, None) => return None,
    };
    Some(HeaderRule { name: rule.name.to_string(), action })
}

fn credential(credential: &config::Credential) -> Credential {
    match credential {
        config::Credential::Text(text) => Credential::Text(secret(text)),
        config::Credential::File(path) => Credential::File(path.clone()),
    }
}

fn secret(text: &config::Secret) -> Secret {
    Secret::new(text.expose())
}
