//! The ABI's form of a list of pairs: their number, then the length of each name and value (all 32-bit, little
//! endian), then names and values, each with a NUL behind it.

/// Reads a serialised list, borrowing from it. What is cut short ends the list.
pub(super) fn parse(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut lengths = bytes;
    let Some(count) = number(&mut lengths) else { return Vec::new() };
    let Some(mut data) = count.checked_mul(8).and_then(|size| lengths.get(size..)) else { return Vec::new() };
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (Some(name), Some(value)) = (number(&mut lengths), number(&mut lengths)) else { break };
        let (Some(name), Some(value)) = (text(&mut data, name), text(&mut data, value)) else { break };
        pairs.push((name, value));
    }
    pairs
}

/// Writes a list.
pub(super) fn serialize(pairs: &[(&str, &str)]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

fn text<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest.get(1..)?;
    Some(text)
}
