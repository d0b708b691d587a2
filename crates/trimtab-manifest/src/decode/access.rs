//! What is inside lists, mappings and variants, one after the other as serde asks for it.

use std::rc::Rc;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::deserializer::NodeDeserializer;
use super::error::DecodeError;
use crate::node::{Entry, Node};

/// The items of a list.
pub(super) struct Items<'n> {
    pub(super) items: std::slice::Iter<'n, Rc<Node>>,
    pub(super) index: usize,
    pub(super) of: NodeDeserializer<'n>,
}

impl<'n> SeqAccess<'n> for Items<'n> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(self.of.with(item)).map_err(|mut error| {
            error = error.at(item.span);
            error.path.push(format!("[{index}]"));
            error
        })?;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a mapping.
pub(super) struct Entries<'n> {
    pub(super) entries: std::slice::Iter<'n, Entry>,
    pub(super) current: Option<&'n Entry>,
    pub(super) fields: &'static [&'static str],
    pub(super) of: NodeDeserializer<'n>,
}

impl<'n> MapAccess<'n> for Entries<'n> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let (fields, skipped) = (self.fields, self.of.skipped);
        let absent = |entry: &&Entry| {
            skipped.contains(&entry.key_span.start)
                || (entry.value.is_null() && fields.contains(&entry.key.as_str()))
        };
        self.current = self.entries.find(|entry| !absent(entry));
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let key = de::value::BorrowedStrDeserializer::new(&entry.key);
        let key = seed
            .deserialize(key)
            .map_err(|error: DecodeError| error.at(entry.key_span).inside(entry))?;
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        let Some(entry) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(self.of.with(&entry.value))
            .map_err(|error| error.at(entry.value.span).inside(entry))
    }
}

/// A variant and what it holds, written as a mapping of one key.
pub(super) struct Variant<'n> {
    pub(super) entry: &'n Entry,
    pub(super) of: NodeDeserializer<'n>,
}

impl<'n> EnumAccess<'n> for Variant<'n> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'n>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), DecodeError> {
        let key = de::value::BorrowedStrDeserializer::new(&self.entry.key);
        let value =
            seed.deserialize(key).map_err(|error: DecodeError| error.at(self.entry.key_span))?;
        Ok((value, self))
    }
}

impl<'n> Variant<'n> {
    fn value(&self) -> NodeDeserializer<'n> {
        self.of.with(&self.entry.value)
    }

    fn place(&self, error: DecodeError) -> DecodeError {
        error.at(self.entry.value.span).inside(self.entry)
    }
}

impl<'n> VariantAccess<'n> for Variant<'n> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        de::Deserialize::deserialize(self.value()).map_err(|error| self.place(error))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'n>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        seed.deserialize(self.value()).map_err(|error| self.place(error))
    }

    fn tuple_variant<V: Visitor<'n>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.value().deserialize_seq(visitor).map_err(|error| self.place(error))
    }

    fn struct_variant<V: Visitor<'n>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.value().entries(fields, visitor).map_err(|error| self.place(error))
    }
}
