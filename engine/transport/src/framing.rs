//! gRPC framing.
