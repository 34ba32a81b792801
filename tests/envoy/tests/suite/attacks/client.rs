//! Clients that send what they are told, over HTTP/1.1 and HTTP/2, and say what came back: the status, and behind
//! it Envoy's `%RESPONSE_CODE_DETAILS%`, which the gateway under test puts into a header.

use std::{io, net::SocketAddr, time::Duration};

use gatepass_attacks::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The header that the details are in.
pub const DETAILS: &str = "x-details";

const LIMIT: Duration = Duration::from_secs(20);

/// An HTTP/1.1 connection that is kept; it is made again where the other side has closed it.
pub struct Http1 {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Http1 {
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    pub async fn send(&mut self, request: &Request) -> String {
        let bytes = request.raw.clone().unwrap_or_else(|| written(request));
        // A raw request may leave anything behind.
        let mut stream = match self.stream.take().filter(|_| request.raw.is_none()) {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.unwrap(),
        };
        let exchange = async {
            stream.write_all(&bytes).await?;
            read(&mut stream, &mut Vec::new(), request.method == "HEAD").await
        };
        let answer = timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match answer {
            Ok((told, keeps)) => {
                self.stream = Some(stream).filter(|_| keeps && request.raw.is_none());
                told
            }
            Err(error) => format!("no-answer {:?}", error.kind()),
        }
    }
}

fn written(request: &Request) -> Vec<u8> {
    let mut bytes = [
        request.method.as_bytes(),
        b" ",
        &request.path,
        b" HTTP/1.1\r\nhost: ",
        request.host.as_bytes(),
        b"\r\n",
    ]
    .concat();
    for (name, value) in &request.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if !request.body.is_empty() {
        bytes.extend(format!("content-length: {}\r\n", request.body.len()).into_bytes());
    }
    [bytes.as_slice(), b"\r\n", &request.body].concat()
}

/// Sends requests on one connection without waiting for answers, and reads answers until it is closed.
pub async fn pipelined(address: SocketAddr, requests: &[Request]) -> Vec<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let bytes: Vec<u8> = requests.iter().flat_map(written).collect();
    stream.write_all(&bytes).await.unwrap();
    let mut unread = Vec::new();
    let mut answers = Vec::new();
    while answers.len() < requests.len() {
        match timeout(LIMIT, read(&mut stream, &mut unread, false)).await.unwrap() {
            Ok((told, _)) => answers.push(told),
            Err(_) => break,
        }
    }
    answers
}

/// One answer, and whether the connection can be used again. What was read behind it stays in `bytes`.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>, is_head: bool) -> io::Result<(String, bool)> {
    let end = loop {
        match bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            // Not yet the answer: the client may send its body.
            Some(end) if bytes.starts_with(b"HTTP/1.1 100 ") => drop(bytes.drain(..end + 4)),
            Some(end) => break end + 4,
            None if stream.read_buf(bytes).await? == 0 => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            None => {}
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let field = |name: &str| {
        let line = head.lines().filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name);
        line.map(|(_, value)| value)
    };
    let status = head.split(' ').nth(1).unwrap_or_default();
    let told = told(status, field("grpc-status"), field(DETAILS));
    let length: Option<usize> = field("content-length").and_then(|length| length.parse().ok());
    let keeps = field("connection") != Some("close") && (length.is_some() || is_head);
    let end = end + if is_head { 0 } else { length.unwrap_or_default() };
    while bytes.len() < end {
        if stream.read_buf(bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.drain(..end);
    Ok((told, keeps))
}

fn told(status: &str, grpc: Option<&str>, details: Option<&str>) -> String {
    let status = grpc.map_or_else(|| status.to_owned(), |code| format!("grpc-{code}"));
    let details = details.unwrap_or_default();
    format!("{status} {}", details.strip_prefix("gatepass.").unwrap_or(details)).trim_end().to_owned()
}

/// An HTTP/2 connection; its clones are streams of one connection.
#[derive(Clone)]
pub struct Http2(h2::client::SendRequest<bytes::Bytes>);

impl Http2 {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    /// Nothing, where HTTP/2 cannot say what the request says.
    pub async fn send(&self, request: &Request) -> Option<String> {
        let message = message(request)?;
        let mut send = self.0.clone().ready().await.unwrap();
        let (answer, mut body) = send.send_request(message, request.body.is_empty()).ok()?;
        if !request.body.is_empty() {
            let _ = body.send_data(request.body.clone().into(), true);
        }
        Some(match timeout(LIMIT, answer).await {
            Ok(Ok(answer)) => {
                let field = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
                told(answer.status().as_str(), field("grpc-status"), field(DETAILS))
            }
            // Of the stream, or of the connection with it.
            Ok(Err(_)) => "reset".to_owned(),
            Err(_) => "no-answer TimedOut".to_owned(),
        })
    }
}

fn message(request: &Request) -> Option<http::Request<()>> {
    if request.raw.is_some() {
        return None;
    }
    let uri = [b"http://", request.host.as_bytes(), &request.path].concat();
    let mut message = http::Request::builder().method(request.method.as_str()).uri(uri.as_slice());
    for (name, value) in &request.headers {
        message = message.header(name, http::HeaderValue::from_bytes(value).ok()?);
    }
    message.version(http::Version::HTTP_2).body(()).ok()
}
