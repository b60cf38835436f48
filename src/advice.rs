//! Advice: remedies for the user after an error, as data. The library selects the remedy. The
//! command line renders it with the flags of its command, see `cli/advice.rs`. [`fmt::Display`] is
//! a text for any other program: it names no flag and no command.

use std::fmt;

/// A remedy for a failure, as part of an [`Error`](crate::Error).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// A remedy that is the same for every program.
    Text(String),
    /// Log in to a registry.
    LogIn {
        /// The registry, `host[:port]`.
        registry: String,
        /// The reason for the refusal.
        reason: LogIn,
    },
    /// Give a user name and a password to a service. Only its kind is known.
    Authenticate(Service),
    /// Name a file to store credentials in.
    NameCredentialsFile,
    /// Send the credentials of a chart repository to another host too.
    PassCredentials {
        /// Scheme, host and port that got no credentials.
        origin: String,
    },
    /// Name the charts: the registry may not list its repositories.
    NameCharts,
    /// Remove a tag through a manifest of its own, where a registry deletes manifests only.
    UntagByDummy,
    /// Name the charts: the registry did not list its repositories.
    Unlisted {
        /// The registry that refused the list for lack of credentials; `None` if it has no list.
        refused_by: Option<String>,
    },
    /// Follow `first`; if that does not help, `otherwise`.
    Else {
        /// The more likely remedy.
        first: Box<Self>,
        /// The other remedy.
        otherwise: String,
    },
    /// Use HTTP without TLS.
    UsePlainHttp(Service),
    /// Trust a certificate, or its issuer's.
    TrustCertificate(Untrusted),
    /// Follow a redirect of a blob from `https` to `http`.
    AllowHttpRedirects,
    /// Replace the object at the destination, or keep it.
    Overwrite(Occupied),
    /// Create a repository before the push.
    CreateRepository(NewRepository),
    /// Write the chart's name in lower case at the destination.
    LowerCase,
    /// Give the server the ID that the repository has in Artifact Hub.
    SetArtifactHubId,
    /// Check that the address is that of a ChartMuseum.
    CheckChartMuseum(Answered),
    /// Package the chart's folder, to change a version.
    PackageFolder,
    /// Push a chart again, to replace one that is stored in another form than Helm's.
    PushAgain {
        /// File name of the archive.
        archive: String,
        /// The destination, `oci://HOST/NAMESPACE`.
        namespace: String,
    },
    /// Allow a mirror to delete more.
    RaiseDeletionLimit,
    /// Include the targets of the chart's links to files outside of the chart.
    IncludeOutsideLinks,
    /// Make a full bundle of a delta and its base.
    CompleteBundle {
        /// Path of the delta.
        file: String,
    },
    /// Name the base of a delta that is loaded.
    LoadBase,
    /// Name the base of a delta that is verified.
    NameBase {
        /// ID of the base.
        base: String,
    },
    /// Save every chart beneath a name.
    SaveAll {
        /// The name, as the user wrote it.
        name: String,
    },
    /// Save the namespace that two charts have in common, so that their names differ.
    SaveCommonNamespace,
    /// Skip invalid charts.
    TolerateInvalid(Intolerable),
    /// Update the dependencies of a chart to match its lock.
    UpdateDependencies,
    /// Configure a chart repository; none of the present ones matches.
    AddRepository,
    /// Configure the chart repositories that a chart's dependencies come from, or resolve the
    /// dependencies anew.
    AddDependencyRepository,
    /// Choose a chart repository that is configured, or configure one.
    ChooseRepository,
    /// Fetch the indexes of the chart repositories.
    RefreshIndexes,
    /// Refresh an index whose digest of an archive is wrong, or accept the archive.
    AcceptMismatch(Mismatched),
    /// Wait longer.
    WaitLonger,
    /// Choose a prerelease.
    AllowPrereleases,
    /// Compare the versions that a mirror took for equal by their tags.
    CompareTrusted,
    /// Check the whole destination of a mirror, without its state.
    IgnoreState,
    /// Ask the clients of a server for credentials.
    RestrictAccess,
    /// Advice on one side of a mirror.
    At {
        /// The side that failed.
        side: Side,
        /// The advice, as for a command with one remote.
        advice: Box<Self>,
    },
}

/// Reasons to log in to a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogIn {
    /// The registry asks for credentials.
    Needed,
    /// The registry's token service gives no token without credentials.
    NoToken,
    /// The credentials are wrong.
    Refused,
    /// The user lacks a permission in the registry.
    Permission,
    /// Docker Hub refuses, perhaps because the repository's name lacks the account.
    DockerHub,
    /// An Azure registry refuses the credentials or their absence.
    Azure,
    /// The user wrote credentials into a reference.
    InReference,
}

/// Kinds of services that store charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// An OCI registry.
    Registry,
    /// A chart repository, named by an `http://` or `https://` URL.
    Repository,
    /// A chart repository, named by a `cm://` URL.
    CmRepository,
    /// The API of a ChartMuseum.
    ChartMuseum,
}

/// Reasons why a certificate is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Untrusted {
    /// The issuer is not trusted.
    Issuer,
    /// This machine has no trusted issuers.
    NoRoots,
}

/// Destinations that have other content already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Occupied {
    /// The tag of a chart that is pushed.
    Tag,
    /// Names in the destination of a bundle.
    Names,
    /// A version in a ChartMuseum.
    MuseumVersion,
    /// A configured chart repository.
    Repository,
}

/// Ways to create a repository in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewRepository {
    /// With a command of Amazon's, as ECR needs it.
    Ecr,
    /// With steps that depend on the registry.
    Named(String),
}

/// Answers that no ChartMuseum gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answered {
    /// An answer without an index.
    NoIndex,
    /// An answer without the API.
    NoApi,
    /// A success with another text than ChartMuseum's.
    Otherwise,
}

/// Problems that strict indexing refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Intolerable {
    /// A version that Helm skips.
    Version,
    /// Files that are not charts.
    Files,
}

/// Archives whose digest differs from that in their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mismatched {
    /// A requested chart.
    Chart,
    /// A dependency of a chart.
    Dependency,
}

/// The two sides of a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The side that the mirror reads.
    Source,
    /// The side that the mirror writes.
    Destination,
}

impl From<String> for Advice {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Advice {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Advice {
    /// Restricts this advice to one side of a mirror. Advice that already has a side keeps it.
    #[must_use]
    pub fn at(self, side: Side) -> Self {
        match self {
            Self::At { .. } => self,
            advice => Self::At { side, advice: Box::new(advice) },
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Text(text) => text,
            Self::LogIn { registry, reason } => return log_in(f, registry, *reason),
            Self::PassCredentials { origin } => {
                return write!(
                    f,
                    "`{origin}` is not the repository's host, and got no credentials"
                );
            }
            Self::Unlisted { refused_by: Some(registry) } => {
                return write!(
                    f,
                    "give credentials for `{registry}`; if they are right, name the charts: this registry does not list its repositories"
                );
            }
            Self::Else { first, otherwise } => {
                return write!(f, "{first}; if that is not it, {otherwise}");
            }
            Self::CreateRepository(NewRepository::Named(name)) => {
                return write!(
                    f,
                    "if the registry makes no repositories by itself, create `{name}` first"
                );
            }
            Self::CompleteBundle { file } => {
                return write!(
                    f,
                    "a mirror needs a whole bundle: load `{file}` with its base into a layout"
                );
            }
            Self::NameBase { base } => {
                return write!(f, "it is a delta to the bundle {base}; name that one as its base");
            }
            Self::PushAgain { archive, namespace } => {
                return write!(f, "push {archive} to {namespace}");
            }
            Self::SaveAll { name } => return write!(f, "save all charts beneath `{name}`"),
            Self::At { advice, .. } => return advice.fmt(f),
            other => other.plain(),
        };
        f.write_str(text)
    }
}

impl Advice {
    /// Returns the neutral text of advice without values.
    fn plain(&self) -> &'static str {
        match self {
            Self::Authenticate(_) => "give the name and password of a user with this permission",
            Self::NameCredentialsFile => "name one",
            Self::NameCharts => "name the charts if a registry does not list them",
            Self::UntagByDummy => "move the tag to an empty manifest and delete that",
            Self::Unlisted { .. } => {
                "name the charts: this registry does not list its repositories"
            }
            Self::UsePlainHttp(Service::Registry) => {
                "if it is meant to speak plain HTTP, allow that"
            }
            Self::UsePlainHttp(_) => "if it speaks plain HTTP, write `http://`",
            Self::TrustCertificate(Untrusted::Issuer) => "trust its certificate, or its issuer's",
            Self::TrustCertificate(Untrusted::NoRoots) => {
                "correct SSL_CERT_FILE or unset it, or name the certificates"
            }
            Self::AllowHttpRedirects => {
                "it can be followed without credentials: the digest protects the bytes, but others can read them in transit"
            }
            Self::Overwrite(Occupied::Tag) => {
                "raise the chart's version, or overwrite the chart, or leave it as it is"
            }
            Self::Overwrite(Occupied::Names) => "nothing was loaded; overwrite them, or skip them",
            Self::Overwrite(Occupied::MuseumVersion) => {
                "replace it by force, if the server allows that"
            }
            Self::Overwrite(Occupied::Repository) => "replace it, or choose another name",
            Self::CreateRepository(_) => {
                "ECR makes no repositories by itself: create it first, with `aws ecr create-repository`"
            }
            Self::LowerCase => "write its name in lower case there",
            Self::SetArtifactHubId => "it writes one itself, once it has the repository's ID",
            Self::CheckChartMuseum(Answered::NoIndex) => {
                "no ChartMuseum answers there: check the repository's URL"
            }
            Self::CheckChartMuseum(Answered::NoApi) => {
                "no ChartMuseum answers at that path: check the repository's URL and context path, and that its API is enabled"
            }
            Self::CheckChartMuseum(Answered::Otherwise) => {
                "nothing was changed there: check the repository's URL and context path, and whether it needs a login"
            }
            Self::PackageFolder => "name the chart's folder, or leave its version as it is",
            Self::IncludeOutsideLinks => {
                "allow links that leave the chart, or leave the link out with .helmignore"
            }
            Self::LoadBase => "nothing was loaded; load its base first, or name the base's file",
            Self::SaveCommonNamespace => {
                "save them into two bundles, or all of their common namespace into one"
            }
            Self::TolerateInvalid(_) => "without strictness it is skipped, as in Helm",
            Self::UpdateDependencies => "update the chart's dependencies",
            Self::AddRepository => "configure a repository",
            Self::AddDependencyRepository => {
                "configure the repository, or update the dependencies, which needs no configured one"
            }
            Self::ChooseRepository => "name a repository that is configured",
            Self::RefreshIndexes => "fetch the indexes of all repositories",
            Self::AcceptMismatch(_) => {
                "refresh the index; if it still differs, the repository serves other bytes than it lists: ask its owner"
            }
            Self::WaitLonger => "allow a longer wait",
            Self::AllowPrereleases => "only prereleases exist; allow them, or name one",
            Self::CompareTrusted => "a check compares them",
            Self::RaiseDeletionLimit => "a higher limit allows more",
            Self::IgnoreState => "a run that ignores the state looks at everything",
            Self::RestrictAccess => {
                "give it users, or declare it open if everybody may write to it"
            }
            // `Display` writes the others.
            Self::Text(_)
            | Self::LogIn { .. }
            | Self::PassCredentials { .. }
            | Self::Else { .. }
            | Self::CompleteBundle { .. }
            | Self::NameBase { .. }
            | Self::PushAgain { .. }
            | Self::SaveAll { .. }
            | Self::At { .. } => "",
        }
    }
}

fn log_in(f: &mut fmt::Formatter<'_>, registry: &str, reason: LogIn) -> fmt::Result {
    match reason {
        LogIn::Needed => write!(f, "credentials are needed: log in to `{registry}`"),
        LogIn::NoToken => write!(f, "log in to `{registry}`"),
        LogIn::Refused => write!(f, "check the name and the password for `{registry}`"),
        LogIn::Permission => write!(f, "log in to `{registry}` as a user with this permission"),
        LogIn::DockerHub => f.write_str(
            "on Docker Hub a repository is `docker.io/ACCOUNT/NAME`; log in to `docker.io`",
        ),
        LogIn::Azure => {
            f.write_str("log in with a token of the Azure registry, or enable anonymous pull")
        }
        LogIn::InReference => {
            write!(f, "give the credentials for `{registry}` apart from its name")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_keeps_its_first_side_and_reads_as_without_one() {
        let advice = Advice::UsePlainHttp(Service::Registry);
        let plain = advice.to_string();
        let sided = advice.at(Side::Source).at(Side::Destination);
        assert!(matches!(sided, Advice::At { side: Side::Source, .. }), "{sided:?}");
        assert_eq!(sided.to_string(), plain);
    }

    #[test]
    fn either_remedy_of_two_is_named() {
        let log_in = Advice::LogIn { registry: "r.example".to_owned(), reason: LogIn::NoToken };
        let both =
            Advice::Else { first: Box::new(log_in), otherwise: "name each chart".to_owned() };
        assert_eq!(both.to_string(), "log in to `r.example`; if that is not it, name each chart");
    }
}
