//! trimtab for Python.
