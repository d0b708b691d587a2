//! Documents for the tests of the views.

use crate::lint::document::Document;
use crate::{Limits, Source, yaml};

/// The one document of a text.
pub(in crate::lint) fn document(text: &str) -> Document {
    let source = Source::new("test.yaml", text);
    let (documents, problems) = yaml::documents(&source, &Limits::default());
    assert!(problems.is_empty(), "{problems:?}");
    Document::all((0, &source), &documents[0], &mut Limits::default()).remove(0)
}
