//! All that was found, in the order of the sources.

use super::allow;
use super::finding::{Finding, Findings, Place};
use super::rule::Severity;
use crate::error::LineCounter;
use crate::render::Colour;
use crate::{Limits, ManifestError, Source};

/// What is wrong with a set of manifests.
#[derive(Debug)]
pub struct Report {
    sources: usize,
    documents: usize,
    findings: Vec<Finding>,
    left_out: usize,
    allowed: usize,
    errors: Vec<ManifestError>,
}

impl Report {
    pub(super) fn new(
        sources: &[Source],
        limits: &Limits,
        documents: usize,
        mut findings: Findings<'_>,
        errors: Vec<(usize, ManifestError)>,
    ) -> Self {
        count_lines(sources, &mut findings.found);
        let mut readable = vec![true; sources.len()];
        for (index, _) in &errors {
            if let Some(readable) = readable.get_mut(*index) {
                *readable = false;
            }
        }
        let allowed = allow::apply(&mut findings, limits, &readable);
        // Those of the comments came on top.
        count_lines(sources, &mut findings.found);
        let Findings { mut found, left_out, .. } = findings;
        let errors = errors.into_iter().map(|(_, error)| error).collect();
        found.sort_by(|a, b| {
            let key = |finding: &Finding| {
                let place = &finding.place;
                (place.index, place.span.start, finding.rule().id())
            };
            key(a).cmp(&key(b))
        });
        Self { sources: sources.len(), documents, findings: found, left_out, allowed, errors }
    }

    /// What was found, in the order of the sources and of their text.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings there are besides, of sets that have thousands.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// How many findings comments let pass.
    pub fn allowed(&self) -> usize {
        self.allowed
    }

    /// The sources that could not be read, each with the reason.
    pub fn errors(&self) -> &[ManifestError] {
        &self.errors
    }

    /// How many sources there were.
    pub fn sources(&self) -> usize {
        self.sources
    }

    /// How many documents they hold.
    pub fn documents(&self) -> usize {
        self.documents
    }

    /// How many findings are this bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity() == severity).count()
    }

    /// The findings as rustc shows them.
    pub fn render(&self, colour: Colour) -> String {
        let shown: Vec<_> = self.findings.iter().map(|finding| finding.render(colour)).collect();
        shown.join("\n\n")
    }
}

/// Lines and columns, counted once for all places of a source.
fn count_lines(sources: &[Source], findings: &mut [Finding]) {
    let places = findings.iter_mut().flat_map(Finding::places_mut);
    let mut places: Vec<&mut Place> = places.collect();
    places.sort_by_key(|place| (place.index, place.span.start));
    let counters = || sources.iter().map(|_| LineCounter::default()).collect();
    let mut counted: Vec<LineCounter> = counters();
    for place in &mut places {
        if let (Some(counter), Some(source)) =
            (counted.get_mut(place.index), sources.get(place.index))
        {
            place.position = counter.position(source, place.span.start);
        }
    }
    places.sort_by_key(|place| (place.index, place.document));
    let mut counted: Vec<LineCounter> = counters();
    for place in places {
        if let (Some(counter), Some(source)) =
            (counted.get_mut(place.index), sources.get(place.index))
        {
            place.document_line = counter.position(source, place.document).line;
        }
    }
}
