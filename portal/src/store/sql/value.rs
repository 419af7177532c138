//! What goes into a statement and comes out of it.

use std::fmt;
use std::sync::Arc;

use crate::store::StoreError;

/// A parameter or a column.
#[derive(Clone)]
pub(in crate::store) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A library that logs its parameters must not log secrets.
        f.write_str("Value")
    }
}

/// A row of an answer.
pub(in crate::store) struct SqlRow {
    /// The names of its columns, shared by all rows of the answer.
    pub(in crate::store) columns: Arc<[String]>,
    /// In the same order.
    pub(in crate::store) values: Vec<Value>,
}

/// What can be a parameter.
pub(in crate::store) trait ToValue {
    fn to_value(&self) -> Value;
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl ToValue for i64 {
    fn to_value(&self) -> Value {
        Value::Integer(*self)
    }
}

impl ToValue for u32 {
    fn to_value(&self) -> Value {
        Value::Integer(i64::from(*self))
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value {
        Value::Integer(i64::from(*self))
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        self.as_str().to_value()
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

/// The parameters of a statement.
pub(in crate::store) trait Params {
    fn values(&self) -> Vec<Value>;
}

impl<T: ToValue, const N: usize> Params for [T; N] {
    fn values(&self) -> Vec<Value> {
        self.iter().map(ToValue::to_value).collect()
    }
}

impl Params for Vec<Value> {
    fn values(&self) -> Vec<Value> {
        self.clone()
    }
}

/// No parameters.
pub(in crate::store) const NONE: [Value; 0] = [];

/// Parameters of several types.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$($crate::store::sql::value::ToValue::to_value(&$value)),*]
    };
}
pub(super) use params;

/// What a column can be read as.
pub(super) trait FromValue: Sized {
    /// `None` where the column holds something else.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// A column as it is.
pub(super) fn get<T: FromValue>(row: &SqlRow, column: &'static str) -> Result<T, StoreError> {
    (row.columns.iter().zip(&row.values))
        .find(|(name, _)| *name == column)
        .and_then(|(_, value)| T::from_value(value))
        .ok_or(StoreError::Unreadable { column })
}

/// A column of text that parses.
pub(super) fn parse<T: std::str::FromStr>(
    row: &SqlRow,
    column: &'static str,
) -> Result<T, StoreError> {
    get::<String>(row, column)?
        .parse()
        .map_err(|_| StoreError::Unreadable { column })
}

/// A column of text, or NULL, that parses.
pub(super) fn parse_optional<T: std::str::FromStr>(
    row: &SqlRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    get::<Option<String>>(row, column)?
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| StoreError::Unreadable { column })
}
