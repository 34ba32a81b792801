//! The ports of the reference configuration, and free ones for everybody else.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Socket, Type};

use crate::Error;

/// Envoy: the gateway.
pub const GATEWAY: u16 = 10000;
/// Envoy: its administration.
pub const ADMIN: u16 = 9901;
/// Envoy: the sidecar of an application that calls the gateway, in some examples.
pub const SIDECAR: u16 = 10100;
/// Envoy: what stands between the gateway and the backend, in some examples.
pub const BEHIND: u16 = 10200;
/// The emulator: its control interface.
pub const CONTROL: u16 = 10001;
/// The emulator: the protected API.
pub const BACKEND: u16 = 10080;
/// The emulator: the instance metadata service.
pub const IMDS: u16 = 10254;
/// The emulator: the login endpoint.
pub const LOGIN: u16 = 10443;

/// Every fixed port, with what it is for.
pub const ALL: [(u16, &str); 8] = [
    (GATEWAY, "Envoy's gateway"),
    (SIDECAR, "Envoy's sidecar of an application"),
    (BEHIND, "Envoy's listener before the backend"),
    (ADMIN, "Envoy's administration"),
    (CONTROL, "the emulator's control interface"),
    (BACKEND, "the emulator's protected API"),
    (IMDS, "the emulator's instance metadata service"),
    (LOGIN, "the emulator's login endpoint"),
];

/// From a fixed port to the one that this run uses instead.
pub type Replacements = BTreeMap<u16, u16>;

/// An error that names the first fixed port that is in use.
pub fn all_free() -> Result<(), Error> {
    for (port, role) in ALL {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            return Err(Error::PortTaken { port, role });
        }
    }
    Ok(())
}

/// A port on loopback that nobody else gets while this value lives.
///
/// The socket is bound but does not listen: connections to it are refused, and whoever allows the port to be
/// shared (Envoy's listeners do) can listen on it.
#[derive(Debug)]
pub struct Reservation {
    address: SocketAddr,
    _socket: Socket,
}

impl Reservation {
    /// Asks the kernel for a free port.
    pub fn new() -> Result<Self, Error> {
        let socket = sharing_socket((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket
            .local_addr()
            .map_err(Error::io("a free port"))?
            .as_socket()
            .ok_or_else(|| Error::Timeout("a free port".to_owned()))?;
        Ok(Self { address, _socket: socket })
    }

    /// The reserved address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to listen on the reserved port.
    pub fn listen(&self) -> Result<tokio::net::TcpListener, Error> {
        let what = "listening on a reserved port";
        let socket = sharing_socket(self.address)?;
        socket.listen(1024).map_err(Error::io(what))?;
        socket.set_nonblocking(true).map_err(Error::io(what))?;
        tokio::net::TcpListener::from_std(socket.into()).map_err(Error::io(what))
    }
}

fn sharing_socket(address: SocketAddr) -> Result<Socket, Error> {
    let what = "a port on loopback";
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(Error::io(what))?;
    socket.set_reuse_port(true).map_err(Error::io(what))?;
    socket.bind(&address.into()).map_err(Error::io(what))?;
    Ok(socket)
}
