//! `headers_setter`: headers of a request to a backend, from what the request came with.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use wasmill_batch::RequestContext;

use super::{AuthError, ClientAuth, NoCredentials, credential, sensitive, text};
use crate::reloading::{Reloading, Source};
use crate::settings::{HeaderAction, HeaderSource, HeadersSettings};

pub(crate) struct Headers {
    rules: Vec<Rule>,
    additional: Option<ClientAuth>,
}

struct Rule {
    name: HeaderName,
    condition: Condition,
    value: Value,
}

/// When a rule applies.
#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Absent,
    Present,
    Always,
}

enum Value {
    Remove,
    Given(Reloading<HeaderValue, AuthError>),
    Context { name: String, default: Option<HeaderValue> },
}

impl Headers {
    pub fn new(settings: &HeadersSettings) -> Result<Headers, AuthError> {
        let key = format!("{}::headers", settings.key);
        let mut rules = Vec::new();
        for rule in &settings.rules {
            let not_a_header = |_| AuthError::invalid(&key, "key", "it is not the name of a header");
            let name: HeaderName = rule.name.parse().map_err(not_a_header)?;
            let (condition, value) = match &rule.action {
                HeaderAction::Insert(source) => (Condition::Absent, value(&key, source)?),
                HeaderAction::Update(source) => (Condition::Present, value(&key, source)?),
                HeaderAction::Upsert(source) => (Condition::Always, value(&key, source)?),
                HeaderAction::Delete => (Condition::Always, Value::Remove),
            };
            rules.push(Rule { name, condition, value });
        }
        let additional = settings.additional.as_deref().map(ClientAuth::new).transpose()?;
        Ok(Headers { rules, additional })
    }

    pub async fn apply(&self, context: &RequestContext, headers: &mut HeaderMap) -> Result<(), NoCredentials> {
        if let Some(additional) = &self.additional {
            Box::pin(additional.apply(context, headers)).await?;
        }
        for Rule { name, condition, value } in &self.rules {
            let there = headers.contains_key(name);
            if (*condition == Condition::Absent && there) || (*condition == Condition::Present && !there) {
                continue;
            }
            let value = match value {
                Value::Remove => {
                    headers.remove(name);
                    continue;
                }
                Value::Given(value) => Some(HeaderValue::clone(&*value.current().await)),
                Value::Context { name, default } => {
                    let given = context.metadata(name).filter(|value| !value.is_empty());
                    given.and_then(|value| sensitive(name, value).ok()).or_else(|| default.clone())
                }
            };
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                headers.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    pub async fn renew(&self) -> bool {
        match &self.additional {
            Some(additional) => Box::pin(additional.renew()).await,
            None => false,
        }
    }
}

fn value(key: &str, source: &HeaderSource) -> Result<Value, AuthError> {
    Ok(match source {
        HeaderSource::Value(value) => {
            let make = |sources: &[Source], contents: &[Vec<u8>]| match (sources, contents) {
                ([source], [content]) => sensitive(&source.key, text(source, content)?),
                _ => Ok(HeaderValue::from_static("")),
            };
            Value::Given(Reloading::new("a header", vec![credential(key, "value", value)], make)?)
        }
        HeaderSource::Context { name, default } => {
            let default = default.as_ref().map(|default| sensitive(&format!("{key}::default_value"), default.expose()));
            Value::Context { name: name.to_ascii_lowercase(), default: default.transpose()? }
        }
    })
}
