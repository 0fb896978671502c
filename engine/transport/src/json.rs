//! OTLP/JSON at the border: what crosses it is protobuf, whatever the other side speaks.

use std::io;

use bytes::Bytes;
use wasmill_wire::{JsonDocument, JsonError, Signal, from_json, to_json};

use crate::budget::Permit;
use crate::intake::{IntakeError, Taken, own};

/// From here on, transcoding takes longer than a task may keep its thread (about 0.5 ms), and goes to a blocking one.
const INLINE_BYTES_MAX: usize = 128 << 10;

/// The request that a document stands for, of at most `bytes_max` bytes in this form, too. `permit` is of no bytes yet.
///
/// While both are in memory, the budget holds the document's bytes twice: as protobuf a request has less than half of them,
/// and only one of numbers in long lists has more. Then the document goes, and the budget holds what there is.
pub(crate) async fn request(
    signal: Signal,
    document: Taken,
    bytes_max: usize,
    mut permit: Permit,
) -> Result<Taken, IntakeError> {
    let Taken { payload, wire_bytes } = document;
    permit.grow(payload.len())?;
    let transcode = move || from_json(JsonDocument::Request(signal), &payload, bytes_max);
    let mut request = if wire_bytes <= INLINE_BYTES_MAX { transcode()? } else { blocking(transcode).await?? };
    if request.capacity() - request.len() > request.len() / 4 {
        request.shrink_to_fit();
    }
    permit.shrink(request.capacity());
    permit.grow(request.capacity() - permit.bytes())?;
    Ok(Taken { payload: own(request, permit), wire_bytes })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, IntakeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| IntakeError::Broken(Box::new(io::Error::from(error))))
}

impl From<JsonError> for IntakeError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::TooLarge { limit } => IntakeError::TooLarge { limit },
            error => IntakeError::Json(error),
        }
    }
}

/// A request of ours as a document.
pub(crate) async fn document(signal: Signal, request: Bytes) -> Result<Bytes, IntakeError> {
    let inline = request.len() <= INLINE_BYTES_MAX / 3;
    let transcode = move || {
        let mut json = Vec::new();
        to_json(JsonDocument::Request(signal), &request, &mut json).map(|()| Bytes::from(json))
    };
    // Writing is as fast as reading, and a document is about thrice as long.
    if inline { Ok(transcode()?) } else { Ok(blocking(transcode).await??) }
}

/// A message of ours as JSON.
pub(crate) fn written(document: JsonDocument, message: &[u8]) -> Bytes {
    let mut json = Vec::new();
    let done = to_json(document, message, &mut json);
    debug_assert!(done.is_ok(), "{done:?}");
    json.into()
}
