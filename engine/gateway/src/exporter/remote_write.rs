//! `prometheusremotewrite`: points to Prometheus as samples, over its remote write protocol, 1.0 or 2.0.
//!
//! A server takes no sample that is older than the newest of its series. So requests go one at a time, in the order in which they came: the
//! queue has one consumer, and without a queue clients wait for one another here.

use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::Mutex;
use wasmill_batch::{Refusal, RefusalKind, RequestContext, TelemetryBatch};
use wasmill_config as config;
use wasmill_prometheus::{Translation, WriteProtocol, WriteSettings, Writing, write};
use wasmill_transport::settings::{ClientAuthSettings, PushClientSettings};
use wasmill_transport::{ClientError, PushClient, Pushed, SendError};
use wasmill_wire::{Index, Selection, Signal};

use super::otlp::{connection, headers};
use super::pieces::{Piece, Pieces};
use super::{Exporter, Request, Sending, Sent};

pub struct RemoteWriteExporter {
    client: PushClient,
    settings: WriteSettings,
    /// Held while a request is sent.
    in_order: Mutex<()>,
}

/// What 2.0 servers say that they have written. A server that says none of it did not understand the request.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

impl RemoteWriteExporter {
    /// Reads the files that the settings name; connects when something is sent.
    pub fn new(
        settings: &config::RemoteWriteExporter,
        auth: Option<ClientAuthSettings>,
    ) -> Result<RemoteWriteExporter, ClientError> {
        let (protocol, content_type, version) = match settings.protocol {
            config::RemoteWriteProtocol::V1 => (WriteProtocol::V1, "application/x-protobuf", "0.1.0"),
            config::RemoteWriteProtocol::V2 => {
                (WriteProtocol::V2, "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0")
            }
        };
        let mut headers = headers(&settings.client.headers);
        headers.push(("x-prometheus-remote-write-version".to_owned(), version.to_owned()));
        let client = PushClient::new(PushClientSettings {
            url: settings.url.to_string(),
            connection: connection(&settings.client),
            content_type,
            content_encoding: "snappy",
            headers,
            auth,
            ..PushClientSettings::default()
        })?;
        let labels = settings.external_labels.iter();
        let translation = Translation {
            namespace: settings.namespace.to_string(),
            suffixes: settings.suffixes,
            utf8: settings.utf8,
            const_labels: labels.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            resource_labels: settings.resource_labels,
            service_labels: settings.service_labels,
            scope_labels: settings.scope_labels,
        };
        let settings = WriteSettings {
            translation,
            protocol,
            target_info: settings.target_info,
            metadata: settings.metadata,
            request_bytes_max: settings.request_bytes_max,
        };
        Ok(RemoteWriteExporter { client, settings, in_order: Mutex::new(()) })
    }

    fn request(&self, index: &Index, selection: &Selection, context: &Arc<RequestContext>) -> Request {
        let Writing { requests, tally } = write(&self.settings, index, selection);
        let pieces = requests
            .into_iter()
            .map(|request| Piece { body: request.body.into(), rows: request.points, headers: HeaderMap::new() })
            .collect();
        let left_out = Sent { rejected_rows: tally.refused(), message: tally.message };
        Request::in_pieces(
            Signal::Metrics,
            selection.count() as u64,
            Pieces::new(pieces, left_out),
            Arc::clone(context),
        )
    }

    async fn push(&self, context: &RequestContext, piece: &Piece) -> Result<Sent, Refusal> {
        let pushed = self.client.push(context, &piece.headers, piece.body.clone()).await;
        let Pushed { headers, .. } = pushed.map_err(|error| refusal(&error))?;
        let has_written = WRITTEN.iter().any(|name| headers.contains_key(*name));
        if self.settings.protocol == WriteProtocol::V2 && !has_written {
            let reason = format!(
                "`{}` did not say what it has written, so it does not know remote write 2.0: set `protobuf_message: prometheus.WriteRequest`",
                self.client.endpoint()
            );
            return Err(Refusal::new(RefusalKind::NotServed, reason));
        }
        Ok(Sent::default())
    }
}

impl Exporter for RemoteWriteExporter {
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        self.request(batch.index(), batch.selection(), batch.context())
    }

    fn prepare_encoded(&self, request: Request) -> Request {
        match request.parsed() {
            Ok((batch, context)) => self.request(batch.index(), &Selection::all(batch.rows()), &context),
            Err(nothing) => nothing,
        }
    }

    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            let pieces = request.pieces()?;
            let _in_order = self.in_order.lock().await;
            while let Some(piece) = pieces.next() {
                pieces.settle(self.push(&request.context, piece).await)?;
            }
            pieces.answer()
        })
    }
}

/// Every failure of the server passes; what it refuses, samples out of order among it, is refused for good.
fn refusal(error: &SendError) -> Refusal {
    let refusal = error.refusal();
    match error {
        SendError::Http { status, retry_after, .. } if status.is_server_error() => {
            Refusal { kind: RefusalKind::Unavailable, retry_after: *retry_after, ..refusal }
        }
        _ => refusal,
    }
}
