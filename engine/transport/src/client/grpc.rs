//! OTLP/gRPC to a backend.

use bytes::Bytes;
use wasmill_wire::Signal;

use crate::settings::GrpcClientSettings;
use crate::{Accepted, ClientError, SendError};

/// A backend's gRPC endpoint. Connects when first used and whenever a connection has ended; used by many tasks at once.
pub struct GrpcClient;

impl GrpcClient {
    /// Checks the settings and reads the files that they name. Connects to nothing.
    pub fn new(_settings: GrpcClientSettings) -> Result<GrpcClient, ClientError> {
        todo!()
    }

    /// Sends one request, once. The payload is not copied unless it is compressed.
    ///
    /// Dropping the future cancels the call; the backend may have the data then.
    pub async fn send(&self, _signal: Signal, _payload: Bytes) -> Result<Accepted, SendError> {
        todo!()
    }
}
