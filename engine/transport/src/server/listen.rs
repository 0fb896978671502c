//! Taking a port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::BindError;

/// Connections that the system completes before they are accepted: a gateway that starts again finds its clients there.
const BACKLOG: u32 = 1024;

/// Takes the port of an endpoint (`host:port`).
///
/// A name is bound at its first IPv4 address, else at its first, as Go does: `localhost` is one port, not two. An empty
/// host is every address of both families, or of IPv4 where the system has no IPv6.
pub(super) async fn bind(key: &str, endpoint: &str) -> Result<(TcpListener, SocketAddr), BindError> {
    let addresses = resolve(key, endpoint).await?;
    let failed = |source: io::Error| BindError::Listen { key: key.to_owned(), endpoint: endpoint.to_owned(), source };
    let mut error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen(address) {
            Ok(listener) => {
                let address = listener.local_addr().map_err(failed)?;
                return Ok((listener, address));
            }
            Err(source) => error = source,
        }
    }
    Err(failed(error))
}

/// The addresses to try in turn: only an empty host has two.
async fn resolve(key: &str, endpoint: &str) -> Result<Vec<SocketAddr>, BindError> {
    let malformed = || BindError::Endpoint { key: key.to_owned(), endpoint: endpoint.to_owned() };
    let (host, port) = endpoint.rsplit_once(':').ok_or_else(malformed)?;
    let port: u16 = port.parse().map_err(|_| malformed())?;
    if host.is_empty() {
        let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        return Ok(any.map(|ip| SocketAddr::new(ip, port)).into());
    }
    let found: Vec<SocketAddr> = lookup_host(endpoint)
        .await
        .map_err(|source| BindError::Resolve { key: key.to_owned(), endpoint: endpoint.to_owned(), source })?
        .collect();
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first());
    Ok(chosen.copied().into_iter().collect())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of the process before this one, which linger, do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
