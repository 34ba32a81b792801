//! `google.protobuf.Struct` as Envoy hands it over.
//!
//! A plugin's configuration that is written as YAML is a `Struct`. Envoy's documentation says that the plugin
//! gets it as JSON; up to 1.40 it gets the message's wire form. Four messages and six kinds of values do not
//! pay for a protobuf library in the module. (`google/protobuf/struct.proto`; encoding: protobuf.dev.)

use crate::json::{Json, Members};

/// The depth at which reading stops, as in [`Json::parse`].
const MAX_DEPTH: usize = 128;

/// Reads a serialised `Struct`. `None` where it is not one, or has a member twice.
pub(super) fn read_struct(bytes: &[u8]) -> Option<Json> {
    object(bytes, MAX_DEPTH)
}

enum Field<'b> {
    Varint(u64),
    Double(f64),
    Bytes(&'b [u8]),
}

fn object(mut bytes: &[u8], depth: usize) -> Option<Json> {
    let depth = depth.checked_sub(1)?;
    let mut members = Members::new();
    while !bytes.is_empty() {
        let (1, Field::Bytes(mut entry)) = field(&mut bytes)? else { return None };
        let (mut name, mut member) = ("", Json::Null);
        while !entry.is_empty() {
            match field(&mut entry)? {
                (1, Field::Bytes(text)) => name = std::str::from_utf8(text).ok()?,
                (2, Field::Bytes(message)) => member = value(message, depth)?,
                _ => return None,
            }
        }
        if members.insert(name.to_owned(), member).is_some() {
            return None;
        }
    }
    Some(Json::Object(members))
}

fn list(mut bytes: &[u8], depth: usize) -> Option<Json> {
    let depth = depth.checked_sub(1)?;
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let (1, Field::Bytes(item)) = field(&mut bytes)? else { return None };
        items.push(value(item, depth)?);
    }
    Some(Json::Array(items))
}

fn value(mut bytes: &[u8], depth: usize) -> Option<Json> {
    let mut value = Json::Null;
    while !bytes.is_empty() {
        value = match field(&mut bytes)? {
            (1, Field::Varint(_)) => Json::Null,
            (2, Field::Double(number)) => Json::Number(as_number(number)?),
            (3, Field::Bytes(text)) => Json::String(std::str::from_utf8(text).ok()?.to_owned()),
            (4, Field::Varint(truth)) => Json::Bool(truth != 0),
            (5, Field::Bytes(message)) => object(message, depth)?,
            (6, Field::Bytes(message)) => list(message, depth)?,
            _ => return None,
        };
    }
    Some(value)
}

/// A `Struct` knows doubles only; a whole one was written as a whole number.
fn as_number(number: f64) -> Option<serde_json::Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.fract() == 0.0 && number.abs() < EXACT {
        true => Some((number as i64).into()),
        false => serde_json::Number::from_f64(number),
    }
}

/// Takes one field off the front: its number and its value.
fn field<'b>(bytes: &mut &'b [u8]) -> Option<(u64, Field<'b>)> {
    let tag = varint(bytes)?;
    let field = match tag & 7 {
        0 => Field::Varint(varint(bytes)?),
        1 => {
            let (double, rest) = bytes.split_first_chunk::<8>()?;
            *bytes = rest;
            Field::Double(f64::from_le_bytes(*double))
        }
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Field::Bytes(text)
        }
        _ => return None,
    };
    Some((tag >> 3, field))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// `{"a": {"b": [1, 1.5, "x", true, null]}}`, as the protobuf library for Python encodes it.
    const NESTED: &[u8] = b"\n3\n\x01a\x12.*,\n*\n\x01b\x12%2#\n\t\x11\x00\x00\x00\x00\x00\x00\xf0?\
        \n\t\x11\x00\x00\x00\x00\x00\x00\xf8?\n\x03\x1a\x01x\n\x02 \x01\n\x02\x08\x00";

    #[test]
    fn a_struct_is_the_json_that_it_was_written_as() {
        let json = Json::parse(br#"{"a": {"b": [1, 1.5, "x", true, null]}}"#).unwrap();
        assert_eq!(read_struct(NESTED), Some(json));
        assert_eq!(read_struct(b""), Some(Json::Object(Members::new())));
    }

    #[test]
    fn what_is_cut_short_is_no_struct_and_nothing_panics() {
        for end in 1..NESTED.len() {
            assert_eq!(read_struct(&NESTED[..end]), None, "{end}");
        }
        for flipped in 0..NESTED.len() * 8 {
            let mut bytes = NESTED.to_vec();
            bytes[flipped / 8] ^= 1 << (flipped % 8);
            let _ = read_struct(&bytes);
        }
    }

    #[test]
    fn a_member_that_occurs_twice_is_refused() {
        assert!(read_struct(b"\x0a\x09\x0a\x01a\x12\x04\x1a\x02xy").is_some());
        assert_eq!(
            read_struct(b"\x0a\x09\x0a\x01a\x12\x04\x1a\x02xy\x0a\x09\x0a\x01a\x12\x04\x1a\x02xy"),
            None
        );
    }
}
