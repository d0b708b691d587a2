//! Documents in and policies out: what is read, imported, proposed, found and refused, and how it is said.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the lint spares tests and not what they call"
)]

mod examples;
mod host;
mod hostile;
mod import;
mod import_defects;
mod import_fields;
mod import_pages;
mod lint;
mod lint_hostile;
mod lint_mutations;
mod propose;
mod reading;
mod renderings;
mod validation_vectors;
mod work;
