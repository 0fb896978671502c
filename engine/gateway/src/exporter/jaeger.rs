//! `jaeger`: spans to a Jaeger collector, in Thrift over HTTP.
//!
//! A request becomes as many POSTs as it has processes, or more where one is larger than a POST may be. What of it was taken is not sent
//! again: see [`Pieces`].

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use wasmill_batch::{Refusal, RefusalKind, RequestContext, TelemetryBatch};
use wasmill_config as config;
use wasmill_jaeger::{Encoded, LeftOut, encode};
use wasmill_transport::settings::{ClientAuthSettings, PushClientSettings};
use wasmill_transport::{ClientError, PushClient, SendError};
use wasmill_wire::{Index, Selection, Signal};

use super::otlp::{connection, headers};
use super::pieces::{Piece, Pieces};
use super::{Exporter, Request, Sending, Sent};

pub struct JaegerExporter {
    client: PushClient,
    batch_bytes_max: usize,
}

impl JaegerExporter {
    /// Reads the files that the settings name; connects when something is sent.
    pub fn new(
        settings: &config::JaegerExporter,
        auth: Option<ClientAuthSettings>,
    ) -> Result<JaegerExporter, ClientError> {
        let client = PushClient::new(PushClientSettings {
            url: settings.url.to_string(),
            connection: connection(&settings.client),
            content_type: "application/vnd.apache.thrift.binary",
            headers: headers(&settings.client.headers),
            auth,
            ..PushClientSettings::default()
        })?;
        Ok(JaegerExporter { client, batch_bytes_max: settings.batch_bytes_max })
    }

    fn request(&self, index: &Index, selection: &Selection, context: &Arc<RequestContext>) -> Request {
        let rows = selection.count() as u64;
        let Encoded { batches, left_out } = encode(index, selection, self.batch_bytes_max);
        let pieces = batches
            .into_iter()
            .map(|batch| Piece { body: batch.body.into(), rows: batch.spans, headers: HeaderMap::new() })
            .collect();
        let left_out = Sent { rejected_rows: left_out.spans(), message: reason(left_out) };
        Request::in_pieces(Signal::Traces, rows, Pieces::new(pieces, left_out), Arc::clone(context))
    }
}

impl Exporter for JaegerExporter {
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
            while let Some(piece) = pieces.next() {
                let pushed = self.client.push(&request.context, &piece.headers, piece.body.clone()).await;
                pieces.settle(pushed.map(|_| Sent::default()).map_err(|error| refusal(&error)))?;
            }
            pieces.answer()
        })
    }
}

/// Jaeger answers 500 where its own queue is full, or a storage refuses: that passes.
fn refusal(error: &SendError) -> Refusal {
    let refusal = error.refusal();
    match error {
        SendError::Http { status: StatusCode::INTERNAL_SERVER_ERROR, retry_after, .. } => {
            Refusal { kind: RefusalKind::Unavailable, retry_after: *retry_after, ..refusal }
        }
        _ => refusal,
    }
}

fn reason(left_out: LeftOut) -> String {
    match left_out {
        LeftOut { without_id: 0, too_long: 0 } => String::new(),
        LeftOut { without_id, too_long: 0 } => {
            format!("{without_id} spans have no trace id or no span id, without which Jaeger cannot show them")
        }
        LeftOut { without_id, too_long } => format!(
            "{without_id} spans have no trace id or no span id, without which Jaeger cannot show them, and {too_long} are longer than Thrift \
             can say"
        ),
    }
}
