//! Access that a request needs: registry, repository and action. The access determines the scopes
//! of a token.

use super::scope::Scopes;
use crate::{client::registry::host::Host, oci::RepositoryName};
use std::sync::Arc;

/// Access that a request needs: registry, repository and action.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) host: Arc<Host>,
    pub(crate) repository: Option<RepositoryName>,
    pub(crate) access: Action,
    pub(crate) intent: Intent,
    /// A further repository of the registry that the request reads: the source of a mount.
    pub(crate) also: Option<RepositoryName>,
}

/// Action of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Read,
    Write,
    Delete,
    Catalog,
}

/// Purpose for which the caller opens a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Intent {
    /// Each request asks for the scopes that it needs.
    #[default]
    AsNeeded,
    /// Reads precede writes. The client requests both scopes with the first token, which saves a
    /// second token.
    Writing,
    /// Writes as [`Intent::Writing`], for a destination without any of the blobs. The client sends
    /// each blob without a check.
    Filling,
}

impl Access {
    pub(crate) fn reads(&self) -> bool {
        !matches!(self.access, Action::Write | Action::Delete)
    }

    /// Returns the scopes that this request needs.
    pub(crate) fn needs(&self) -> Scopes {
        let actions = match self.access {
            Action::Catalog => return Scopes::parse("registry:catalog:*"),
            Action::Read => "pull",
            Action::Write => "pull,push",
            Action::Delete => "delete,pull",
        };
        let mut scopes = self.scope(actions);
        if let Some(also) = &self.also {
            scopes.join(&Scopes::parse(&format!("repository:{also}:pull")));
        }
        scopes
    }

    /// Returns further scopes to request now, because the next request will need them.
    pub(crate) fn wishes(&self) -> Option<Scopes> {
        (self.access == Action::Read && self.intent != Intent::AsNeeded)
            .then(|| self.scope("pull,push"))
    }

    fn scope(&self, actions: &str) -> Scopes {
        self.repository.as_ref().map_or_else(Scopes::default, |name| {
            Scopes::parse(&format!("repository:{name}:{actions}"))
        })
    }
}
