//! One value of the tree as serde asks for it.

use serde::de::{Deserializer, IntoDeserializer, Visitor};

use super::access::{Entries, Items, Variant};
use super::error::DecodeError;
use super::number::{is_exact, looks_like_number};
use crate::ProblemKind;
use crate::node::{Node, Scalar, ScalarType, Value, shortened};

/// A value of the tree, to be made into a Rust value.
#[derive(Copy, Clone)]
pub(super) struct NodeDeserializer<'n> {
    pub(super) node: &'n Node,
    /// Where the keys of entries start that are taken for absent.
    pub(super) skipped: &'n [usize],
}

impl<'n> NodeDeserializer<'n> {
    pub(super) fn with(self, node: &'n Node) -> Self {
        Self { node, ..self }
    }

    fn scalar(self, expected: &str) -> Result<&'n Scalar, DecodeError> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(scalar),
            _ => Err(DecodeError::expected(expected, self.node)),
        }
    }

    fn text(self) -> Result<&'n str, DecodeError> {
        let expected = "a string";
        let scalar = self.scalar(expected)?;
        match scalar.type_() {
            ScalarType::Text => Ok(&scalar.text),
            ScalarType::Null => Err(DecodeError::expected(expected, self.node)),
            _ => Err(DecodeError::expected(expected, self.node)
                .help(format!("in quotes it is one: \"{}\"", shortened(&scalar.text)))),
        }
    }

    fn integer(self, least: i128, most: i128) -> Result<i128, DecodeError> {
        let expected = "a whole number";
        let scalar = self.scalar(expected)?;
        let error = || DecodeError::expected(expected, self.node);
        match scalar.type_() {
            ScalarType::Integer if scalar.has_leading_zero() => Err(self.leading_zero()),
            ScalarType::Integer => {
                let value = scalar.text.parse().ok().filter(|v| (least..=most).contains(v));
                value.ok_or_else(|| {
                    let text = shortened(&scalar.text);
                    let message = format!("`{text}` is not from {least} to {most}");
                    DecodeError::new(ProblemKind::WrongType, message).at(self.node.span)
                })
            }
            ScalarType::Text if scalar.is_text && scalar.text.parse::<i128>().is_ok() => {
                Err(error().help(format!("write it without quotes: {}", scalar.text)))
            }
            ScalarType::Text if looks_like_number(&scalar.text) => {
                Err(error().help("write it with the digits 0 to 9 alone"))
            }
            _ => Err(error()),
        }
    }

    fn float(self) -> Result<f64, DecodeError> {
        let expected = "a number";
        let scalar = self.scalar(expected)?;
        match scalar.type_() {
            ScalarType::Integer if scalar.has_leading_zero() => Err(self.leading_zero()),
            ScalarType::Integer | ScalarType::Float => {
                let value = scalar.float().filter(|value| {
                    value.is_finite() || scalar.text.to_ascii_lowercase().contains(['f', 'a'])
                });
                value.ok_or_else(|| {
                    let message = format!("`{}` is too large a number", shortened(&scalar.text));
                    DecodeError::new(ProblemKind::WrongType, message).at(self.node.span)
                })
            }
            _ => Err(DecodeError::expected(expected, self.node)),
        }
    }

    fn leading_zero(self) -> DecodeError {
        let message = format!("{} starts with a zero", self.node.describe());
        DecodeError::new(ProblemKind::WrongType, message)
            .at(self.node.span)
            .help("some readers take it for octal; write it without the zero")
    }

    /// A number for a visitor that takes any type. What a float cannot hold exactly is handed over
    /// as the text that it is, so that decimal types get every digit.
    fn visit_number<V: Visitor<'n>>(
        self,
        scalar: &'n Scalar,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if scalar.has_leading_zero() {
            return Err(self.leading_zero());
        }
        let text = scalar.text.strip_prefix('+').unwrap_or(&scalar.text);
        if let Ok(value) = text.parse::<u64>() {
            return visitor.visit_u64(value);
        }
        if let Ok(value) = text.parse::<i64>() {
            return visitor.visit_i64(value);
        }
        match scalar.float() {
            Some(value) if !value.is_finite() || is_exact(text, value) => visitor.visit_f64(value),
            _ => visitor.visit_borrowed_str(text),
        }
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident;)*) => {$(
        fn $method<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let value = self.integer(i128::from($type::MIN), i128::from($type::MAX))?;
            match $type::try_from(value) {
                Ok(value) => visitor.$visit(value).map_err(|error: DecodeError| error.at(self.node.span)),
                Err(_) => Err(DecodeError::expected("a whole number", self.node)),
            }
        }
    )*};
}

impl<'n> Deserializer<'n> for NodeDeserializer<'n> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Sequence(_) => self.deserialize_seq(visitor),
            Value::Mapping(_) => self.deserialize_map(visitor),
            Value::Scalar(scalar) => match scalar.type_() {
                ScalarType::Null => visitor.visit_unit(),
                ScalarType::Bool(value) => visitor.visit_bool(value),
                ScalarType::Integer | ScalarType::Float => self.visit_number(scalar, visitor),
                ScalarType::Text => visitor.visit_borrowed_str(&scalar.text),
            },
        }
        .map_err(|error| error.at(self.node.span))
    }

    integers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_i128<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = self.integer(i128::MIN, i128::MAX)?;
        visitor.visit_i128(value).map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_u128<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = self.integer(0, i128::MAX)?;
        visitor
            .visit_u128(value.unsigned_abs())
            .map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_f32<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = self.float()?;
        visitor.visit_f64(value).map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.scalar("`true` or `false`")?.type_() {
            ScalarType::Bool(value) => visitor.visit_bool(value),
            _ => Err(DecodeError::expected("`true` or `false`", self.node)),
        }
    }

    fn deserialize_char<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.text()?;
        visitor.visit_borrowed_str(text).map_err(|error: DecodeError| error.at(self.node.span))
    }

    fn deserialize_string<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            visitor.visit_unit()
        } else {
            Err(DecodeError::expected("nothing", self.node))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self).map_err(|error| error.at(self.node.span))
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Sequence(items) => visitor
                .visit_seq(Items { items: items.iter(), index: 0, of: self })
                .map_err(|error| error.at(self.node.span)),
            _ => Err(DecodeError::expected("a list", self.node)),
        }
    }

    fn deserialize_tuple<V: Visitor<'n>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.entries(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        // A list would do for serde; nobody writes a mapping like that.
        self.entries(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match &self.node.value {
            Value::Scalar(_) => visitor.visit_enum(self.text()?.into_deserializer()),
            Value::Mapping(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(Variant { entry, of: self }),
                _ => {
                    let known = variants.join("`, `");
                    let message = format!("expected one key, of `{known}`");
                    Err(DecodeError::new(ProblemKind::WrongType, message))
                }
            },
            Value::Sequence(_) => Err(DecodeError::expected("a name", self.node)),
        };
        result.map_err(|error| error.at(self.node.span))
    }

    fn deserialize_identifier<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

impl<'n> NodeDeserializer<'n> {
    /// `fields` may be null, which is the same as absent, as it is in Kubernetes.
    pub(super) fn entries<V: Visitor<'n>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Some(entries) = self.node.entries() else {
            return Err(DecodeError::expected("a mapping", self.node));
        };
        let access = Entries { entries: entries.iter(), current: None, fields, of: self };
        visitor.visit_map(access).map_err(|error| error.at(self.node.span))
    }
}
