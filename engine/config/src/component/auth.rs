//! `auth` of receivers and exporters, and the extensions that it names.

use std::sync::Arc;
use std::time::Duration;

use super::{pem, tls};
use crate::id::ComponentId;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{
    BasicAuth, BasicClient, BearerTokenAuth, Credential, Endpoint, Extension, HeaderAction, HeaderRule, HeaderSource,
    HeadersSetter, Htpasswd, HttpUrl, OAuth2Client, Tokens,
};
use crate::schema::{Key, Kind, Section, key, never, required};
use crate::secret::Secret;
use crate::values::{expected, text, words};

pub(super) const SERVER_KEY: Key =
    key("auth", Kind::Section(&SERVER), "", "Who may send. Absent or empty: everybody. See [security](security.md).");
pub(super) const CLIENT_KEY: Key = key("auth", Kind::Section(&CLIENT), "", "How we say who we are.");

static SERVER: Section = Section {
    keys: &[
        required("authenticator", Kind::Id, "A `bearertokenauth`, or a `basicauth` with `htpasswd`."),
        never("request_params", "send the credentials in a header"),
    ],
};

static CLIENT: Section = Section {
    keys: &[required(
        "authenticator",
        Kind::Id,
        "A `bearertokenauth`, a `basicauth` with `client_auth`, a `headers_setter` or an `oauth2client`.",
    )],
};

/// On which side of a connection an authenticator is to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Server,
    Client,
    /// Beneath a `headers_setter`.
    Additional,
}

/// `None`: nothing is named. That the name leads to an authenticator of this side is looked at when all are known.
pub(super) fn read(reader: &Reader, side: Side) -> Option<ComponentId> {
    reader.node("auth")?;
    let auth = reader.section("auth", if side == Side::Server { &SERVER } else { &CLIENT })?;
    let id = auth.required::<ComponentId>("authenticator", "the name of an extension that authenticates")?;
    reader.report.refer_authenticator(&id.place, &id.value, side);
    Some(id.value)
}

pub(super) static BEARER: Section = Section {
    keys: &[
        key("token", Kind::Text, "", "The token. Never shown."),
        key("tokens", Kind::Any, "[]", "Several: a server takes any of them, a client sends the first. Never shown."),
        key("filename", Kind::File, "", "A file with the tokens, one a line. A change counts within a second."),
        key("scheme", Kind::Text, "Bearer", "What stands before the token."),
        key("header", Kind::Text, "Authorization", "The header that carries it."),
    ],
};

pub(super) fn read_bearer(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Extension> {
    const EXPECTED: &str = "a text of visible ASCII characters and spaces";
    let visible = |text: &String| tls::is_header_value(text);
    let is_name = |name: &String| tls::is_header_name(name) && tls::reserved(&name.to_ascii_lowercase()).is_none();
    let header = reader.checked("header", "the name of a header that the protocol leaves free", is_name);
    let scheme = match reader.node("scheme") {
        Some(_) => reader.checked("scheme", EXPECTED, visible).unwrap_or_default(),
        None => "Bearer".to_owned(),
    };
    let given = ["token", "tokens", "filename"].into_iter().filter(|key| pem::is_there(reader, key));
    let given: Vec<&str> = given.filter(|key| reader.node(key).is_none_or(|node| !is_empty_list(node))).collect();
    if given.len() != 1 {
        let problem = match given.first() {
            None => Problem::MissingKey { key: "token", expected: "the token, or `filename`".to_owned() },
            Some(_) => Problem::Invalid("expected one of `token`, `tokens` and `filename`".to_owned()),
        };
        reader.report.error(&given.last().map_or(reader.own_place().clone(), |key| reader.place(key)), problem);
    }
    let one: Option<String> = reader.get("token").filter(|token: &String| !token.is_empty());
    let several: Vec<String> = match reader.node("tokens") {
        Some(_) => reader.list::<String>("tokens").into_iter().map(|token| token.value).collect(),
        None => Vec::new(),
    };
    let tokens = match pem::read_file(reader, "filename") {
        Some(path) => Tokens::File(path),
        None => Tokens::Texts(one.into_iter().chain(several).map(Secret::new).collect()),
    };
    let header = header.map_or_else(|| "authorization".into(), |header| header.to_ascii_lowercase().into());
    Some(Extension::BearerTokenAuth(BearerTokenAuth { header, scheme: scheme.into(), tokens }))
}

fn is_empty_list(node: &Node) -> bool {
    matches!(&node.value, Value::List(items) if items.is_empty())
}

pub(super) static BASIC: Section = Section {
    keys: &[
        key("htpasswd", Kind::Section(&HTPASSWD), "", "Of receivers: who may send."),
        key("client_auth", Kind::Section(&BASIC_CLIENT), "", "Of exporters: who we are."),
    ],
};

static HTPASSWD: Section = Section {
    keys: &[
        key(
            "file",
            Kind::File,
            "",
            "As `htpasswd -B` writes it: bcrypt; `{SHA}` and plain passwords are taken too. A change counts within a second.",
        ),
        key("inline", Kind::Text, "", "The same as a text, whose users win over those of the file. Never shown."),
    ],
};

static BASIC_CLIENT: Section = Section {
    keys: &[
        key("username", Kind::Text, "", "The name."),
        key("password", Kind::Text, "", "The password. Never shown."),
        key("username_file", Kind::File, "", "A file with the name. A change counts within a second."),
        key("password_file", Kind::File, "", "A file with the password. A change counts within a second."),
    ],
};

pub(super) fn read_basic(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Extension> {
    let htpasswd = reader.node("htpasswd").and_then(|_| reader.section("htpasswd", &HTPASSWD)).and_then(|of| {
        let file = pem::read_file(&of, "file");
        let inline = of.get::<String>("inline").filter(|text| !text.is_empty()).map(Secret::new);
        if file.is_none() && !pem::is_there(&of, "file") && inline.is_none() {
            let expected = "a file of users, or `inline`".to_owned();
            of.report.error(of.own_place(), Problem::MissingKey { key: "file", expected });
        }
        (file.is_some() || inline.is_some()).then_some(Htpasswd { file, inline })
    });
    let client = reader.node("client_auth").and_then(|_| reader.section("client_auth", &BASIC_CLIENT)).and_then(|of| {
        let username = credential(&of, "username", "username_file");
        let password = credential(&of, "password", "password_file");
        Some(BasicClient { username: username?, password: password? })
    });
    if reader.node("htpasswd").is_none() && reader.node("client_auth").is_none() {
        let expected = "for receivers, or `client_auth` for exporters".to_owned();
        reader.report.error(reader.own_place(), Problem::MissingKey { key: "htpasswd", expected });
    }
    // One that is there and has mistakes is not missing.
    let wrong = (reader.node("htpasswd").is_some() && htpasswd.is_none())
        || (reader.node("client_auth").is_some() && client.is_none());
    (!wrong).then_some(Extension::BasicAuth(BasicAuth { htpasswd, client }))
}

/// A text or a file, of which one is required. The file wins, as in the Collector.
fn credential(reader: &Reader, key: &'static str, file: &'static str) -> Option<Credential> {
    let text = reader.get::<String>(key).filter(|text| !text.is_empty());
    if pem::is_there(reader, file) {
        return pem::read_file(reader, file).map(Credential::File);
    }
    if text.is_none() && !reader.node(key).is_some_and(|node| !matches!(node.value, Value::Scalar(_))) {
        let expected = format!("the text, or `{file}`");
        reader.report.error(&reader.place(key), Problem::MissingKey { key, expected });
    }
    text.map(|text| Credential::Text(Secret::new(text)))
}

pub(super) static HEADERS_SETTER: Section = Section {
    keys: &[
        required("headers", Kind::Sections(&HEADER), "What is done, in this order. Values are never shown."),
        key("additional_auth", Kind::Id, "", "Another authenticator, whose headers come first."),
    ],
};

static HEADER: Section = Section {
    keys: &[
        required("key", Kind::Text, "The header."),
        key(
            "action",
            Kind::Word(ACTIONS),
            "upsert",
            "`insert` sets a header that is not there, `update` one that is, `upsert` either; `delete` takes it away.",
        ),
        key("value", Kind::Text, "", "The value."),
        key("value_file", Kind::File, "", "A file with the value. A change counts within a second."),
        key(
            "from_context",
            Kind::Text,
            "",
            "The header of the request that came in, whose first value is taken. The receiver needs `include_metadata`, and a \
             `batch` processor the name in `metadata_keys`.",
        ),
        key("default_value", Kind::Text, "", "For `from_context`, where the request has no such header."),
        never("from_attribute", "use `from_context` with the header that the client sends"),
    ],
};

words!(
    HeaderAction,
    ACTIONS: "insert" => HeaderAction::Insert,
    "update" => HeaderAction::Update,
    "upsert" => HeaderAction::Upsert,
    "delete" => HeaderAction::Delete,
);

pub(super) fn read_headers_setter(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Extension> {
    if reader.node("headers").is_none_or(is_empty_list) {
        let expected = "at least one header".to_owned();
        reader.report.error(&reader.place("headers"), Problem::MissingKey { key: "headers", expected });
    }
    let rules = reader.sections("headers", &HEADER).iter().filter_map(read_rule).collect();
    let additional = reader.located::<ComponentId>("additional_auth");
    if let Some(id) = &additional {
        reader.report.refer_authenticator(&id.place, &id.value, Side::Additional);
    }
    Some(Extension::HeadersSetter(HeadersSetter { rules, additional: additional.map(|id| id.value) }))
}

fn read_rule(reader: &Reader) -> Option<HeaderRule> {
    let name = reader.required::<String>("key", "the name of a header")?;
    let lower = name.value.to_ascii_lowercase();
    if !tls::is_header_name(&lower) {
        reader.report.error(&name.place, Problem::Invalid(format!("`{}` is not the name of a header", name.value)));
        return None;
    }
    if let Some(why) = tls::reserved(&lower) {
        reader.report.error(&name.place, Problem::Invalid(format!("`{}` cannot be set: {why}", name.value)));
        return None;
    }
    let action = reader.get_or("action", HeaderAction::default());
    let sources: Vec<&str> =
        ["value", "value_file", "from_context"].into_iter().filter(|key| pem::is_there(reader, key)).collect();
    let wanted = usize::from(action != HeaderAction::Delete);
    if sources.len() != wanted {
        let problem = match (wanted, sources.as_slice()) {
            (0, _) => "`delete` takes no value",
            (_, []) => "there is no value: expected `value`, `value_file` or `from_context`",
            _ => "expected one of `value`, `value_file` and `from_context`",
        };
        reader.report.error(reader.own_place(), Problem::Invalid(problem.to_owned()));
    }
    let value = visible(reader, "value").map(|value| HeaderSource::Value(Credential::Text(value)));
    let file = pem::read_file(reader, "value_file").map(|path| HeaderSource::Value(Credential::File(path)));
    let default = visible(reader, "default_value");
    let from = reader.get::<String>("from_context").filter(|name| !name.is_empty());
    let context = from.map(|name| HeaderSource::Context { name: name.to_ascii_lowercase().into(), default });
    Some(HeaderRule { name: lower.into(), action, value: value.or(file).or(context) })
}

/// A header's value. Nothing, such as a variable that is not set, is none.
fn visible(reader: &Reader, key: &str) -> Option<Secret> {
    let valid = |value: &String| tls::is_header_value(value);
    let value = reader.checked(key, "a text of visible ASCII characters and spaces, at most 8 KiB", valid);
    value.filter(|value| !value.is_empty()).map(Secret::new)
}

pub(super) static OAUTH2: Section = Section {
    keys: &[
        key("client_id", Kind::Text, "", "Our name. This or `client_id_file` is required."),
        key("client_id_file", Kind::File, "", "A file with it. A change counts with the next token."),
        key("client_secret", Kind::Text, "", "Our secret. This or `client_secret_file` is required. Never shown."),
        key("client_secret_file", Kind::File, "", "A file with it. A change counts with the next token."),
        required("token_url", Kind::Url, "Where tokens are given."),
        key("scopes", Kind::Any, "[]", "What to ask for: a list of texts."),
        key("endpoint_params", Kind::Texts, "{}", "More fields of the request for a token. Never shown."),
        key("timeout", Kind::Duration, "10s", "For a token to come, at most 1h."),
        key(
            "expiry_buffer",
            Kind::Duration,
            "5m",
            "How long before its end a token is renewed; at most half of its life.",
        ),
        key("tls", Kind::Section(&tls::SECTION), "", "How the token's server is believed."),
        never("grant_type", "client credentials are what is sent"),
    ],
};

pub(super) fn read_oauth2(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Extension> {
    let client_id = credential(reader, "client_id", "client_id_file");
    let client_secret = credential(reader, "client_secret", "client_secret_file");
    let token_url = reader.required::<HttpUrl>("token_url", "the URL that gives tokens");
    let scopes = reader.list::<String>("scopes").into_iter().map(|scope| Arc::from(scope.value)).collect();
    let mut endpoint_params = Vec::new();
    for (entry, place) in reader.named("endpoint_params") {
        match text(&entry.node, "a text") {
            Ok(value) => endpoint_params.push((Arc::from(entry.key.as_str()), Secret::new(value))),
            Err(_) => reader.report.error(&place, expected("a text", &entry.node)),
        }
    }
    let sane = |timeout: &Duration| !timeout.is_zero() && *timeout <= Duration::from_secs(60 * 60);
    let timeout = reader.checked("timeout", "a duration above 0, at most `1h`", sane);
    let (_, tls) = tls::read(reader);
    Some(Extension::OAuth2Client(OAuth2Client {
        client_id: client_id?,
        client_secret: client_secret?,
        token_url: token_url?.value,
        scopes,
        endpoint_params,
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        expiry_buffer: reader.get_or("expiry_buffer", Duration::from_secs(5 * 60)),
        tls,
    }))
}
