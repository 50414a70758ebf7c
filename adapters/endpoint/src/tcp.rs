//! TCP on this machine: connecting and binding. Called by `connect` and `listener`; knows addresses,
//! streams and errors. That only loopback addresses come here is `address`'s rule.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::address::{Address, Host, Place};
use crate::error::OpenError;
use crate::stream::Stream;

/// How long to wait for a server whose queue of clients is full. The system asks it again after 1
/// and 3 s; everybody else on this machine answers at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);
/// How long until nobody has answered. Where there is room the system does it before the attempt returns.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);

pub(crate) fn connect(
    host: Host,
    port: u16,
    address: &Address,
    patience: Duration,
) -> Result<Stream, OpenError> {
    if port == 0 {
        return Err(OpenError::BadAddress(format!(
            "{address}: port 0 lets a server choose; connect to the port that it then tells"
        )));
    }
    let connected = match host {
        Host::Ip(ip) => connect_to(ip, port, patience),
        Host::Localhost => match connect_to(Ipv4Addr::LOCALHOST.into(), port, patience) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                // Where IPv6 is missing this fails in other ways, and nobody serves all the same.
                connect_to(Ipv6Addr::LOCALHOST.into(), port, patience).map_err(|second| {
                    if second.kind() == ErrorKind::TimedOut { second } else { error }
                })
            }
            result => result,
        },
    };
    match connected {
        Ok(socket) => Stream::tcp(socket.into()).map_err(OpenError::Io),
        Err(error) => Err(match error.kind() {
            ErrorKind::ConnectionRefused => OpenError::NotRunning { address: address.to_string() },
            ErrorKind::TimedOut => OpenError::busy(format!(
                "{address} has not answered for {patience:?}: too many clients wait to be accepted"
            )),
            ErrorKind::PermissionDenied => OpenError::NotPermitted(format!(
                "this system does not let this program connect to {address}; check its firewall"
            )),
            _ => OpenError::io(format_args!("cannot connect to {address}"), error),
        }),
    }
}

fn connect_to(ip: IpAddr, port: u16, patience: Duration) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&SocketAddr::new(ip, port), patience)?;
    // Where nobody listens, the system may choose this very port for our own end, and connect the
    // socket to itself.
    if socket.local_addr()? == socket.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(socket)
}

/// Listens, and says where: a port of 0 has become the one that was chosen.
///
/// std sets `SO_REUSEADDR` on Unix, so that a server can come back at once; it does not let two
/// listen at the same port.
pub(crate) fn bind(
    host: Host,
    port: u16,
    address: &Address,
    backlog: i32,
) -> Result<(TcpListener, Address), OpenError> {
    let ip = match host {
        Host::Ip(ip) => ip,
        Host::Localhost => Ipv4Addr::LOCALHOST.into(),
    };
    let listening = || {
        let socket = TcpListener::bind(SocketAddr::new(ip, port))?;
        // Again, for a queue as long as that of the other transports.
        rustix::net::listen(&socket, backlog)?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        Ok((socket, Address(Place::Tcp(Host::Ip(ip), port))))
    };
    listening().map_err(|error: io::Error| match error.kind() {
        ErrorKind::AddrInUse => OpenError::InUse { address: address.to_string() },
        ErrorKind::PermissionDenied => OpenError::NotPermitted(format!(
            "this user may not serve {address}; choose a port of 1024 or above"
        )),
        ErrorKind::AddrNotAvailable => OpenError::BadAddress(format!(
            "this system has no address {ip}; use tcp:127.0.0.1:{port}"
        )),
        _ => OpenError::io(format_args!("cannot listen at {address}"), error),
    })
}
