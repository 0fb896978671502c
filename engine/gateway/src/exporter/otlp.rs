//! `otlp` (`otlp_grpc`) and `otlphttp` (`otlp_http`): OTLP to a backend, in protobuf or JSON.

use wasmill_batch::Refusal;
use wasmill_config as config;
use wasmill_transport::settings::{
    ClientAuthSettings, Compression, GrpcClientSettings, HttpClientSettings, HttpConnectionSettings,
    KeepaliveClientSettings, TlsClientSettings,
};
use wasmill_transport::{Accepted, ClientError, ContentType, GrpcClient, HttpClient, SendError};

use super::{Exporter, Request, Sending, Sent};
use crate::tls::tls_client;

pub enum OtlpExporter {
    Grpc(GrpcClient),
    Http(HttpClient),
}

impl OtlpExporter {
    /// Reads the files that the settings name; connects when something is sent.
    pub fn grpc(
        settings: &config::OtlpGrpcExporter,
        auth: Option<ClientAuthSettings>,
    ) -> Result<OtlpExporter, ClientError> {
        let insecure = || TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
        let endpoint = match &settings.unix {
            Some(path) => format!("unix:{}", path.display()),
            None => settings.endpoint.to_string(),
        };
        let client = GrpcClientSettings {
            endpoint,
            tls: settings.tls.as_ref().map_or_else(insecure, tls_client),
            compression: compression(settings.compression),
            headers: headers(&settings.headers),
            auth,
            authority: settings.authority.as_deref().map(str::to_owned),
            keepalive: settings.keepalive.as_ref().map(|keepalive| KeepaliveClientSettings {
                time: keepalive.time,
                timeout: keepalive.timeout,
                permit_without_stream: keepalive.permit_without_stream,
            }),
            timeout: settings.timeout,
            ..GrpcClientSettings::default()
        };
        Ok(OtlpExporter::Grpc(GrpcClient::new(client)?))
    }

    /// As [`grpc`](OtlpExporter::grpc).
    pub fn http(
        settings: &config::OtlpHttpExporter,
        auth: Option<ClientAuthSettings>,
    ) -> Result<OtlpExporter, ClientError> {
        let url = |url: &Option<config::HttpUrl>| url.as_ref().map(ToString::to_string);
        let client = HttpClientSettings {
            traces_endpoint: url(&settings.urls.traces),
            metrics_endpoint: url(&settings.urls.metrics),
            logs_endpoint: url(&settings.urls.logs),
            connection: HttpConnectionSettings { unix: settings.unix.clone(), ..connection(&settings.client) },
            compression: compression(settings.compression),
            content: match settings.encoding {
                config::HttpEncoding::Proto => ContentType::Protobuf,
                config::HttpEncoding::Json => ContentType::Json,
            },
            headers: headers(&settings.client.headers),
            auth,
            ..HttpClientSettings::default()
        };
        Ok(OtlpExporter::Http(HttpClient::new(client)?))
    }
}

impl Exporter for OtlpExporter {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        let (signal, body) = (request.signal, request.body.clone());
        Box::pin(async move {
            match self {
                OtlpExporter::Grpc(client) => answer(client.send_for(&request.context, signal, body).await),
                OtlpExporter::Http(client) => answer(client.send_for(&request.context, signal, body).await),
            }
        })
    }
}

fn answer(answer: Result<Accepted, SendError>) -> Result<Sent, Refusal> {
    match answer {
        Ok(accepted) => Ok(Sent { rejected_rows: accepted.rejected, message: accepted.message }),
        Err(error) => Err(error.refusal()),
    }
}

fn compression(compression: config::Compression) -> Compression {
    match compression {
        config::Compression::Gzip => Compression::Gzip,
        config::Compression::Zstd => Compression::Zstd,
        config::Compression::None => Compression::None,
    }
}

/// Over HTTP, as the configuration has it.
pub(super) fn connection(client: &config::HttpClient) -> HttpConnectionSettings {
    HttpConnectionSettings {
        unix: None,
        tls: tls_client(&client.tls),
        timeout: client.timeout,
        idle_connections_max: client.idle_connections_max,
        idle_connection_timeout: client.idle_connection_timeout,
    }
}

pub(super) fn headers(headers: &config::Headers) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.expose().to_owned())).collect()
}
