//! What is known of the request that a batch came with.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

/// Shared by all batches of a request. Batches of different contexts merge only where the configured metadata keys are
/// equal, so that tenants never mix.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// Chosen headers (gRPC metadata), names in lower case, in the order in which they came; a name may repeat.
    pub metadata: Vec<(String, String)>,
    /// Who sent it; `None` for what the gateway made itself.
    pub peer: Option<SocketAddr>,
    /// The authenticated name, where the receiver authenticates.
    pub identity: Option<String>,
    /// The caller's `traceparent`.
    pub trace_parent: Option<String>,
    /// The gateway's own span that this is part of; `None`: it makes none for this request.
    pub trace: Option<TraceContext>,
    /// When the caller stops waiting; `None`: it did not say.
    pub deadline: Option<Instant>,
}

impl RequestContext {
    /// The first value of a header; `name` in lower case.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A span, by which others of its trace are its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

/// The flag that says that the caller keeps its trace.
const SAMPLED: u8 = 1;

impl TraceContext {
    /// `00-TRACE-SPAN-FLAGS` as W3C Trace Context has it (section 3.2): whose trace, and whether it is sampled. `None`: it is none.
    pub fn read(text: &str) -> Option<(TraceContext, bool)> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may add parts; the first has four.
        if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let [_] = hex::<1>(version)?;
        let (trace_id, span_id, [flags]) = (hex::<16>(trace)?, hex::<8>(span)?, hex::<1>(flags)?);
        let valid = trace_id != [0; 16] && span_id != [0; 8];
        valid.then_some((TraceContext { trace_id, span_id }, flags & SAMPLED != 0))
    }
}

impl fmt::Display for TraceContext {
    /// As a `traceparent` that is sampled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"));
        f.write_str("00-")?;
        hex(f, &self.trace_id)?;
        f.write_str("-")?;
        hex(f, &self.span_id)?;
        f.write_str("-01")
    }
}

/// Lower case alone, as the specification has it.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// The specification's example, other flags and versions, and everything that is none.
    #[test]
    fn trace_parents_are_read() {
        let (context, sampled) = TraceContext::read(PARENT).expect("a parent");
        assert_eq!(context.span_id, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert_eq!(context.to_string(), PARENT, "written as it was read");
        assert_eq!((context.trace_id[0], context.trace_id[15], sampled), (0x4b, 0x36, true));
        let kept = |text: &str| TraceContext::read(text).map(|(_, sampled)| sampled);
        assert_eq!(kept(&PARENT.replace("-01", "-00")), Some(false));
        assert_eq!(kept(&PARENT.replace("-01", "-03")), Some(true));
        assert_eq!(kept(&format!("cc{}-what", &PARENT[2..])), Some(true));
        let wrong = [
            String::new(),
            "00".into(),
            "x".repeat(10_000),
            format!("{PARENT}-more"),
            format!("ff{}", &PARENT[2..]),
            PARENT.to_uppercase(),
            PARENT.replace("4bf9", "4bg9"),
            PARENT.replace("4bf9", "4bf"),
            PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            PARENT.replace("00f067aa0ba902b7", "0000000000000000"),
        ];
        for text in wrong {
            assert_eq!(kept(&text), None, "{text}");
        }
    }
}
