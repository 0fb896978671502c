//! `loki`: pushes log records to Loki, a tenant's at a time and no more at once than Loki takes.
//!
//! ```text
//!  prepare: streams, lines, metadata ──► pushes ──► send: one by one ──► taken, refused in part, or not now
//! ```
//!
//! Loki takes the good entries of a push that has bad ones, and answers 400: that is no refusal of the rest, and sending the rest again
//! would be sending it twice. What the answer says of their number is counted. A tenant that is said by a record's hint or attribute is
//! sent in a header of its push alone; else the request's header counts, and else what the client itself has.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode};
use wasmill_batch::{Refusal, RefusalKind, RequestContext, TelemetryBatch};
use wasmill_config as config;
use wasmill_loki::{
    DefaultLabels, Encoding, Limits, LineFormat, Options, Push, Refused, Translation, Translator, is_tenant, refused,
};
use wasmill_transport::settings::{ClientAuthSettings, HttpClientSettings, PushClientSettings};
use wasmill_transport::{ClientError, PushClient, SendError, push_header};
use wasmill_wire::{Index, Selection, Signal};

use super::otlp::{connection, headers};
use super::{Exporter, Piece, Pieces, Request, Sending, Sent};

pub struct LokiExporter {
    client: PushClient,
    translator: Translator,
    /// The header of the request that came in which says whose it is, in lower case.
    tenant_header: Option<Arc<str>>,
}

impl LokiExporter {
    /// Reads the files that the settings name; connects when something is sent.
    pub fn new(settings: &config::LokiExporter, auth: Option<ClientAuthSettings>) -> Result<LokiExporter, ClientError> {
        let mut headers = headers(&settings.client.headers);
        if let Some(config::LokiTenant::Static(tenant)) = &settings.tenant {
            headers.push((config::LokiExporter::TENANT_HEADER.to_owned(), tenant.to_string()));
        }
        let client = PushClientSettings {
            url: settings.url.to_string(),
            connection: connection(&settings.client),
            content_type: match settings.encoding {
                config::LokiEncoding::Protobuf => "application/x-protobuf",
                config::LokiEncoding::Json => "application/json",
            },
            // Snappy belongs to the protocol, and is not said.
            content_encoding: "",
            headers,
            auth,
            user_agent: HttpClientSettings::default().user_agent,
        };
        let tenant_header = match &settings.tenant {
            Some(config::LokiTenant::Header(name)) => Some(Arc::clone(name)),
            _ => None,
        };
        Ok(LokiExporter {
            client: PushClient::new(client)?,
            translator: Translator::new(options(settings)),
            tenant_header,
        })
    }

    fn translate(&self, index: &Index, selection: &Selection, context: Arc<RequestContext>) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let Translation { pushes, altered, of_no_tenant, too_large } = self.translator.translate(index, selection, now);
        let mut left_out = Sent { rejected_rows: of_no_tenant + too_large, message: String::new() };
        if of_no_tenant > 0 {
            left_out.message = format!("{of_no_tenant} log records name a tenant whose name Loki does not take");
        } else if !altered.is_empty() {
            left_out.message = altered.to_string();
        }
        let tenant = self.tenant_header.as_deref().and_then(|name| context.metadata(name)).unwrap_or_default();
        let mut pieces = Vec::with_capacity(pushes.len());
        for Push { tenant: own, body, rows } in pushes {
            match tenant_headers(if own.is_empty() { tenant } else { &own }) {
                Some(headers) => pieces.push(Piece { body, rows, headers }),
                None => {
                    left_out.rejected_rows += rows;
                    left_out.message = "the request's tenant has a name that Loki does not take".to_owned();
                }
            }
        }
        let rows = selection.count() as u64;
        let request = Request::in_pieces(Signal::Logs, rows, Pieces::new(pieces, left_out), context);
        request.with_altered_rows(altered.rows)
    }
}

impl Exporter for LokiExporter {
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        self.translate(batch.index(), batch.selection(), Arc::clone(batch.context()))
    }

    fn prepare_encoded(&self, request: Request) -> Request {
        match request.parsed() {
            Ok((batch, context)) => self.translate(batch.index(), &Selection::all(batch.rows()), context),
            Err(nothing) => nothing,
        }
    }

    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            let pieces = request.pieces()?;
            while let Some(piece) = pieces.next() {
                let pushed = self.client.push(&request.context, &piece.headers, piece.body.clone()).await;
                let answer = pushed.map_or_else(|error| answer(&error, piece.rows), |_| Ok(Sent::default()));
                pieces.settle(answer)?;
            }
            pieces.answer()
        })
    }
}

/// `None`: it is no tenant's name. None at all without a name: then the client's own headers say it, or nobody does.
fn tenant_headers(tenant: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if !tenant.is_empty() {
        let (name, value) = push_header(config::LokiExporter::TENANT_HEADER, tenant).filter(|_| is_tenant(tenant))?;
        headers.insert(name, value);
    }
    Some(headers)
}

/// What a push that did not simply succeed came to.
fn answer(error: &SendError, rows: u64) -> Result<Sent, Refusal> {
    let refusal = error.refusal();
    let SendError::Http { status, body, .. } = error else { return Err(refusal) };
    if status.is_server_error() && !refusal.is_retryable() {
        // An ingester that starts or leaves is an internal error to Loki.
        return Err(Refusal::new(RefusalKind::Unavailable, refusal.reason));
    }
    if *status != StatusCode::BAD_REQUEST {
        return Err(refusal);
    }
    match refused(&String::from_utf8_lossy(body)) {
        Refused::Entries(count) if count < rows => {
            Ok(Sent { rejected_rows: count, message: refusal.reason.to_string() })
        }
        Refused::Streams => {
            let message =
                format!("some of {rows} log records were refused, and Loki does not say how many: {}", refusal.reason);
            Ok(Sent { rejected_rows: rows, message })
        }
        Refused::Entries(_) | Refused::Push => Err(refusal),
    }
}

fn options(settings: &config::LokiExporter) -> Options {
    let texts = |names: &[Arc<str>]| names.iter().map(|name| name.to_string()).collect();
    let (labels, limits) = (&settings.labels, &settings.limits);
    Options {
        default_labels: DefaultLabels {
            exporter: labels.exporter,
            job: labels.job,
            instance: labels.instance,
            level: labels.level,
        },
        resource_labels: texts(&labels.resource),
        attribute_labels: texts(&labels.attributes),
        structured_metadata: settings.structured_metadata,
        format: match settings.format {
            config::LokiFormat::Raw => LineFormat::Raw,
            config::LokiFormat::Json => LineFormat::Json,
            config::LokiFormat::Logfmt => LineFormat::Logfmt,
        },
        encoding: match settings.encoding {
            config::LokiEncoding::Protobuf => Encoding::Protobuf,
            config::LokiEncoding::Json => Encoding::Json,
        },
        tenant_attribute: match &settings.tenant {
            Some(config::LokiTenant::Attribute(key)) => Some(key.to_string()),
            _ => None,
        },
        limits: Limits {
            push_bytes_max: limits.push_bytes_max,
            max_line_size: limits.max_line_size,
            max_label_names_per_series: limits.max_label_names_per_series,
            max_label_name_length: limits.max_label_name_length,
            max_label_value_length: limits.max_label_value_length,
            max_structured_metadata_size: limits.max_structured_metadata_size,
            max_structured_metadata_entries_count: limits.max_structured_metadata_entries_count,
        },
    }
}
