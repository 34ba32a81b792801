//! Requests byte by byte: what no well-behaved client sends, and clients that leave.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::Error;

/// A connection to the gateway.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await.map_err(Error::io("connecting"))?;
        Ok(Self { stream })
    }

    /// Sends these bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await.map_err(Error::io("sending"))
    }

    /// Reads the head of an answer, and what came with it. Nothing, if the connection was closed first.
    pub async fn read_head(&mut self, limit: Duration) -> Result<Vec<u8>, Error> {
        let read = async {
            let mut bytes = Vec::new();
            while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
                // A reset is an end like any other.
                if matches!(self.stream.read_buf(&mut bytes).await, Ok(0) | Err(_)) {
                    break;
                }
            }
            bytes
        };
        timeout(limit, read).await.map_err(|_| Error::Timeout("an answer to a raw request".to_owned()))
    }

    /// Leaves without a good-bye: the other side sees a reset.
    pub fn reset(self) -> Result<(), Error> {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .map_err(Error::io("resetting a connection"))
    }
}

/// One GET with extra header lines, each without its end of line, on a connection of its own.
pub fn get(path: &[u8], lines: &[&[u8]]) -> Vec<u8> {
    let mut request = [b"GET ", path, b" HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n"].concat();
    for line in lines {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// Sends one request on a connection of its own and reads the head of the answer.
pub async fn exchange(address: SocketAddr, request: &[u8], limit: Duration) -> Result<Reply, Error> {
    let mut connection = Connection::open(address).await?;
    connection.send(request).await?;
    Ok(Reply(connection.read_head(limit).await?))
}

/// The bytes of an answer.
#[derive(Clone, Debug)]
pub struct Reply(pub Vec<u8>);

impl Reply {
    /// The status; none if the connection was closed without an answer.
    pub fn status(&self) -> Option<u16> {
        let line = self.0.split(|byte| *byte == b'\r').next()?;
        std::str::from_utf8(line).ok()?.split(' ').nth(1)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Reply;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        assert_eq!(Reply(b"HTTP/1.1 404 Not Found\r\na: b\r\n\r\n".to_vec()).status(), Some(404));
        assert_eq!(Reply(Vec::new()).status(), None);
    }
}
