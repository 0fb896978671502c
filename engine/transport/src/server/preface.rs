//! Which version of HTTP a new connection speaks, from its first bytes.
//!
//! HTTP/2 begins with 24 bytes that no HTTP/1 request begins with. Found here, and not by hyper, because here a peer that
//! says nothing, or says it a byte at a time, has a deadline; and because a port that speaks only HTTP/2 can then close a
//! connection that does not, before anything is allocated for it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// A connection whose first bytes were read, and are read again.
#[derive(Debug)]
pub(super) struct Rewound<T> {
    first: [u8; PREFACE.len()],
    /// Which of `first` are still to be read.
    from: u8,
    to: u8,
    rest: T,
}

/// Reads until it is clear which version it is. `None`: the peer went before that.
pub(super) async fn read<T: AsyncRead + Unpin>(mut from: T) -> io::Result<Option<(Version, Rewound<T>)>> {
    let mut first = [0; PREFACE.len()];
    let mut len = 0;
    let version = loop {
        let (known, unknown) = first.split_at_mut(len);
        if !PREFACE.starts_with(known) {
            break Version::Http1;
        }
        if unknown.is_empty() {
            break Version::Http2;
        }
        match from.read(unknown).await? {
            0 => return Ok(None),
            read => len += read,
        }
    };
    // At most 24.
    Ok(Some((version, Rewound { first, from: 0, to: len as u8, rest: from })))
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.from < self.to {
            let left = self.first.get(usize::from(self.from)..usize::from(self.to)).unwrap_or_default();
            let taken = left.len().min(to.remaining());
            to.put_slice(left.get(..taken).unwrap_or_default());
            self.from += taken as u8;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.rest).poll_read(cx, to)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.rest.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the first bytes come, the version is right and every byte is read again.
    #[tokio::test]
    async fn nothing_is_lost() {
        let http2 = [&PREFACE[..], b"frames"].concat();
        let cases = [
            (Version::Http2, &http2[..]),
            (Version::Http1, b"POST /v1/traces HTTP/1.1\r\n\r\n"),
            (Version::Http1, b"PRI * HTTP/1.1\r\n\r\n"),
            (Version::Http1, b"\0"),
        ];
        for (expected, bytes) in cases {
            for piece in [1, 7, bytes.len()] {
                let mut script = Script { left: bytes, piece };
                let (version, mut rewound) = read(&mut script).await.unwrap().unwrap();
                let mut all = Vec::new();
                rewound.read_to_end(&mut all).await.unwrap();
                assert_eq!((version, &*all), (expected, bytes));
            }
        }
    }

    /// A peer that goes before it has said what it speaks is no connection.
    #[tokio::test]
    async fn gone_early() {
        assert!(read(&b"PRI * "[..]).await.unwrap().is_none());
        assert!(read(&b""[..]).await.unwrap().is_none());
    }

    /// Bytes in pieces.
    struct Script<'a> {
        left: &'a [u8],
        piece: usize,
    }

    impl AsyncRead for Script<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let (piece, left) = self.left.split_at(self.piece.min(self.left.len()).min(to.remaining()));
            to.put_slice(piece);
            self.left = left;
            Poll::Ready(Ok(()))
        }
    }
}
