//! Addresses to listen on and to send to.

use std::path::PathBuf;

use super::{FromNode, expected, text};
use crate::node::Node;
use crate::problem::Problem;
use crate::running::{Endpoint, HttpUrl};
use crate::secret::Secret;

/// `host:port` to listen on; the host may be empty, the port 0.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ServerAddress(pub Endpoint);

/// `host:port` to send to, with what a scheme before it said about TLS.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ClientAddress {
    pub endpoint: Endpoint,
    /// `http://`: no; `https://`: yes; no scheme: `tls.insecure` says.
    pub tls: Option<bool>,
    /// The path of a Unix socket to send to instead.
    pub unix: Option<PathBuf>,
}

impl FromNode for ServerAddress {
    fn from_node(node: &Node) -> Result<ServerAddress, Problem> {
        const EXPECTED: &str = "`host:port`, such as `localhost:4317`, `0.0.0.0:4317` or `[::1]:4317`";
        let address = text(node, EXPECTED)?;
        refuse_unix(&address)?;
        match host_and_port(&address) {
            Some((host, Some(port))) => Ok(ServerAddress(Endpoint::new(host, port))),
            _ => Err(expected(EXPECTED, node)),
        }
    }
}

impl FromNode for ClientAddress {
    fn from_node(node: &Node) -> Result<ClientAddress, Problem> {
        const EXPECTED: &str = "`host:port`, with or without `http://` or `https://` before it, or `unix:PATH`";
        let address = text(node, EXPECTED)?;
        if let Some(path) = address.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('\0') {
                return Err(expected(EXPECTED, node));
            }
            return Ok(ClientAddress { endpoint: Endpoint::new("localhost", 0), tls: None, unix: Some(path.into()) });
        }
        let (tls, rest, default_port) = match address.split_once("://") {
            Some(("http", rest)) => (Some(false), rest, Some(80)),
            Some(("https", rest)) => (Some(true), rest, Some(443)),
            // gRPC's way to ask for name resolution, which there always is: `dns:///host:port`.
            Some(("dns", rest)) => (None, rest.strip_prefix('/').unwrap_or(rest), None),
            Some(_) => return Err(expected(EXPECTED, node)),
            None => (None, address.as_str(), None),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        match host_and_port(rest) {
            Some((host, port)) if !host.is_empty() => match port.or(default_port) {
                Some(port) if port != 0 => Ok(ClientAddress { endpoint: Endpoint::new(host, port), tls, unix: None }),
                _ => Err(expected(EXPECTED, node)),
            },
            _ => Err(expected(EXPECTED, node)),
        }
    }
}

/// A URL that may have `user:password@` before its host, as people write credentials for HTTP.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct UrlWithUser {
    pub url: HttpUrl,
    /// With `%41` read as `A`.
    pub user: Option<(String, Secret)>,
}

impl FromNode for UrlWithUser {
    fn from_node(node: &Node) -> Result<UrlWithUser, Problem> {
        const EXPECTED: &str = "a URL, such as `https://backend:443/path` or `https://user:password@backend/path`, without query and fragment";
        let whole = text(node, EXPECTED)?;
        let Some((scheme, rest)) = whole.split_once("://") else {
            return Ok(UrlWithUser { url: http_url(&whole).ok_or_else(|| expected(EXPECTED, node))?, user: None });
        };
        let authority = rest.find('/').map_or(rest, |end| &rest[..end]);
        let Some((user, _)) = authority.rsplit_once('@') else {
            return Ok(UrlWithUser { url: http_url(&whole).ok_or_else(|| expected(EXPECTED, node))?, user: None });
        };
        // The value is not shown: it has a password.
        let wrong = || Problem::Invalid(format!("is not {EXPECTED}"));
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let (Some(name), Some(password)) = (unescaped(name), unescaped(password)) else { return Err(wrong()) };
        let without = format!("{scheme}://{}", &rest[user.len() + 1..]);
        let url = http_url(&without).ok_or_else(wrong)?;
        if name.is_empty() || name.contains(':') {
            return Err(wrong());
        }
        Ok(UrlWithUser { url, user: Some((name, Secret::new(password))) })
    }
}

/// Text with `%` and two hexadecimal digits for what a URL cannot have.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

impl FromNode for HttpUrl {
    fn from_node(node: &Node) -> Result<HttpUrl, Problem> {
        const EXPECTED: &str = "a URL, such as `https://collector:4318`, without user, query and fragment";
        http_url(&text(node, EXPECTED)?).ok_or_else(|| expected(EXPECTED, node))
    }
}

fn http_url(url: &str) -> Option<HttpUrl> {
    let (scheme, rest) = url.split_once("://")?;
    let (tls, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (false, 80),
        "https" => (true, 443),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let valid_path = path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>' | '\\'));
    let (host, port) = host_and_port(authority)?;
    if host.is_empty() || port == Some(0) || !valid_path {
        return None;
    }
    let endpoint = Endpoint::new(host, port.unwrap_or(default_port));
    let path = if path.is_empty() { "/" } else { path };
    Some(HttpUrl { tls, endpoint, path: path.into() })
}

/// The host, without the brackets of IPv6, and the port if there is one. `None`: not an address.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            // A zone (`%eth0`) may follow the address.
            let address = host.split_once('%').map_or(host, |(address, _)| address);
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match text.rsplit_once(':') {
            // More than one colon without brackets: IPv6, and where the port starts is anybody's guess.
            Some((host, _)) if host.contains(':') => return None,
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if !text.starts_with('[') && !host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return None;
    }
    match port {
        None => Some((host, None)),
        Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        Some(_) => None,
    }
}

fn refuse_unix(address: &str) -> Result<(), Problem> {
    if address.starts_with("unix:") {
        let instead = "write the path alone, beside `transport: unix`".to_owned();
        return Err(Problem::NotServed { what: "`unix:` where a server listens".to_owned(), instead });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    fn read<T: FromNode>(text: &str) -> Option<T> {
        T::from_node(&Node::text(Span::default(), text)).ok()
    }

    #[test]
    fn a_server_listens_on_host_and_port() {
        let cases = [
            ("localhost:4317", Some("localhost:4317")),
            ("0.0.0.0:4317", Some("0.0.0.0:4317")),
            (":4317", Some(":4317")),
            ("[::1]:4317", Some("[::1]:4317")),
            ("[fe80::1%eth0]:1", Some("[fe80::1%eth0]:1")),
            ("[::]:0", Some("[::]:0")),
            ("::1:4317", None),
            ("localhost", None),
            ("localhost:", None),
            ("localhost:65536", None),
            ("localhost:+1", None),
            ("local host:1", None),
            ("http://localhost:4317", None),
            ("[nonsense]:1", None),
            ("[::1]4317", None),
            ("unix:///run/otlp.sock", None),
        ];
        for (text, expected) in cases {
            let address = read::<ServerAddress>(text).map(|address| address.0.to_string());
            assert_eq!(address.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_client_may_say_whether_it_wants_tls() {
        let cases = [
            ("backend:4317", Some(("backend:4317", None))),
            ("http://backend:4317", Some(("backend:4317", Some(false)))),
            ("https://backend", Some(("backend:443", Some(true)))),
            ("https://backend:4317/", Some(("backend:4317", Some(true)))),
            ("dns:///backend:4317", Some(("backend:4317", None))),
            (":4317", None),
            ("backend", None),
            ("backend:0", None),
            ("http://backend/path", None),
            ("ftp://backend:1", None),
        ];
        for (text, expected) in cases {
            let address = read::<ClientAddress>(text).map(|address| (address.endpoint.to_string(), address.tls));
            assert_eq!(address, expected.map(|(endpoint, tls)| (endpoint.to_owned(), tls)), "{text:?}");
        }
    }

    #[test]
    fn a_url_is_whole_and_plain() {
        let cases = [
            ("http://backend:4318", Some("http://backend:4318/")),
            ("https://backend/otlp", Some("https://backend:443/otlp")),
            ("HTTPS://[::1]:4318/a/b", Some("https://[::1]:4318/a/b")),
            ("backend:4318", None),
            ("http://user:password@backend", None),
            ("http://backend/?q=1", None),
            ("http://backend/#f", None),
            ("http://backend/a b", None),
            ("http://", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read::<HttpUrl>(text).map(|url| url.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    /// Credentials are read out of the URL, escapes included, and are in no error.
    #[test]
    fn a_url_may_have_a_user() {
        let cases = [
            ("http://backend:14268/api/traces", Some(("http://backend:14268/api/traces", None))),
            ("https://ann:s3cret@backend/p", Some(("https://backend:443/p", Some(("ann", "s3cret"))))),
            ("http://ann@backend", Some(("http://backend:80/", Some(("ann", ""))))),
            ("http://a%40b:p%3Aw%2F@backend", Some(("http://backend:80/", Some(("a@b", "p:w/"))))),
            ("http://:s3cret@backend", None),
            ("http://a%4:s3cret@backend", None),
            ("http://ann:s3cret@", None),
            ("ftp://ann:s3cret@backend", None),
        ];
        for (text, expected) in cases {
            let read = UrlWithUser::from_node(&Node::text(Span::default(), text));
            if let Err(problem) = &read {
                assert!(!problem.to_string().contains("s3cret"), "{problem}");
            }
            let read = read.ok().map(|read| {
                (read.url.to_string(), read.user.map(|(name, password)| (name, password.expose().to_owned())))
            });
            let owned = expected.map(|(url, user): (&str, Option<(&str, &str)>)| {
                (url.to_owned(), user.map(|(name, password)| (name.to_owned(), password.to_owned())))
            });
            assert_eq!(read, owned, "{text:?}");
        }
    }
}
