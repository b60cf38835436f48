//! The commands of the guide this product was commissioned from, in its order, as a CI job runs
//! them: no terminal, a registry that wants a password, one working folder throughout. `helm chart`
//! and `helm` are spelled `chartferry`, and `oras` is `chartferry oras` or a link of that name;
//! `$REGISTRY` stands for the registry's host.

use crate::support::{
    Outcome, Test,
    daemon::{Daemon, htpasswd},
};

const PASSWORD: &str = "correct:horse";

struct Job {
    test: Test,
    registry: Daemon,
}

impl Job {
    /// A checkout with the chart `mychart` in it, and a registry beside.
    fn new() -> Self {
        let mut test = Test::new();
        let users = htpasswd(test.root(), "myuser", PASSWORD);
        let registry = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
        test.call(registry.address(), "$REGISTRY");
        test.file("mychart/Chart.yaml", "apiVersion: v2\nname: mychart\nversion: 1.0.0\n")
            .file("mychart/values.yaml", "replicas: 2\n")
            .file("mychart/README.md", "# mychart\n")
            .file("mychart/templates/configmap.yaml", "kind: ConfigMap\n");
        Self { test, registry }
    }

    /// One line of the guide.
    fn line(&self, line: &str) -> Outcome {
        self.run(line, "").succeeds()
    }

    fn run(&self, line: &str, stdin: &str) -> crate::support::Run<'_> {
        let line = line
            .replace("helm chart ", "chart ")
            .replace("helm ", "")
            .replace("$REGISTRY", &self.registry.address())
            .replace("$PASSWORD", PASSWORD);
        self.test.run(line.split(' ')).stdin(stdin).anything()
    }

    fn login(&self, line: &str) {
        self.run(&format!("{line} --password-stdin"), PASSWORD).succeeds();
    }

    #[track_caller]
    fn assert_exported(&self, folder: &str) {
        for file in ["Chart.yaml", "values.yaml", "README.md", "templates/configmap.yaml"] {
            let exported = self.test.read(format!("{folder}/mychart/{file}"));
            let source = self.test.read(format!("mychart/{file}"));
            assert_eq!(
                String::from_utf8_lossy(&exported),
                String::from_utf8_lossy(&source),
                "{folder}/mychart/{file}"
            );
        }
    }
}

#[test]
fn push_helm_chart_as_oci_artifact() {
    let job = Job::new();
    job.login("helm registry login $REGISTRY -u myuser");
    let pushed = job.line("helm chart push $REGISTRY/myteam/mychart:1.0.0");
    assert!(pushed.stdout.starts_with("Pushed: $REGISTRY/myteam/mychart:1.0.0\n"), "{pushed:?}");
    job.line("helm chart pull $REGISTRY/myteam/mychart:1.0.0");
    job.line("helm chart export $REGISTRY/myteam/mychart:1.0.0 ./extracted/");
    job.assert_exported("extracted");
}

#[test]
fn workflow_example() {
    let job = Job::new();
    let packaged = job.line("helm package ./mychart");
    assert_eq!(
        packaged.stdout,
        "Successfully packaged chart and saved it to: [TMP]/work/mychart-1.0.0.tgz\n"
    );
    job.login("helm registry login -u myuser $REGISTRY");
    job.line("helm chart push $REGISTRY/mycorp/charts/mychart:1.0.0");
    job.line("helm chart pull $REGISTRY/mycorp/charts/mychart:1.0.0");
    let shown = job.line("helm show all $REGISTRY/mycorp/charts/mychart:1.0.0");
    assert_eq!(
        shown.stdout,
        "apiVersion: v2\nname: mychart\nversion: 1.0.0\n\n---\nreplicas: 2\n\n---\n# mychart\n\n"
    );
    let tags = job.line("repo tags $REGISTRY/mycorp/charts/mychart");
    assert_eq!(tags.stdout, "1.0.0\n");
}

#[test]
fn ci_cd_integration() {
    let job = Job::new();
    let sha = "3d21ec53a331a6f037a91c368710b99387d012c1";
    let credentials = "--registry-config registry.json --username myuser --password $PASSWORD";
    job.line(&format!("helm chart push $REGISTRY/mychart:{sha} {credentials}"));
    // Credentials on the command line are used, not kept: a later job logs in, and names the same
    // file.
    job.run("helm chart push $REGISTRY/mychart:1.0.0 --registry-config registry.json", "").fails(6);
    job.login("helm registry login $REGISTRY -u myuser --registry-config registry.json");
    job.line("helm chart push $REGISTRY/mychart:1.0.0 --registry-config registry.json");
    let digest = |tag: &str| {
        let line = format!("resolve $REGISTRY/mychart:{tag} --registry-config registry.json");
        job.line(&line).digest()
    };
    assert_eq!(digest(sha), digest("1.0.0"));
}

#[test]
fn debugging_commands() {
    let job = Job::new();
    job.login("helm registry login $REGISTRY -u myuser");
    job.line("helm chart push $REGISTRY/myteam/mychart:1.0.0");
    // The guide pushes `1.0.0` and asks for `v1.0.0`: whoever does so is told.
    let missing = job.run("helm chart pull $REGISTRY/myteam/mychart:v1.0.0", "").fails(5);
    assert!(missing.stderr.contains("`1.0.0`"), "{missing:?}");
    job.line("helm chart push $REGISTRY/myteam/mychart:v1.0.0");
    job.line("helm chart pull $REGISTRY/myteam/mychart:v1.0.0");
    job.line("helm chart export $REGISTRY/myteam/mychart:v1.0.0 tmp/chart");
    job.assert_exported("tmp/chart");
}

#[test]
fn artifact_distribution_checklist() {
    let job = Job::new();
    job.login("helm registry login $REGISTRY -u myuser");
    job.line("helm chart push $REGISTRY/myteam/mychart:1.0.0");
    let again = job.line("helm chart push $REGISTRY/myteam/mychart:1.0.0");
    assert!(again.stdout.contains("1.0.0"), "{again:?}");
    job.line("helm chart pull $REGISTRY/myteam/mychart:1.0.0");
    job.line("helm chart export $REGISTRY/myteam/mychart:1.0.0 tmp/chart");
    job.assert_exported("tmp/chart");
}

#[test]
fn a_pull_by_digest_gives_what_was_pushed() {
    // "Always pull by digest, not by tag": the digest a push prints is the one a pull takes.
    let job = Job::new();
    job.login("helm registry login $REGISTRY -u myuser");
    job.line("helm package ./mychart");
    let digest = job.line("push mychart-1.0.0.tgz oci://$REGISTRY/myteam").digest();
    job.line(&format!("pull oci://$REGISTRY/myteam/mychart@{digest} -d by-digest"));
    let mut found = Vec::new();
    crate::support::list(&job.test.path("by-digest"), &mut |path, _| found.push(path.to_owned()));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(std::fs::read(&found[0]).unwrap(), job.test.read("mychart-1.0.0.tgz"));
}

/// The ways to run a line of ORAS.
#[derive(Clone, Copy, Debug)]
enum Oras {
    /// As `chartferry oras`.
    Command,
    /// As a program called `oras`.
    Link,
}

impl Job {
    /// One line of the guide that begins with `oras`.
    fn oras(&self, way: Oras, line: &str) -> Outcome {
        self.oras_run(way, line).succeeds()
    }

    fn oras_run(&self, way: Oras, line: &str) -> crate::support::Run<'_> {
        let line = line.replace("$REGISTRY", &self.registry.address());
        let words = line.split_whitespace().skip(1);
        match way {
            Oras::Command => self.test.run(std::iter::once("oras").chain(words)).anything(),
            Oras::Link => {
                let link = self.test.root().join("bin/oras");
                if !link.exists() {
                    let program = std::path::Path::new(env!("CARGO_BIN_EXE_chartferry"));
                    self.test.link_program("oras", program);
                }
                self.test.run_program(&link, words).anything()
            }
        }
    }

    /// A working folder with the files of the guide.
    fn with_files(&self) {
        self.test
            .file("config.json", "{\"a\":1}")
            .file("data.tar.gz", [31, 139, 8, 0])
            .file("image.tar", vec![7; 70_000])
            .file("sbom.spdx", "{\"spdxVersion\":\"SPDX-2.3\"}")
            .file("signature", "signed");
    }
}

#[test]
fn pushing_artifacts_to_registries() {
    for way in [Oras::Command, Oras::Link] {
        let job = Job::new();
        job.with_files();
        job.oras(way, "oras login $REGISTRY -u myuser -p correct:horse");
        let pushed = job
            .oras(way, "oras push $REGISTRY/myteam/config:v1.0.0 ./config.json:application/json");
        let end = "ArtifactType: application/vnd.unknown.artifact.v1\nDigest: sha256:";
        assert!(
            pushed.stdout.contains("Pushed [registry] $REGISTRY/myteam/config:v1.0.0\n"),
            "{pushed:?}"
        );
        assert!(pushed.stdout.contains(end), "{pushed:?}");
        job.oras(
            way,
            "oras push $REGISTRY/myteam/mydata:v1.0.0 ./data.tar.gz:application/x-tar+gzip",
        );
        job.oras(
            way,
            "oras push $REGISTRY/myteam/bundle:v1.0.0 ./image.tar:image/docker \
             ./sbom.spdx:application/spdx+json ./signature:text/plain",
        );
        job.oras(way, "oras pull $REGISTRY/myteam/bundle:v1.0.0 -o out");
        for file in ["image.tar", "sbom.spdx", "signature"] {
            assert!(job.test.read(format!("out/{file}")) == job.test.read(file), "{file}");
        }
        let tags = job.oras(way, "oras repo tags $REGISTRY/myteam/bundle");
        assert_eq!(tags.stdout, "v1.0.0\n");
    }
}

#[test]
fn the_promotion_script_works_with_its_absolute_folder() {
    let job = Job::new();
    job.with_files();
    let (way, folder) = (Oras::Command, job.test.path("tmp/artifact"));
    let folder = folder.display();
    job.oras(way, "oras login $REGISTRY -u myuser -p correct:horse");
    job.oras(way, "oras push $REGISTRY/myapp:dev ./config.json:application/json");
    job.oras(way, &format!("oras pull $REGISTRY/myapp:dev -o {folder}"));
    let pushed = job.oras(way, &format!("oras push $REGISTRY/myapp:prod {folder}"));
    assert!(pushed.stderr.contains("its title is `artifact`"), "{pushed:?}");
    assert!(pushed.stderr.contains("chartferry promote SRC DST"), "{pushed:?}");
    job.oras(way, "oras pull $REGISTRY/myapp:prod -o out");
    assert_eq!(job.test.read("out/artifact/config.json"), job.test.read("config.json"));
    // What the note names keeps the digest.
    let line = "promote $REGISTRY/myapp:dev $REGISTRY/myapp:stable";
    job.run(line, "").succeeds();
    let digest = |tag: &str| job.oras(way, &format!("oras resolve $REGISTRY/myapp:{tag}")).stdout;
    assert_eq!(digest("dev"), digest("stable"));
    assert_ne!(digest("dev"), digest("prod"));
}

#[test]
fn an_sbom_and_a_pull_by_digest() {
    let job = Job::new();
    job.with_files();
    let way = Oras::Command;
    job.oras(way, "oras login $REGISTRY -u myuser -p correct:horse");
    let pushed =
        job.oras(way, "oras push $REGISTRY/myteam/myapp:sbom ./sbom.spdx:application/spdx+json");
    let digest = pushed.stdout.lines().find_map(|line| line.strip_prefix("Digest: ")).unwrap();
    job.oras(way, &format!("oras pull $REGISTRY/myteam/myapp@{digest} -o by-digest"));
    assert_eq!(job.test.read("by-digest/sbom.spdx"), job.test.read("sbom.spdx"));
    // The guide writes a digest that is none.
    let short = job.oras_run(way, "oras pull $REGISTRY/myteam/myapp@sha256:abc123").fails(64);
    assert!(short.stderr.contains("64 hex digits"), "{short:?}");
}

#[test]
fn debugging_commands_of_oras() {
    for way in [Oras::Command, Oras::Link] {
        let job = Job::new();
        job.with_files();
        job.oras(way, "oras login $REGISTRY -u myuser -p correct:horse");
        job.oras(way, "oras push $REGISTRY/myteam/myapp:v1.0.0 ./config.json:application/json");
        let manifest = job.oras(way, "oras manifest fetch $REGISTRY/myteam/myapp:v1.0.0");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
        assert_eq!(manifest["layers"][0]["mediaType"], "application/json");
        let tags = job.oras(way, "oras repo tags $REGISTRY/myteam");
        assert_eq!(tags.stdout, "myapp\n");
        assert!(tags.stderr.contains("is a namespace and has no tags"), "{tags:?}");
    }
}
