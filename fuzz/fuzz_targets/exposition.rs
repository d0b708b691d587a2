//! A page of metrics reads the same whatever it is cut into, no page makes the reader panic, and what it found writes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_prometheus::{Exposition, Line, TextSample};

fuzz_target!(|page: &str| {
    for format in [Exposition::Text, Exposition::OpenMetrics] {
        let Some(found) = read(format, page) else { continue };
        // Written in the plainest form, it reads as the same.
        let written: String = found.iter().map(write).collect();
        let again = read(Exposition::Text, &written);
        let again = again.unwrap_or_else(|| panic!("{page:?} is written as {written:?}"));
        assert_eq!(found.len(), again.len(), "{written:?}");
        for (one, other) in found.iter().zip(&again) {
            assert_eq!((&one.name, &one.labels), (&other.name, &other.labels), "{written:?}");
            let same = one.value == other.value || (one.value.is_nan() && other.value.is_nan());
            assert!(same && one.at == other.at, "{written:?}");
        }
        // A page that is cut within a line is not read as a whole one.
        if format == Exposition::Text
            && page.ends_with('\n')
            && let Some((cut, _)) = page.char_indices().next_back()
            && !page[..cut].ends_with('\n')
            && cut > 0
        {
            assert!(read(format, &page[..cut]).is_none(), "{page:?}");
        }
    }
});

fn read(format: Exposition, page: &str) -> Option<Vec<TextSample<'_>>> {
    let mut samples = Vec::new();
    let read = format.read(page, &mut |line| {
        if let Line::Sample(sample) = line {
            samples.push(sample);
        }
    });
    read.ok().map(|()| samples)
}

fn write(sample: &TextSample<'_>) -> String {
    let quoted = |text: &str| {
        let plain = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("\"{plain}\"")
    };
    let mut inside = vec![quoted(&sample.name)];
    let labels = sample.labels.iter();
    inside.extend(labels.map(|(label, value)| format!("{}={}", quoted(label), quoted(value))));
    let at = sample.at.map(|at| format!(" {}", at.as_millis())).unwrap_or_default();
    format!("{{{}}} {}{at}\n", inside.join(","), sample.value)
}
