//! Any serde value as a tree of fields in their order.

use std::fmt::{self, Display};

use serde::ser::{self, Impossible, Serialize};

/// A value to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// A number, a truth value or null: as it stands.
    Plain(String),
    /// Text.
    Text(String),
    List(Vec<Tree>),
    Mapping(Vec<(String, Tree)>),
}

/// Takes a value apart.
pub(crate) fn tree<T: Serialize + ?Sized>(value: &T) -> Result<Tree, WriteError> {
    value.serialize(TreeSerializer)
}

impl Tree {
    /// The longest part of a path such as `spec.metrics[0].type` that this tree has.
    pub(super) fn nearest<'f>(&self, field: &'f str) -> &'f str {
        let mut node = self;
        let mut found = 0;
        let mut rest = field;
        while !rest.is_empty() {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (segment, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let next = match node {
                Self::Mapping(entries) => {
                    entries.iter().find(|(key, _)| key == segment).map(|(_, value)| value)
                }
                Self::List(items) => {
                    let index = segment.strip_suffix(']').and_then(|index| index.parse().ok());
                    index.and_then(|index: usize| items.get(index))
                }
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
            found = field.len() - behind.len();
            rest = behind.strip_prefix(['.', '[']).unwrap_or(behind);
        }
        field.get(..found).unwrap_or_default()
    }
}

/// A value that YAML documents do not hold.
///
/// ```
/// use trimtab_manifest::{Comments, to_yaml};
///
/// let error = to_yaml(&f64::NAN, &Comments::default()).unwrap_err();
/// assert_eq!(error.to_string(), "`NaN` is no number that a document can hold");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError(String);

impl Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WriteError {}

impl ser::Error for WriteError {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct TreeSerializer;

macro_rules! plain {
    ($($method:ident $type:ident;)*) => {$(
        fn $method(self, value: $type) -> Result<Tree, WriteError> {
            Ok(Tree::Plain(value.to_string()))
        }
    )*};
}

impl ser::Serializer for TreeSerializer {
    type Ok = Tree;
    type Error = WriteError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Impossible<Tree, WriteError>;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Variant;

    plain! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
    }

    fn serialize_f32(self, value: f32) -> Result<Tree, WriteError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<Tree, WriteError> {
        /// From here on zeros would only fill the line.
        const LONG: std::ops::Range<f64> = 1e-6..1e16;
        if !value.is_finite() {
            return Err(WriteError(format!("`{value}` is no number that a document can hold")));
        }
        Ok(Tree::Plain(if value == 0.0 || LONG.contains(&value.abs()) {
            value.to_string()
        } else {
            format!("{value:e}")
        }))
    }

    fn serialize_char(self, value: char) -> Result<Tree, WriteError> {
        Ok(Tree::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Tree, WriteError> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Tree, WriteError> {
        Ok(Tree::List(value.iter().map(|byte| Tree::Plain(byte.to_string())).collect()))
    }

    fn serialize_none(self) -> Result<Tree, WriteError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Tree, WriteError> {
        Ok(Tree::Plain(String::from("null")))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Tree, WriteError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Tree, WriteError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Tree, WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Tree, WriteError> {
        Ok(Tree::Mapping(vec![(variant.to_owned(), tree(value)?)]))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Items, WriteError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Items, WriteError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Items, WriteError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, WriteError> {
        Err(WriteError(format!("`{variant}` holds several values without a name")))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Entries, WriteError> {
        Ok(Entries::default())
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Entries, WriteError> {
        Ok(Entries::default())
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Variant, WriteError> {
        Ok(Variant { name: variant, entries: Entries::default() })
    }
}

/// The items of a list.
struct Items(Vec<Tree>);

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.0.push(tree(value)?);
        Ok(())
    }
}

impl ser::SerializeSeq for Items {
    type Ok = Tree;
    type Error = WriteError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.push(value)
    }

    fn end(self) -> Result<Tree, WriteError> {
        Ok(Tree::List(self.0))
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Tree;
    type Error = WriteError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.push(value)
    }

    fn end(self) -> Result<Tree, WriteError> {
        Ok(Tree::List(self.0))
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Tree;
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.push(value)
    }

    fn end(self) -> Result<Tree, WriteError> {
        Ok(Tree::List(self.0))
    }
}

/// The entries of a mapping.
#[derive(Default)]
struct Entries {
    entries: Vec<(String, Tree)>,
    /// The key whose value comes next.
    key: String,
}

impl ser::SerializeMap for Entries {
    type Ok = Tree;
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        self.key = match tree(key)? {
            Tree::Text(text) | Tree::Plain(text) => text,
            _ => return Err(WriteError(String::from("a key has to be text"))),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.entries.push((std::mem::take(&mut self.key), tree(value)?));
        Ok(())
    }

    fn end(self) -> Result<Tree, WriteError> {
        Ok(Tree::Mapping(self.entries))
    }
}

impl ser::SerializeStruct for Entries {
    type Ok = Tree;
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.entries.push((key.to_owned(), tree(value)?));
        Ok(())
    }

    fn end(self) -> Result<Tree, WriteError> {
        Ok(Tree::Mapping(self.entries))
    }
}

/// A variant with fields: a mapping of one key.
struct Variant {
    name: &'static str,
    entries: Entries,
}

impl ser::SerializeStructVariant for Variant {
    type Ok = Tree;
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        ser::SerializeStruct::serialize_field(&mut self.entries, key, value)
    }

    fn end(self) -> Result<Tree, WriteError> {
        Ok(Tree::Mapping(vec![(self.name.to_owned(), ser::SerializeStruct::end(self.entries)?)]))
    }
}
