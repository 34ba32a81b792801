//! Parameters of a request's query.

/// A parameter that occurs more than once.
pub(super) struct Repeated;

/// A parameter, and the path without it.
pub(super) struct Parameter {
    /// Its value, decoded; `None` where that cannot be done.
    pub value: Option<Vec<u8>>,
    /// The path and the rest of the query, otherwise byte for byte as they were.
    pub rest: Vec<u8>,
}

/// The query parameter `name` of a `:path`, in whatever spelling a backend may read as that name. `;` divides
/// parameters too, as there are backends that split there.
///
/// # Errors
/// It is there more than once.
pub(super) fn parameter(whole: &[u8], name: &str) -> Result<Option<Parameter>, Repeated> {
    let Some(mark) = whole.iter().position(|byte| *byte == b'?') else { return Ok(None) };
    let (path, query) = whole.split_at(mark);
    let is_divider = |byte: u8| matches!(byte, b'&' | b';');
    let item = only_item(query.get(1..).unwrap_or_default(), is_divider, |item| {
        let (key, value) = item.split_at(item.iter().position(|byte| *byte == b'=').unwrap_or(item.len()));
        let is_ours = decode(key).is_some_and(|key| key.eq_ignore_ascii_case(name.as_bytes()));
        is_ours.then(|| decode(value.get(1..).unwrap_or_default()))
    })?;
    let Some((value, rest)) = item else { return Ok(None) };
    let divider: &[u8] = if rest.is_empty() { b"" } else { b"?" };
    Ok(Some(Parameter { value, rest: [path, divider, &rest].concat() }))
}

/// Percent-decoding (RFC 3986, section 2.1); none where a `%` has not two hexadecimal digits behind it.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        let (byte, behind) = match (byte, behind) {
            (b'%', [high, low, behind @ ..]) => (hexadecimal(*high)? << 4 | hexadecimal(*low)?, behind),
            (b'%', _) => return None,
            (byte, behind) => (*byte, behind),
        };
        decoded.push(byte);
        rest = behind;
    }
    Some(decoded)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The item of a list in which `token_of` finds something, and the list without it, otherwise byte for byte as it
/// was. Two such items are one too many.
pub(super) fn only_item<T>(
    list: &[u8],
    is_divider: impl Fn(u8) -> bool,
    token_of: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<(T, Vec<u8>)>, Repeated> {
    let mut found = None;
    let mut before = 0_usize;
    for item in list.split(|byte| is_divider(*byte)) {
        let end = before.saturating_add(item.len());
        if let Some(token) = token_of(item)
            && found.replace((token, before, end)).is_some()
        {
            return Err(Repeated);
        }
        before = end.saturating_add(1);
    }
    let Some((token, start, end)) = found else { return Ok(None) };
    // With it goes the divider behind it, or that before the last.
    let (start, end) = match end < list.len() {
        true => (start, end.saturating_add(1)),
        false => (start.saturating_sub(1), end),
    };
    let (before, behind) = (list.get(..start).unwrap_or_default(), list.get(end..).unwrap_or_default());
    Ok(Some((token, [before, behind].concat())))
}
