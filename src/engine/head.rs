//! The head of a request.

/// The head of a request: its headers in order, as bytes, repeated ones repeated.
pub struct RequestHead<'h> {
    headers: &'h [(&'h [u8], &'h [u8])],
    last_attempt: Option<&'h [u8]>,
}

impl<'h> RequestHead<'h> {
    /// The head with these headers; names are in lower case, pseudo headers among them.
    pub const fn new(headers: &'h [(&'h [u8], &'h [u8])]) -> Self {
        Self { headers, last_attempt: None }
    }

    /// The head of a request that Envoy tries again; `note` is the filter state that the last attempt left.
    pub const fn after(self, note: Option<&'h [u8]>) -> Self {
        Self { last_attempt: note, ..self }
    }

    pub(super) const fn last_attempt(&self) -> Option<&'h [u8]> {
        self.last_attempt
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.headers.iter().filter(move |(header, _)| *header == name.as_bytes()).map(|(_, value)| *value)
    }

    /// Whether a gRPC client sent it: Envoy asks the same question.
    pub(super) fn is_grpc(&self) -> bool {
        let rest = self.first("content-type").strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'+'))
    }

    /// Whether a browser asks beforehand (Fetch standard, CORS-preflight request).
    pub(super) fn is_cors_preflight(&self) -> bool {
        let has = |name| !self.first(name).is_empty();
        self.first(":method") == b"OPTIONS" && has("origin") && has("access-control-request-method")
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'h [u8]> {
        self.headers.iter().map(|(name, _)| *name)
    }

    pub(super) fn first(&self, name: &str) -> &'h [u8] {
        self.all(name).next().unwrap_or_default()
    }
}
