//! `package`: what helm 4 and we make of the same source inflates to the same tar.

use super::{fixtures, name_of};
use crate::support::{Test, peers};
use std::{fs, io::Read as _, path::Path};

#[test]
#[ignore = "needs peers"]
fn packages_inflate_to_the_tar_of_helm() {
    compare_packages(None);
}

#[test]
#[ignore = "needs peers"]
fn packages_of_a_fixed_date_inflate_to_the_tar_of_helm() {
    compare_packages(Some("1700000000"));
}

fn compare_packages(date: Option<&str>) {
    let helm = peers::find("helm");
    let mut compared = 0;
    for fixture in fixtures() {
        let name = name_of(&fixture);
        let test = Test::new();
        test.copy(&fixture, name);
        let args = |to| ["package", name, "-d", to].map(str::to_owned);
        let mut theirs = test.run_program(&helm, args("theirs"));
        let mut ours = test.run(args("ours"));
        if let Some(date) = date {
            theirs = theirs.env("SOURCE_DATE_EPOCH", date);
            ours = ours.env("SOURCE_DATE_EPOCH", date);
        }
        let (theirs, ours) = (theirs.outcome(), ours.outcome());
        assert_eq!(
            (ours.code == Some(0), ours.stdout.replace("ours/", "theirs/")),
            (theirs.code == Some(0), theirs.stdout.clone()),
            "{name}: helm said {theirs:?}, we {ours:?}"
        );
        if theirs.code != Some(0) {
            // What helm will not package, we refuse with its reason.
            let reason = theirs.stderr.trim_end().rsplit(": ").next().unwrap().to_owned();
            assert!(ours.stderr.contains(&reason), "{name}: helm said {theirs:?}, we {ours:?}");
            continue;
        }
        let archive = fs::read_dir(test.path("theirs")).unwrap().next().unwrap().unwrap();
        let [theirs, ours] = ["theirs", "ours"]
            .map(|folder| Members::read(&test.path(folder).join(archive.file_name())));
        theirs.assert_same(&ours, name);
        compared += 1;
    }
    println!("{compared} packages compared");
    assert!(compared >= 25, "only {compared} packages were compared");
}

/// A tar as its members, headers, padding and all.
struct Members {
    /// Those of the chart itself, in their order.
    own: Vec<Member>,
    /// Those of its subcharts, sorted: helm writes subcharts in an order that changes from run to
    /// run.
    subcharts: Vec<Member>,
    /// What follows the last member.
    end: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    name: String,
    bytes: Vec<u8>,
}

impl Members {
    fn read(archive: &Path) -> Self {
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(fs::File::open(archive).unwrap())
            .read_to_end(&mut tar)
            .unwrap();
        let (mut own, mut subcharts) = (Vec::new(), Vec::new());
        let (mut start, mut at, mut long_name) = (0, 0, None);
        while tar[at..].len() >= 512 && tar[at..at + 512].iter().any(|byte| *byte != 0) {
            let header = tar::Header::from_byte_slice(&tar[at..at + 512]);
            let size = usize::try_from(header.entry_size().unwrap()).unwrap();
            let data = at + 512..at + 512 + size;
            at += 512 + size.next_multiple_of(512);
            if header.entry_type().is_pax_local_extensions() {
                // It belongs to the member that follows, whose name it may hold.
                let records = String::from_utf8_lossy(&tar[data]).into_owned();
                long_name = records
                    .lines()
                    .find_map(|line| line.split_once(" path=").map(|(_, name)| name.to_owned()));
                continue;
            }
            let name = long_name
                .take()
                .unwrap_or_else(|| String::from_utf8(header.path_bytes().into_owned()).unwrap());
            let member = Member { name, bytes: tar[start..at].to_vec() };
            start = at;
            let is_subchart = member.name.split('/').nth(1) == Some("charts")
                && member.name.split('/').count() > 3;
            if is_subchart { subcharts.push(member) } else { own.push(member) }
        }
        subcharts.sort();
        Self { own, subcharts, end: tar[start..].to_vec() }
    }

    #[track_caller]
    fn assert_same(&self, ours: &Self, chart: &str) {
        let names = |members: &[Member]| -> Vec<String> {
            members.iter().map(|member| member.name.clone()).collect()
        };
        assert_eq!(names(&self.own), names(&ours.own), "{chart}: other members");
        assert_eq!(names(&self.subcharts), names(&ours.subcharts), "{chart}: other members");
        for (theirs, ours) in
            self.own.iter().zip(&ours.own).chain(self.subcharts.iter().zip(&ours.subcharts))
        {
            assert!(
                theirs.bytes == ours.bytes,
                "{chart}: `{}` differs\nhelm:\n{}\nours:\n{}",
                theirs.name,
                String::from_utf8_lossy(&theirs.bytes),
                String::from_utf8_lossy(&ours.bytes)
            );
        }
        assert_eq!(self.end, ours.end, "{chart}: another end");
    }
}
