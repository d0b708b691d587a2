//! What a series is called.

/// One series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Its name, without `/replica`.
    pub name: String,
    /// Whether it is what each replica reports, rather than the total over all of them.
    pub per_replica: bool,
}

impl Series {
    /// The series of a column.
    ///
    /// ```
    /// use trimtab_test::Series;
    ///
    /// let series = Series::of_column("kv_cache_usage_ratio/replica");
    /// assert_eq!((series.name.as_str(), series.per_replica), ("kv_cache_usage_ratio", true));
    /// assert_eq!(series.column(), "kv_cache_usage_ratio/replica");
    /// ```
    pub fn of_column(column: &str) -> Self {
        match column.strip_suffix("/replica") {
            Some(name) => Self { name: name.to_owned(), per_replica: true },
            None => Self { name: column.to_owned(), per_replica: false },
        }
    }

    /// Its name as a column's.
    pub fn column(&self) -> String {
        if self.per_replica { format!("{}/replica", self.name) } else { self.name.clone() }
    }
}
