//! The content of a chart for `show`, byte for byte as `helm show` prints it.

use crate::archive::{Chart, File};
use bytes::Bytes;

/// The part of a chart to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of the following, in this order.
    All,
    /// Chart.yaml, as Helm writes it.
    Chart,
    /// values.yaml as it is.
    Values,
    /// The README as it is.
    Readme,
    /// The custom resource definitions, those of subcharts after the chart's own.
    Crds,
}

/// Returns the text of `part` of `chart`, which was read with [`crate::archive::Keep::Documents`]
/// or more. Missing parts are omitted, so the text may be empty.
pub fn show(chart: &Chart, part: Part) -> Vec<u8> {
    pieces(chart, part).concat()
}

/// Returns the text of [`show`] in successive pieces. Files of the chart are not copied, because
/// some charts have megabytes of them.
pub fn pieces(chart: &Chart, part: Part) -> Vec<Bytes> {
    let mut out = Vec::new();
    let is = |other| part == Part::All || part == other;
    if is(Part::Chart) {
        line(&mut out, &chart.metadata.to_yaml_with_dependencies().into());
    }
    if is(Part::Values) && chart.file("values.yaml").is_some() {
        if part == Part::All {
            line(&mut out, &SEPARATOR);
        }
        for values in chart.files.iter().filter(|file| file.name == "values.yaml") {
            line(&mut out, &values.data);
        }
    }
    if is(Part::Readme)
        && let Some(readme) = chart.readme()
    {
        if part == Part::All {
            line(&mut out, &SEPARATOR);
        }
        line(&mut out, &readme.data);
    }
    if is(Part::Crds) {
        chart.crds().for_each(|crd| crd_part(&mut out, crd));
    }
    out
}

const SEPARATOR: Bytes = Bytes::from_static(b"---");

fn crd_part(out: &mut Vec<Bytes>, crd: &File) {
    if !crd.data.starts_with(&SEPARATOR) {
        line(out, &SEPARATOR);
    }
    line(out, &crd.data);
}

fn line(out: &mut Vec<Bytes>, text: &Bytes) {
    out.push(text.clone());
    out.push(Bytes::from_static(b"\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Metadata;

    fn chart(files: &[(&str, &str)]) -> Chart {
        let metadata = Metadata {
            name: "demo".to_owned(),
            version: "1.0.0".to_owned(),
            api_version: "v2".to_owned(),
            ..Metadata::default()
        };
        let file = |&(name, data): &(&str, &str)| File {
            name: name.to_owned(),
            modified: 0,
            data: data.to_owned().into(),
        };
        Chart {
            metadata,
            modified: 0,
            lock: None,
            files: files.iter().map(file).collect(),
            subcharts: Vec::new(),
            warnings: Vec::new(),
            followed: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn text(chart: &Chart, part: Part) -> String {
        String::from_utf8(show(chart, part)).expect("UTF-8")
    }

    #[test]
    fn parts_are_separated_as_helm_does() {
        let mut demo = chart(&[
            ("values.yaml", "a: 1\n"),
            ("ReadMe.md", "# demo"),
            ("docs/README.md", "no"),
            ("crds/b.YML", "---\nb: 1\n"),
            ("crds/a.json", "{}"),
            ("crds/notes.txt", "no"),
        ]);
        demo.subcharts.push(chart(&[("crds/sub.yaml", "sub: 1\n"), ("values.yaml", "no: 1\n")]));
        let yaml = "apiVersion: v2\nname: demo\nversion: 1.0.0\n\n";
        let crds = "---\nb: 1\n\n---\n{}\n---\nsub: 1\n\n";
        assert_eq!(text(&demo, Part::Chart), yaml);
        assert_eq!(text(&demo, Part::Values), "a: 1\n\n");
        assert_eq!(text(&demo, Part::Readme), "# demo\n");
        assert_eq!(text(&demo, Part::Crds), crds);
        assert_eq!(text(&demo, Part::All), format!("{yaml}---\na: 1\n\n---\n# demo\n{crds}"));
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let empty = chart(&[]);
        assert_eq!(text(&empty, Part::All), text(&empty, Part::Chart));
        for part in [Part::Values, Part::Readme, Part::Crds] {
            assert_eq!(text(&empty, part), "");
        }
    }
}
