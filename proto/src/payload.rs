//! Domain types inside protobuf messages: a body of JSON, written and read by the types' own serde form.
//!
//! Both ends of a connection have the same protocol version, so the Rust type is the only definition of such a body.
//! A body is checked before use: its size, its fields, and the rules of [`Payload::check`].

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{plain::clean, rule::FieldError};

/// The longest body, in bytes. The results of a thousand workers take some hundred KiB.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// A type that travels as JSON inside a message.
pub trait Payload: Serialize + DeserializeOwned {
    /// Refuses values that the type can hold but that cannot occur.
    ///
    /// # Errors
    /// The first such field.
    fn check(&self) -> Result<(), FieldError> {
        Ok(())
    }
}

/// The body of a message. Numbers that JSON lacks (NaN and infinities) become `null`, which the other end refuses
/// where it needs a number.
#[allow(
    clippy::expect_used,
    reason = "payloads have keys of text or integers and no serializer that can fail"
)]
pub(crate) fn encode<T: Serialize>(payload: &T) -> Vec<u8> {
    serde_json::to_vec(payload).expect("a payload has a JSON form")
}

/// Reads a body that must be used exactly as sent, such as a trial, whose paths name files.
///
/// # Errors
/// The field that is missing, unknown, of another type or impossible. Its path is `body` if the body as a whole is
/// invalid.
pub(crate) fn decode_exact<T: Payload>(body: &[u8]) -> Result<T, FieldError> {
    check_size(body)?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let payload = read(&mut json)?;
    json.end().map_err(|error| FieldError::malformed("body", error.to_string()))?;
    Ok(payload)
}

/// Reads a body whose text is displayed: control characters are removed from every string in it.
///
/// # Errors
/// As [`decode_exact`].
pub(crate) fn decode_clean<T: Payload>(body: &[u8]) -> Result<T, FieldError> {
    check_size(body)?;
    let value: Value =
        serde_json::from_slice(body).map_err(|error| FieldError::malformed("body", error.to_string()))?;
    read(clean_value(value))
}

fn check_size(body: &[u8]) -> Result<(), FieldError> {
    if body.len() > MAX_BODY_BYTES {
        let message = format!("the body has {} bytes; at most {MAX_BODY_BYTES} are allowed", body.len());
        return Err(FieldError::malformed("body", message));
    }
    Ok(())
}

fn read<'de, T: Payload>(
    json: impl serde::Deserializer<'de, Error = serde_json::Error>,
) -> Result<T, FieldError> {
    let payload: T = serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body".to_owned() } else { clean(&path) };
        // The message may quote the body.
        FieldError::malformed(field, clean(&error.inner().to_string()))
    })?;
    payload.check()?;
    Ok(payload)
}

/// Makes every string and every key safe for a terminal.
fn clean_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(values) => values.into_iter().map(clean_value).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (clean(&key), clean_value(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        text: String,
        share: f64,
        counts: BTreeMap<i32, u64>,
    }

    impl Payload for Sample {
        fn check(&self) -> Result<(), FieldError> {
            if self.share > 1.0 { Err(FieldError::malformed("share", "must be at most 1")) } else { Ok(()) }
        }
    }

    fn refused(body: &str) -> FieldError {
        let exact = decode_exact::<Sample>(body.as_bytes()).unwrap_err();
        assert_eq!(exact.field, decode_clean::<Sample>(body.as_bytes()).unwrap_err().field);
        exact
    }

    #[test]
    fn payloads_read_back_as_written() {
        let sample = Sample { text: "a\nb".into(), share: 0.25, counts: [(-5, u64::MAX)].into() };
        assert_eq!(decode_exact::<Sample>(&encode(&sample)).unwrap(), sample);
        let cleaned = Sample { text: "a b".into(), ..sample };
        assert_eq!(decode_clean::<Sample>(&encode(&cleaned)).unwrap(), cleaned);
    }

    #[test]
    fn errors_name_the_field() {
        assert_eq!(refused(r#"{"text": 1, "share": 0, "counts": {}}"#).field, "text");
        assert_eq!(refused(r#"{"text": "", "share": 0, "counts": {"7": -1}}"#).field, "counts.7");
        assert_eq!(refused(r#"{"text": "", "share": 2, "counts": {}}"#).field, "share");
        assert!(refused(r#"{"text": "", "share": 0}"#).rule.to_string().contains("missing field `counts`"));
        let unknown = refused(r#"{"text": "", "share": 0, "counts": {}, "more": 1}"#);
        assert!(unknown.rule.to_string().contains("unknown field `more`"), "{unknown}");
    }

    #[test]
    fn refuses_nan_and_infinity() {
        for share in [f64::NAN, f64::INFINITY] {
            let sample = Sample { text: String::new(), share, counts: BTreeMap::new() };
            assert_eq!(decode_clean::<Sample>(&encode(&sample)).unwrap_err().field, "share");
        }
    }

    #[test]
    fn refuses_invalid_bodies() {
        for body in ["", "null", "[", "{}x", r#"{"text": "", "share": 0, "counts": {}} {}"#, "\u{1b}[2J"] {
            assert_eq!(refused(body).field, "body", "{body}");
        }
        assert!(refused(&" ".repeat(MAX_BODY_BYTES + 1)).rule.to_string().contains("at most 4194304"));
        let deep = "[".repeat(1 << 20);
        assert!(decode_exact::<Sample>(deep.as_bytes()).is_err());
        assert!(decode_clean::<Sample>(deep.as_bytes()).is_err());
    }

    #[test]
    fn removes_control_characters_from_keys_and_values() {
        let cleaned = clean_value(serde_json::json!({"\u{1b}k": ["\r", {"x": "\u{7}y"}, 1, null]}));
        assert_eq!(cleaned, serde_json::json!({" k": [" ", {"x": " y"}, 1, null]}));
    }
}
