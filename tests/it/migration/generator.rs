//! A repository with every trap that real repositories hold, the same each time. What each is and
//! where it was met is in the comments of [`traps`]; ordinary versions fill up the number.

use crate::support::web::{File, Web};
use chartferry::digest::Digest;
use flate2::{Compression, write::GzEncoder};
use std::fmt::Write as _;

/// What must become of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is carried, byte for byte.
    Carried,
    /// It is listed with a reason that holds this, or dropped by the index's reader with a warning
    /// that does.
    Refused(&'static str),
}

/// A version of the repository.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// What its Chart.yaml says.
    pub(super) chart: String,
    pub(super) version: String,
    pub(super) archive: Vec<u8>,
    pub(super) provenance: Option<Vec<u8>>,
    pub(super) fate: Fate,
    /// What the index says, where that is something else.
    listed: Listed,
}

#[derive(Clone, Debug, Default)]
struct Listed {
    chart: Option<String>,
    version: Option<String>,
    /// The digest's text; none where it is left out.
    digest: Option<Option<String>>,
    /// The address, and what lies there.
    url: Option<String>,
    place: Option<Place>,
    created: Option<String>,
    more: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the other server.
    Other,
    /// Nowhere: it is gone, or in a registry.
    Nowhere,
}

/// The repository.
pub(super) struct Generated {
    pub(super) versions: Vec<Version>,
    /// A chart that lies in a registry: its file name and bytes.
    pub(super) elsewhere: (String, Vec<u8>),
}

/// A chart's archive, as somebody else's tools would make it.
pub(super) fn archive(chart: &str, version: &str, more: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let yaml = format!("apiVersion: v2\nname: {chart}\nversion: {version}\n{more}");
    let own = [("Chart.yaml", yaml.as_str()), ("values.yaml", "replicas: 1\n")];
    for (name, text) in own.iter().chain(files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o640);
        header.set_mtime(1_500_000_000);
        tar.append_data(&mut header, format!("{chart}/{name}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn plain(chart: &str, version: &str) -> Version {
    with(chart, version, &format!("description: {chart} in {version}\n"))
}

fn with(chart: &str, version: &str, more: &str) -> Version {
    Version {
        chart: chart.into(),
        version: version.into(),
        archive: archive(chart, version, more, &[]),
        provenance: None,
        fate: Fate::Carried,
        listed: Listed::default(),
    }
}

impl Version {
    fn listed(mut self, change: impl FnOnce(&mut Listed)) -> Self {
        change(&mut self.listed);
        self
    }

    fn refused(self, reason: &'static str) -> Self {
        Self { fate: Fate::Refused(reason), ..self }
    }

    fn signed(mut self) -> Self {
        let digest = Digest::sha256(&self.archive);
        // In the form that ChartMuseum looks for, signed by nobody; and not all of it ASCII.
        let (chart, version) = (&self.chart, &self.version);
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\napiVersion: v2\nname: {chart}\nversion: {version}\n\n\
             ...\nfiles:\n  {chart}-{version}.tgz: {digest}\n-----BEGIN PGP SIGNATURE-----\n\n\u{e4}==\r\n\
             -----END PGP SIGNATURE-----\n"
        );
        self.provenance = Some(text.into_bytes());
        self
    }

    fn file(&self) -> String {
        format!("{}-{}.tgz", self.chart, self.version)
    }
}

/// Every trap once at least.
fn traps(other: &str, registry: &str) -> Vec<Version> {
    let far = format!("1.0.0-{}", "x".repeat(130));
    vec![
        // A plus in a version becomes an underscore in a tag, and must come back (helm #10166,
        // #13368).
        plain("plus", "1.0.0+build.7").signed(),
        plain("plus", "1.0.0+k3s1"),
        plain("plus", "1.0.0"),
        // A leading v is part of the version; without it signatures break (cert-manager #8745).
        plain("vee", "v1.2.3").signed(),
        plain("vee", "1.2.3"),
        plain("vee", "v2.0.0-rc.1"),
        // Loose versions that Helm takes.
        plain("loose", "1"),
        plain("loose", "1.2"),
        // The same version twice, first the older entry; and twice alike (ChartMuseum's five-entry
        // check).
        with("twice", "1.0.0", "description: the older\n")
            .listed(|listed| listed.created = Some("2020-01-01T00:00:00Z".into()))
            .refused("listed twice"),
        with("twice", "1.0.0", "description: the younger\n"),
        plain("twin", "1.0.0"),
        plain("twin", "1.0.0").refused(""),
        // No semver at all: Helm skips it with a warning.
        plain("odd", "not-a-version").refused("not-a-version"),
        plain("odd", "1.2.3.4").refused("1.2.3.4"),
        // A tag that no registry takes.
        plain("far", &far).refused("invalid tag"),
        // The index's digest is of other bytes (fairwinds #1879, bitnami #28597).
        plain("stale", "1.0.0")
            .listed(|listed| listed.digest = Some(Some(Digest::sha256(b"before").hex().into())))
            .refused("index"),
        // No digest (Nexus 3), and one with its algorithm before it (Bitnami).
        plain("bare", "1.0.0").listed(|listed| listed.digest = Some(None)),
        plain("bare", "1.1.0").signed().listed(|listed| listed.digest = Some(None)),
        {
            let one = plain("prefixed", "1.0.0");
            let digest = Digest::sha256(&one.archive).to_string();
            one.listed(|listed| listed.digest = Some(Some(digest)))
        },
        // Addresses: whole, on another host, with a query, from the root, from a folder below.
        plain("where", "1.0.0").signed().listed(|listed| {
            listed.url = Some(format!("{other}/far/where-1.0.0.tgz"));
            listed.place = Some(Place::Other);
        }),
        plain("where", "1.1.0").listed(|listed| {
            listed.url = Some("where-1.1.0.tgz?token=a%2Fb".into());
        }),
        plain("where", "1.2.0")
            .listed(|listed| listed.url = Some("/charts/where-1.2.0.tgz".into())),
        plain("where", "1.3.0").listed(|listed| {
            listed.url = Some("../charts/./where-1.3.0.tgz".into());
        }),
        // In a registry (Bitnami since 11/2024).
        plain("ocied", "1.0.0").listed(|listed| {
            listed.url = Some(format!("oci://{registry}/elsewhere/ocied:1.0.0"));
            listed.place = Some(Place::Nowhere);
        }),
        // Chart.yaml says otherwise than the index (ChartMuseum #220, #365, #398, #455).
        plain("renamed", "2.0.1").listed(|listed| listed.version = Some("2.0.0".into())),
        plain("real", "1.0.0")
            .listed(|listed| listed.chart = Some("claimed".into()))
            .refused("Chart.yaml says that it is `real`"),
        // Registries take lower case only (helm #12055).
        plain("Upper", "1.0.0").refused("lower case only"),
        // The archive is gone, or is something else.
        plain("gone", "1.0.0").listed(|listed| listed.place = Some(Place::Nowhere)).refused("gone"),
        {
            let mut one = plain("broken", "1.0.0").refused("");
            one.archive = b"<html>not today</html>".to_vec();
            one
        },
        {
            let mut one = plain("cut", "1.0.0").refused("");
            one.archive.truncate(one.archive.len() / 2);
            one
        },
        // Deprecated, with dependencies on the repository itself, and with what JSON escapes.
        with("tired", "0.9.0", "deprecated: true\n").listed(|l| l.more = "deprecated: true".into()),
        with(
            "parent",
            "1.0.0",
            "dependencies:\n- name: plus\n  version: \">=1\"\n  repository: https://old.example/charts\n",
        ),
        with("amper", "1.0.0", "description: \"<a> & b \\u2028 c\"\nkeywords: [\"x<y\", \"&\"]\n"),
        // Old and odd times.
        plain("timed", "1.0.0")
            .listed(|l| l.created = Some("2016-10-06T16:23:20.499543808-06:00".into())),
        plain("timed", "1.1.0").listed(|l| l.created = Some(String::new())),
        // Dots and underscores in names (Flux #1367 takes neither).
        plain("dot.ted", "1.0.0").signed(),
        plain("under_scored", "1.0.0"),
    ]
}

/// The repository, of so many ordinary versions and the traps.
pub(super) fn generate(ordinary: usize, other: &str, registry: &str) -> Generated {
    let mut versions = traps(other, registry);
    for at in 0..ordinary {
        let chart = format!("chart-{:02}", at % 20);
        let version = format!("{}.{}.0", 1 + at / 100, at / 20);
        let one = plain(&chart, &version);
        versions.push(if at % 3 == 0 { one.signed() } else { one });
    }
    let elsewhere = versions.iter().find(|version| version.chart == "ocied").unwrap();
    let elsewhere = (elsewhere.file(), elsewhere.archive.clone());
    Generated { versions, elsewhere }
}

impl Generated {
    /// Puts the repository on the web, below `/charts`.
    pub(super) fn publish(&self, web: &Web, other: &Web) {
        for version in &self.versions {
            let path = match version.listed.place {
                Some(Place::Nowhere) => continue,
                Some(Place::Other) => format!("/far/{}", version.file()),
                None => format!("/charts/{}", version.address().1),
            };
            let server = if version.listed.place == Some(Place::Other) { other } else { web };
            // ChartMuseum calls an archive a tar, and some servers call it gzipped.
            let headers = vec![("content-type", "application/x-tar".to_owned())];
            server.put(&path, File::With(headers, version.archive.clone()));
            if let Some(provenance) = &version.provenance {
                server.file(&format!("{path}.prov"), provenance.clone());
            }
        }
        web.put("/charts/index.yaml", File::Tagged("\"one\"", self.index().into_bytes()));
    }

    fn index(&self) -> String {
        let mut charts: Vec<(&str, Vec<&Version>)> = Vec::new();
        for version in &self.versions {
            let name = version.listed.chart.as_deref().unwrap_or(&version.chart);
            match charts.iter_mut().find(|(other, _)| *other == name) {
                Some((_, all)) => all.push(version),
                None => charts.push((name, vec![version])),
            }
        }
        let mut text = "apiVersion: v1\nentries:\n".to_owned();
        for (name, versions) in charts {
            let _ = writeln!(text, "  {name}:");
            for version in versions {
                let listed = &version.listed;
                let number = listed.version.as_deref().unwrap_or(&version.version);
                let created = listed.created.as_deref().unwrap_or("2023-04-05T06:07:08.123456789Z");
                let digest = match &listed.digest {
                    None => Some(Digest::sha256(&version.archive).hex().to_owned()),
                    Some(digest) => digest.clone(),
                };
                let _ = writeln!(
                    text,
                    "  - apiVersion: v2\n    name: {name}\n    version: \"{number}\""
                );
                if !created.is_empty() {
                    let _ = writeln!(text, "    created: \"{created}\"");
                }
                if let Some(digest) = digest {
                    let _ = writeln!(text, "    digest: {digest}");
                }
                if !listed.more.is_empty() {
                    let _ = writeln!(text, "    {}", listed.more);
                }
                let _ = writeln!(text, "    urls:\n    - \"{}\"", version.address().0);
            }
        }
        text.push_str("generated: \"2024-01-01T00:00:00Z\"\n");
        text
    }
}

impl Version {
    /// Its address in the index, and the name of its file below `/charts`. Two archives of one name
    /// lie in two files.
    fn address(&self) -> (String, String) {
        let file = match &self.listed.created {
            Some(created) if self.chart == "twice" => format!("{}-{}", &created[..4], self.file()),
            _ => self.file(),
        };
        let address = self.listed.url.clone().unwrap_or_else(|| file.clone());
        (address, file)
    }
}

#[test]
fn the_repository_is_the_same_each_time() {
    let one = generate(260, "http://o", "r:1");
    let two = generate(260, "http://o", "r:1");
    assert_eq!(one.index(), two.index());
    assert!(one.versions.len() >= 290);
    for (a, b) in one.versions.iter().zip(&two.versions) {
        assert!(
            a.archive == b.archive && a.provenance == b.provenance,
            "{} {}",
            a.chart,
            a.version
        );
    }
}
