//! Columns as they come: buffers laid out as Arrow has them, whatever package they are of.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyBytesMethods};

/// A piece of a column, as `trimtab._arrow` and `trimtab._frames` hand it over.
///
/// What Arrow's C data interface says of an array, with the buffers cut to the rows: the format; how many rows; which of them
/// are valid, a bit each from the first bit on; the numbers, or the offsets of lists; and what the lists have.
#[derive(FromPyObject)]
pub(crate) struct Piece<'py>(
    String,
    usize,
    usize,
    Option<Bound<'py, PyBytes>>,
    Bound<'py, PyBytes>,
    Option<Bound<'py, PyAny>>,
);

/// The values of a column that is read.
pub(crate) enum Values {
    /// One a row; what is null is NaN.
    Numbers(Eights<f64>),
    /// A list a row.
    Lists(Lists),
}

/// Numbers of 64 bits, one a row: the bytes that came, or what was made of others.
pub(crate) enum Eights<T> {
    Came(PyBackedBytes),
    Made(Vec<T>),
}

/// A number of 64 bits.
pub(crate) trait Eight: Copy {
    /// How Arrow calls it.
    const FORMAT: &str;

    fn of(bytes: [u8; 8]) -> Self;
}

impl Eight for f64 {
    const FORMAT: &str = "g";

    fn of(bytes: [u8; 8]) -> Self {
        Self::from_ne_bytes(bytes)
    }
}

impl Eight for i64 {
    const FORMAT: &str = "l";

    fn of(bytes: [u8; 8]) -> Self {
        Self::from_ne_bytes(bytes)
    }
}

impl<T: Eight> Eights<T> {
    /// What came, where that is all there is, and it is laid out like this.
    fn of(pieces: &[Piece<'_>]) -> Option<Self> {
        let [piece] = pieces else { return None };
        let is_whole = piece.4.as_bytes().len() == piece.1.checked_mul(8)?;
        (piece.is_plain(T::FORMAT) && is_whole).then(|| Self::Came(piece.4.clone().into()))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Came(bytes) => bytes.len() / 8,
            Self::Made(numbers) => numbers.len(),
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<T> {
        match self {
            Self::Came(bytes) => bytes.as_chunks().0.get(row).map(|bytes| T::of(*bytes)),
            Self::Made(numbers) => numbers.get(row).copied(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.len()).map_while(|row| self.get(row))
    }
}

/// Lists of numbers, one a row, in one piece.
#[derive(Default)]
pub(crate) struct Lists {
    /// Where each begins and ends; `None` where there is none.
    rows: Vec<Option<(usize, usize)>>,
    values: Vec<f64>,
}

impl Lists {
    pub(crate) fn get(&self, row: usize) -> Option<&[f64]> {
        let (start, end) = (*self.rows.get(row)?)?;
        self.values.get(start..end)
    }
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Lists(lists) => lists.rows.len(),
        }
    }
}

/// A column of readings: numbers, or lists of them.
pub(crate) fn values(pieces: &[Piece<'_>], name: &str) -> PyResult<Values> {
    let is_lists = |piece: &Piece<'_>| piece.5.is_some();
    if !pieces.iter().any(is_lists) {
        if let Some(came) = Eights::of(pieces) {
            return Ok(Values::Numbers(came));
        }
        let mut numbers = Vec::with_capacity(pieces.iter().map(|piece| piece.1).sum());
        for piece in pieces {
            piece.floats(name, &mut numbers)?;
        }
        return Ok(Values::Numbers(Eights::Made(numbers)));
    }
    let mut lists = Lists::default();
    for piece in pieces {
        piece.lists(name, &mut lists)?;
    }
    Ok(Values::Lists(lists))
}

/// A column of counts: every one has to be there, and whole.
pub(crate) fn integers(pieces: &[Piece<'_>], name: &str) -> PyResult<Eights<i64>> {
    if let Some(came) = Eights::of(pieces) {
        return Ok(came);
    }
    let mut all = Vec::with_capacity(pieces.iter().map(|piece| piece.1).sum());
    for piece in pieces {
        let (eights, _) = piece.4.as_bytes().as_chunks::<8>();
        if piece.is_plain("l") && eights.len() == piece.1 {
            all.extend(eights.iter().map(|bytes| i64::from_ne_bytes(*bytes)));
            continue;
        }
        if piece.unit().is_some() {
            return Err(PyTypeError::new_err(format!("column `{name}` has times, and no counts")));
        }
        for number in piece.numbers(name)? {
            all.push(whole(number, name)?);
        }
    }
    Ok(Eights::Made(all))
}

/// A column of times, in milliseconds since 1970: of seconds, or of dates and times, which are UTC where they have no zone.
pub(crate) fn milliseconds(pieces: &[Piece<'_>], name: &str) -> PyResult<Vec<i64>> {
    let none = || PyValueError::new_err(format!("column `{name}` has times that are none"));
    let mut all = Vec::with_capacity(pieces.iter().map(|piece| piece.1).sum());
    for piece in pieces {
        let unit = piece.unit();
        for number in piece.numbers(name)? {
            let time = match (number, unit) {
                // The least of all stands for no time in numpy and pandas.
                (Number::Whole(i64::MIN) | Number::Null | Number::Large(_), _) => None,
                (Number::Whole(count), None) => count.checked_mul(1000),
                (Number::Whole(count), Some(Unit::Longer(milli))) => count.checked_mul(milli),
                (Number::Whole(count), Some(Unit::Shorter(parts))) => {
                    count.checked_add(parts / 2).map(|count| count.div_euclid(parts))
                }
                (Number::Float(seconds), _) => rounded(seconds * 1000.0),
            };
            all.push(time.ok_or_else(none)?);
        }
    }
    Ok(all)
}

/// List a column's numbers; what is null is NaN.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "extracted from a list")]
pub(crate) fn _floats(pieces: Vec<Piece<'_>>, name: &str) -> PyResult<Vec<f64>> {
    match values(&pieces, name)? {
        Values::Numbers(numbers) => Ok(numbers.iter().collect()),
        Values::Lists(_) => Err(PyTypeError::new_err(format!("column `{name}` has lists"))),
    }
}

/// List a column's whole numbers.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "extracted from a list")]
pub(crate) fn _integers(pieces: Vec<Piece<'_>>, name: &str) -> PyResult<Vec<i64>> {
    Ok(integers(&pieces, name)?.iter().collect())
}

/// List a column's times in milliseconds since 1970.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "extracted from a list")]
pub(crate) fn _times(pieces: Vec<Piece<'_>>, name: &str) -> PyResult<Vec<i64>> {
    milliseconds(&pieces, name)
}

/// How long a time's unit is.
#[derive(Copy, Clone)]
enum Unit {
    /// So many milliseconds.
    Longer(i64),
    /// So many in a millisecond.
    Shorter(i64),
}

/// A value as it is written.
#[derive(Copy, Clone)]
enum Number {
    Null,
    Whole(i64),
    /// A whole number that only an unsigned one holds.
    Large(u64),
    Float(f64),
}

impl Number {
    /// Null is NaN.
    fn float(self) -> f64 {
        match self {
            Self::Null => f64::NAN,
            Self::Whole(number) => number as f64,
            Self::Large(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl Piece<'_> {
    /// What a row's number counts, where it is a time.
    fn unit(&self) -> Option<Unit> {
        match self.0.get(..3)? {
            "tdD" => Some(Unit::Longer(86_400_000)),
            "tss" => Some(Unit::Longer(1000)),
            "tdm" | "tsm" => Some(Unit::Longer(1)),
            "tsu" => Some(Unit::Shorter(1000)),
            "tsn" => Some(Unit::Shorter(1_000_000)),
            _ => None,
        }
    }

    /// Whether every row is there, and how its numbers are written.
    fn is_plain(&self, format: &str) -> bool {
        self.0 == format && self.3.is_none()
    }

    /// The rows one by one, as they are written; times as what they count.
    fn numbers(&self, name: &str) -> PyResult<impl Iterator<Item = Number>> {
        let Self(format, rows, first, validity, data, _) = self;
        let written = match self.unit() {
            Some(_) if format == "tdD" => "i",
            Some(_) => "l",
            None => format,
        };
        let (width, read) = reader(written).ok_or_else(|| {
            PyTypeError::new_err(format!(
                "column `{name}` has values that are no numbers: {}",
                in_words(format)
            ))
        })?;
        let data = data.as_bytes();
        let validity = validity.as_ref().map(|bits| bits.as_bytes());
        let bits = first.saturating_add(*rows);
        if data.len() < rows.saturating_mul(width)
            || validity.is_some_and(|validity| validity.len() < bits.div_ceil(8))
        {
            return Err(cut_off(name));
        }
        Ok((*first..bits).enumerate().map(move |(row, bit)| {
            let is_set =
                |bits: &[u8]| bits.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
            if !validity.is_none_or(is_set) {
                return Number::Null;
            }
            data.get(row * width..).and_then(&read).unwrap_or(Number::Null)
        }))
    }

    /// The rows as floats.
    fn floats(&self, name: &str, into: &mut Vec<f64>) -> PyResult<()> {
        if self.unit().is_some() {
            let text = format!("column `{name}` has values that are no numbers: times");
            return Err(PyTypeError::new_err(text));
        }
        let (eights, _) = self.4.as_bytes().as_chunks::<8>();
        if self.is_plain("g") && eights.len() == self.1 {
            into.extend(eights.iter().map(|bytes| f64::from_ne_bytes(*bytes)));
        } else if self.is_plain("l") && eights.len() == self.1 {
            into.extend(eights.iter().map(|bytes| i64::from_ne_bytes(*bytes) as f64));
        } else {
            into.extend(self.numbers(name)?.map(Number::float));
        }
        Ok(())
    }

    /// The rows as lists; a single number is a list of one.
    fn lists(&self, name: &str, into: &mut Lists) -> PyResult<()> {
        let Self(format, rows, first, validity, data, Some(inner)) = self else {
            let start = into.values.len();
            self.floats(name, &mut into.values)?;
            into.rows.extend((start..into.values.len()).map(|at| Some((at, at + 1))));
            return Ok(());
        };
        let base = into.values.len();
        inner.extract::<Piece<'_>>()?.floats(name, &mut into.values)?;
        let offsets = |width: &str| {
            let count = rows.saturating_add(1);
            let offsets = Self(width.to_owned(), count, 0, None, data.clone(), None);
            Ok::<_, PyErr>(offsets.numbers(name)?.collect::<Vec<_>>())
        };
        let offsets = match format.as_str() {
            "+l" => offsets("i")?,
            "+L" => offsets("l")?,
            _ => {
                let each = format.strip_prefix("+w:").and_then(|each| each.parse::<i64>().ok());
                let each = each.ok_or_else(|| {
                    let text = in_words(format);
                    PyTypeError::new_err(format!("column `{name}` has no lists of numbers: {text}"))
                })?;
                (0_i64..)
                    .map(|row| Number::Whole(row.saturating_mul(each)))
                    .take(rows + 1)
                    .collect()
            }
        };
        let Some(Number::Whole(zero)) = offsets.first().copied() else { return Ok(()) };
        let place = |offset: Number| match offset {
            Number::Whole(offset) => {
                usize::try_from(offset.checked_sub(zero)?).ok()?.checked_add(base)
            }
            _ => None,
        };
        let bits = validity.as_ref().map(|bits| bits.as_bytes());
        for (row, (start, end)) in offsets.iter().zip(offsets.iter().skip(1)).enumerate() {
            let bit = first.saturating_add(row);
            let is_set =
                |bits: &[u8]| bits.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
            let range = place(*start).zip(place(*end));
            let range = range.filter(|(start, end)| start <= end && *end <= into.values.len());
            into.rows.push(match range {
                _ if !bits.is_none_or(is_set) => None,
                Some(range) => Some(range),
                None => return Err(cut_off(name)),
            });
        }
        Ok(())
    }
}

/// How one number is read from the bytes that begin with it.
type Read = Box<dyn Fn(&[u8]) -> Option<Number>>;

/// How many bytes a number of a format takes, and how it is read.
fn reader(format: &str) -> Option<(usize, Read)> {
    macro_rules! of {
        ($type:ty, $as:expr) => {
            (
                size_of::<$type>(),
                Box::new(|bytes: &[u8]| {
                    let number = <$type>::from_ne_bytes(*bytes.first_chunk()?);
                    Some($as(number))
                }),
            )
        };
    }
    fn whole(number: impl Into<i64>) -> Number {
        Number::Whole(number.into())
    }
    fn float(number: impl Into<f64>) -> Number {
        Number::Float(number.into())
    }
    Some(match format {
        // A column of nothing but nulls.
        "n" => (0, Box::new(|_| None)),
        "c" => of!(i8, whole),
        "C" => of!(u8, whole),
        "s" => of!(i16, whole),
        "S" => of!(u16, whole),
        "i" => of!(i32, whole),
        "I" => of!(u32, whole),
        "l" => of!(i64, whole),
        "L" => of!(u64, |number: u64| i64::try_from(number).map_or(Number::Large(number), whole)),
        "e" => of!(u16, |bits| Number::Float(half(bits))),
        "f" => of!(f32, float),
        "g" => of!(f64, float),
        decimal => return decimals(decimal.strip_prefix("d:")?),
    })
}

/// Decimals, such as those of databases: precision, scale, and perhaps how many bits.
fn decimals(format: &str) -> Option<(usize, Read)> {
    let mut numbers = format.split(',').skip(1);
    let scale: i32 = numbers.next()?.parse().ok()?;
    let bits = numbers.next().unwrap_or("128");
    let exactly = move |digits: i128| {
        // As the decimal is read, so that it is the float that is nearest.
        format!("{digits}e{}", scale.saturating_neg()).parse().ok().map(Number::Float)
    };
    Some(match bits {
        "32" => (4, Box::new(move |b| exactly(i32::from_ne_bytes(*b.first_chunk()?).into()))),
        "64" => (8, Box::new(move |b| exactly(i64::from_ne_bytes(*b.first_chunk()?).into()))),
        "128" => (16, Box::new(move |b| exactly(i128::from_ne_bytes(*b.first_chunk()?)))),
        _ => return None,
    })
}

/// A float of 16 bits.
fn half(bits: u16) -> f64 {
    let (sign, exponent) = (f64::from(bits >> 15), i32::from(bits >> 10 & 0x1f));
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    let size = match exponent {
        0 => fraction * libm::exp2(-14.0),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction) * libm::exp2(f64::from(exponent - 15)),
    };
    size * (1.0 - 2.0 * sign)
}

fn whole(number: Number, name: &str) -> PyResult<i64> {
    let beyond = || PyOverflowError::new_err(format!("column `{name}` has values beyond 64 bits"));
    match number {
        Number::Whole(number) => Ok(number),
        Number::Large(_) => Err(beyond()),
        Number::Float(number) if libm::round(number) == number => {
            rounded(number).ok_or_else(beyond)
        }
        Number::Float(number) if !number.is_nan() => Err(PyValueError::new_err(format!(
            "column `{name}` has `{number}`, which is no whole number"
        ))),
        Number::Float(_) | Number::Null => Err(PyValueError::new_err(format!(
            "column `{name}` has a null: give every row a whole number, or leave the row out"
        ))),
    }
}

/// The nearest whole number, of those that a float tells apart.
#[expect(clippy::cast_possible_truncation, reason = "within 2^53")]
fn rounded(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = libm::round(number);
    (libm::fabs(number) <= EXACT).then_some(number as i64)
}

/// A format as people call it.
fn in_words(format: &str) -> &str {
    match format {
        "u" | "U" | "vu" => "text",
        "b" => "booleans",
        "z" | "Z" | "vz" => "bytes",
        other => other,
    }
}

fn cut_off(name: &str) -> PyErr {
    PyValueError::new_err(format!("column `{name}` has fewer values than rows"))
}
