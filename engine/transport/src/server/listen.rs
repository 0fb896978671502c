//! Taking a port, or the path of a Unix socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream, lookup_host};

use super::BindError;
use crate::settings::Network;
use crate::socket::{Socket, unix_path};

/// Connections that the system completes before they are accepted: a gateway that starts again finds its clients there.
const BACKLOG: u32 = 1024;

/// Where connections come in.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix {
        /// Goes first.
        _path: UnixPath,
        listener: UnixListener,
    },
}

/// A socket's path, which goes with it. Dropped before its listener is closed: whoever takes the path next finds it free.
pub(super) struct UnixPath(PathBuf);

/// A port that is taken, and what it is.
pub(super) struct Taken {
    pub listener: Listener,
    /// `None`: a Unix socket.
    pub address: Option<SocketAddr>,
    /// `127.0.0.1:4317`, `unix:/run/otlp.sock`.
    pub name: String,
}

impl Listener {
    /// The peer has an address only over TCP.
    pub async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Some(peer)))
            }
            Listener::Unix { listener, .. } => Ok((Socket::Unix(listener.accept().await?.0), None)),
        }
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Takes the port of an endpoint (`host:port`, or `unix:PATH`) in a network.
///
/// A name is bound at its first IPv4 address, else at its first, as Go does: `localhost` is one port, not two. An empty
/// host is every address of both families, or of IPv4 where the system has no IPv6.
///
/// A Unix socket that nobody listens on, such as one that a process left behind, is replaced.
pub(super) async fn bind(key: &str, endpoint: &str, network: Network) -> Result<Taken, BindError> {
    let failed = |source: io::Error| BindError::Listen { key: key.to_owned(), endpoint: endpoint.to_owned(), source };
    if let Some(path) = unix_path(endpoint) {
        let listener = listen_unix(Path::new(path)).await.map_err(failed)?;
        return Ok(Taken { listener, address: None, name: format!("unix:{path}") });
    }
    let addresses = resolve(key, endpoint, network).await?;
    let mut error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen(address) {
            Ok(listener) => {
                let address = listener.local_addr().map_err(failed)?;
                let (listener, name) = (Listener::Tcp(listener), address.to_string());
                return Ok(Taken { listener, address: Some(address), name });
            }
            Err(source) => error = source,
        }
    }
    Err(failed(error))
}

/// The addresses to try in turn: only an empty host has two.
async fn resolve(key: &str, endpoint: &str, network: Network) -> Result<Vec<SocketAddr>, BindError> {
    let malformed = || BindError::Endpoint { key: key.to_owned(), endpoint: endpoint.to_owned() };
    let (host, port) = endpoint.rsplit_once(':').ok_or_else(malformed)?;
    let port: u16 = port.parse().map_err(|_| malformed())?;
    let is_in = |ip: IpAddr| match network {
        Network::Any => true,
        Network::Ip4 => ip.is_ipv4(),
        Network::Ip6 => ip.is_ipv6(),
    };
    if host.is_empty() {
        let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        return Ok(any.into_iter().filter(|ip| is_in(*ip)).map(|ip| SocketAddr::new(ip, port)).collect());
    }
    let found: Vec<SocketAddr> = lookup_host(endpoint)
        .await
        .map_err(|source| BindError::Resolve { key: key.to_owned(), endpoint: endpoint.to_owned(), source })?
        .collect();
    let found: Vec<SocketAddr> = found.into_iter().filter(|address| is_in(address.ip())).collect();
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first());
    Ok(chosen.copied().into_iter().collect())
}

async fn listen_unix(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket {
        match UnixStream::connect(path).await {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(_) => {}
        }
    }
    let listener = UnixListener::bind(path)?;
    Ok(Listener::Unix { _path: UnixPath(path.to_owned()), listener })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of the process before this one, which linger, do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
