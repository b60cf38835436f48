//! The program's wording of advice, with its commands and the flags of the command that ran. The
//! library's own text of an [`Advice`] names neither.

use crate::advice::{
    Advice, Answered, Intolerable, LogIn, Mismatched, NewRepository, Occupied, Service, Side,
    Untrusted,
};

/// The ways in which the user of this command can give a chart repository's credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReadBy {
    /// An unknown way: the command is not in this table.
    #[default]
    Unknown,
    /// The command's flags.
    Flags,
    /// Flags, or a configured repository.
    FlagsOrConfiguration,
    /// A configured repository: the command's flags are for its destination.
    Configuration,
}

/// Returns the text of advice.
pub(crate) fn render(advice: &Advice, read_by: ReadBy) -> String {
    let text = match advice {
        Advice::LogIn { registry, reason } => return log_in(registry, *reason),
        Advice::Authenticate(Service::Repository | Service::CmRepository) => {
            return authenticate(read_by);
        }
        Advice::Authenticate(Service::Registry) => {
            "name yourself with `--username NAME --password-stdin`, or by `chartferry login`"
        }
        Advice::Authenticate(Service::ChartMuseum) => {
            "give --username and --password, or --access-token"
        }
        Advice::NameCredentialsFile => "name one with --registry-config",
        Advice::UntagByDummy => "`--dummy` moves the tag to an empty manifest and deletes that",
        Advice::NameCharts => "name the charts with `--charts` if a registry does not list them",
        Advice::Unlisted { refused_by } => {
            return unlisted(refused_by.as_deref(), "--username NAME --password-stdin");
        }
        Advice::Else { first, otherwise } => {
            return format!("{}; if that is not it, {otherwise}", render(first, read_by));
        }
        Advice::UsePlainHttp(Service::CmRepository) => {
            "if it speaks plain HTTP, set HELM_REPO_USE_HTTP=1: `cm://` is `https://` else"
        }
        Advice::UsePlainHttp(Service::Repository) => "if it speaks plain HTTP, write `http://`",
        Advice::UsePlainHttp(_) => "if it is meant to speak plain HTTP, pass --plain-http",
        Advice::TrustCertificate(why) => return trust(*why, "--ca-file"),
        Advice::AllowHttpRedirects => {
            "with `--allow-http-redirects` it is followed without credentials: the digest protects the bytes, but others can \
             read them on the way"
        }
        Advice::Overwrite(what) => overwrite(*what),
        Advice::CreateRepository(way) => return create(way),
        Advice::LowerCase => "`--template '{{lower chart}}'` writes it in lower case",
        Advice::SetArtifactHubId => "it writes one itself, by `--artifact-hub-repo-id`",
        Advice::CheckChartMuseum(answer) => check_museum(*answer),
        Advice::PackageFolder => {
            "name the chart's folder, or leave out --version and --app-version"
        }
        Advice::IncludeOutsideLinks => {
            "run the command with `--allow-outside-links` to include that file, or leave the link out with .helmignore"
        }
        Advice::CompleteBundle { file } => {
            return format!(
                "a mirror needs a whole bundle: chartferry bundle load {file} layout:DIR --base FILE, then mirror layout:DIR"
            );
        }
        Advice::LoadBase => {
            "nothing was loaded; load its base first, or name the base's file with `--base FILE`"
        }
        Advice::NameBase { base } => {
            return format!("it is a delta to the bundle {base}; name that one with `--base FILE`");
        }
        Advice::PushAgain { archive, namespace } => {
            return format!("chartferry push {archive} {namespace}");
        }
        Advice::RaiseDeletionLimit => "`--max-delete` allows more",
        Advice::SaveAll { name } => return format!("for all of them: `--all {name}`"),
        Advice::SaveCommonNamespace => {
            "save them into two bundles, or their common namespace with `--all`"
        }
        Advice::TolerateInvalid(Intolerable::Files) => {
            "without `--strict` they are skipped, as in Helm"
        }
        Advice::TolerateInvalid(_) => "without `--strict` it is skipped with a warning, as in Helm",
        Advice::UpdateDependencies => "chartferry dependency update CHART",
        Advice::AddRepository => "`chartferry repo add NAME URL`",
        Advice::AddDependencyRepository => {
            "`chartferry repo add NAME URL`, or `chartferry dependency update`, which needs no `repo add`"
        }
        Advice::ChooseRepository => {
            "`chartferry repo list` shows the repositories that are configured, `chartferry repo add` adds one"
        }
        Advice::RefreshIndexes => {
            "`chartferry repo update` fetches the indexes of all repositories"
        }
        Advice::AcceptMismatch(Mismatched::Dependency) => {
            "if `chartferry repo update` does not help, the repository serves other bytes than it lists: \
             `chartferry dependency update CHART --on-digest-mismatch warn` takes them; or put the archive into charts/ \
             and remove `repository` from the dependency"
        }
        Advice::AcceptMismatch(_) => {
            "refresh the index with `chartferry repo update`; if it still differs, the repository serves other bytes than it \
             lists: ask its owner, or take them with `--on-digest-mismatch warn`"
        }
        Advice::WaitLonger => "`--timeout` allows a longer wait",
        Advice::AllowPrereleases => {
            "only prereleases exist; add `--devel` or name one with `--version`"
        }
        Advice::CompareTrusted => "`--check` compares them",
        Advice::IgnoreState => "`--ignore-state` with `--on-conflict` looks at everything",
        Advice::RestrictAccess => {
            "give it users with `--htpasswd`, or pass `--open` if everybody may write to it"
        }
        Advice::At { side, advice } => return at(*side, advice, read_by),
        Advice::Text(_) | Advice::PassCredentials { .. } => return advice.to_string(),
    };
    text.to_owned()
}

fn log_in(registry: &str, reason: LogIn) -> String {
    match reason {
        LogIn::Needed => format!(
            "credentials are needed: log in with `chartferry login {registry}`, or give a name and a password"
        ),
        LogIn::NoToken => format!("log in with `chartferry login {registry}`"),
        LogIn::Refused => {
            format!("check the name and the password, or log in with `chartferry login {registry}`")
        }
        LogIn::Permission => {
            format!("log in with `chartferry login {registry}` as a user with this permission")
        }
        LogIn::DockerHub => {
            "on Docker Hub a repository is `docker.io/ACCOUNT/NAME`; log in with `chartferry login docker.io`"
                .to_owned()
        }
        LogIn::Azure => {
            "log in with `az acr login --expose-token` and its token, or enable anonymous pull".to_owned()
        }
        LogIn::InReference => format!(
            "sign in with `chartferry login {registry}`, or give `--username` and `--password-stdin`"
        ),
    }
}

fn authenticate(read_by: ReadBy) -> String {
    let flags = match read_by {
        ReadBy::Unknown => "",
        ReadBy::Flags => ": `--username NAME --password-stdin`",
        ReadBy::FlagsOrConfiguration => {
            ": `--username NAME --password-stdin`, or `chartferry repo add NAME URL --username NAME --password-stdin`"
        }
        ReadBy::Configuration => {
            ": `chartferry repo add NAME URL --username NAME --password-stdin`, and push `NAME/CHART`"
        }
    };
    format!("give the name and password of a user with read access{flags}")
}

fn unlisted(refused_by: Option<&str>, flags: &str) -> String {
    let charts = "name the charts with `--charts`: this registry does not list its repositories";
    match refused_by {
        Some(registry) => format!(
            "give credentials with `{flags}` or `chartferry login {registry}`; if that is right, {charts}"
        ),
        None => charts.to_owned(),
    }
}

fn trust(why: Untrusted, flag: &str) -> String {
    match why {
        Untrusted::Issuer => format!("add its certificate, or its issuer's, with {flag}"),
        Untrusted::NoRoots => {
            format!("correct SSL_CERT_FILE or unset it, or name the certificates with {flag}")
        }
    }
}

fn overwrite(what: Occupied) -> &'static str {
    match what {
        Occupied::Tag => {
            "raise the chart's version, or push with `--overwrite`, or with `--skip-existing` to leave it as it is"
        }
        Occupied::Names => {
            "nothing was loaded; `--overwrite` replaces them, `--skip-existing` leaves them"
        }
        Occupied::MuseumVersion => "`--force` replaces it, if the server allows that",
        Occupied::Repository => "`--force-update` replaces it",
    }
}

fn create(way: &NewRepository) -> String {
    let flag = "--create-repository-command";
    match way {
        NewRepository::Ecr => format!(
            "ECR makes no repositories by itself: {flag} 'aws ecr create-repository --repository-name \"$REPOSITORY\"'"
        ),
        NewRepository::Named(name) => format!(
            "if the registry makes no repositories by itself, create `{name}` first, or give {flag}"
        ),
    }
}

fn check_museum(answer: Answered) -> &'static str {
    match answer {
        Answered::NoIndex => {
            "no ChartMuseum answers there: check the repository's URL; `chartferry push` is for registries"
        }
        Answered::NoApi => {
            "no ChartMuseum answers at that path: check the repository's URL and --context-path, and that its API is enabled"
        }
        Answered::Otherwise => {
            "nothing was changed there: check the repository's URL and --context-path, and whether it needs a login"
        }
    }
}

/// Returns the advice for one side of a mirror, with the flags of that side.
fn at(side: Side, advice: &Advice, read_by: ReadBy) -> String {
    let (user, ca_file) = match side {
        Side::Source => ("--from-username NAME --from-password-stdin", "--from-ca-file"),
        Side::Destination => ("--to-username NAME --to-password-stdin", "--to-ca-file"),
    };
    let flags = format!("`{user}` (in mirror.yaml: `hosts[].username` and `hosts[].passwordEnv`)");
    match advice {
        Advice::LogIn { registry, reason } => {
            format!("{}; in a mirror also by {flags}", log_in(registry, *reason))
        }
        Advice::Authenticate(Service::Registry) => {
            format!("name yourself with {flags}, or by `chartferry login`")
        }
        Advice::Authenticate(Service::ChartMuseum) => {
            format!("give the credentials of a user who may upload with {flags}")
        }
        Advice::Authenticate(_) => format!(
            "name yourself with {flags}, or give the repository its credentials by `chartferry repo add` and mirror it \
             by its name"
        ),
        Advice::PassCredentials { origin } => format!(
            "`{origin}` is not the repository's host, and so it is told no credentials; `--pass-credentials` sends it those \
             of the repository, or of {flags}"
        ),
        Advice::Unlisted { refused_by } => unlisted(refused_by.as_deref(), user),
        Advice::UsePlainHttp(Service::Repository) => {
            "if it is meant to speak plain HTTP, write its address with http://".to_owned()
        }
        Advice::TrustCertificate(why) => trust(*why, ca_file),
        other => render(other, read_by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_of_a_mirror_is_given_its_own_flags() {
        let log_in = || Advice::LogIn { registry: "r.example".to_owned(), reason: LogIn::NoToken };
        let origin = || "https://cdn.example".to_owned();
        let authenticate = Advice::Authenticate;
        for (advice, side, parts) in [
            (log_in(), Side::Source, &["login r.example", "--from-username"][..]),
            (log_in(), Side::Destination, &["login r.example", "--to-username"]),
            (
                authenticate(Service::Registry),
                Side::Destination,
                &["chartferry login", "--to-username"],
            ),
            ("free space".into(), Side::Destination, &["free space"]),
            (
                authenticate(Service::Repository),
                Side::Source,
                &["--from-username", "chartferry repo add"],
            ),
            (
                Advice::PassCredentials { origin: origin() },
                Side::Source,
                &["--pass-credentials", "cdn.example"],
            ),
            (authenticate(Service::ChartMuseum), Side::Destination, &["--to-username"]),
            (Advice::TrustCertificate(Untrusted::Issuer), Side::Source, &["--from-ca-file"]),
            (
                Advice::UsePlainHttp(Service::Repository),
                Side::Source,
                &["write its address with http://"],
            ),
        ] {
            let text = render(&advice.at(side), ReadBy::Unknown);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn commands_are_written_as_they_are_run() {
        let log_in = |reason| Advice::LogIn { registry: "r.example".to_owned(), reason };
        for (advice, part) in [
            (log_in(LogIn::Needed), "`chartferry login r.example`"),
            (log_in(LogIn::NoToken), "`chartferry login r.example`"),
            (log_in(LogIn::Refused), "`chartferry login r.example`"),
            (log_in(LogIn::Permission), "`chartferry login r.example`"),
            (log_in(LogIn::InReference), "`chartferry login r.example`"),
            (log_in(LogIn::DockerHub), "`chartferry login docker.io`"),
            (log_in(LogIn::Azure), "`az acr login --expose-token`"),
            (Advice::TrustCertificate(Untrusted::Issuer), "with --ca-file"),
            (Advice::TrustCertificate(Untrusted::NoRoots), "with --ca-file"),
            (Advice::CreateRepository(NewRepository::Ecr), "aws ecr create-repository"),
            (
                Advice::PushAgain {
                    archive: "demo-1.0.0.tgz".to_owned(),
                    namespace: "oci://h/ns".to_owned(),
                },
                "chartferry push demo-1.0.0.tgz oci://h/ns",
            ),
        ] {
            let text = render(&advice, ReadBy::Unknown);
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_refusal_of_a_repository_names_the_flags_of_the_command() {
        let ask = |read_by| render(&Advice::Authenticate(Service::Repository), read_by);
        let base = "give the name and password of a user with read access";
        assert_eq!(ask(ReadBy::Unknown), base);
        assert_eq!(ask(ReadBy::Flags), format!("{base}: `--username NAME --password-stdin`"));
        for read_by in [ReadBy::FlagsOrConfiguration, ReadBy::Configuration] {
            assert!(ask(read_by).contains("`chartferry repo add NAME URL"), "{}", ask(read_by));
        }
    }
}
