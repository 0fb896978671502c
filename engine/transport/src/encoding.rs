//! Content encodings, both ways.

mod compress;
mod decompress;

pub(crate) use compress::compress;
pub(crate) use decompress::{DecodeError, Decompression};

/// How a body is compressed, as named by `content-encoding` and `grpc-encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
    /// What HTTP calls `deflate` is zlib's format.
    Deflate,
}

impl Encoding {
    /// By the name in a header; `None`: unknown, or several. A header that is not there is [`Encoding::Identity`].
    pub fn parse(name: Option<&[u8]>) -> Option<Encoding> {
        let Some(name) = name else { return Some(Encoding::Identity) };
        const NAMES: [(&[u8], Encoding); 7] = [
            (b"", Encoding::Identity),
            (b"identity", Encoding::Identity),
            (b"gzip", Encoding::Gzip),
            (b"x-gzip", Encoding::Gzip),
            (b"zstd", Encoding::Zstd),
            (b"deflate", Encoding::Deflate),
            (b"zlib", Encoding::Deflate),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| *encoding)
    }

    pub fn name(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Deflate => "deflate",
        }
    }
}
