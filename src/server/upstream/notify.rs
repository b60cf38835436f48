//! Endpoint `POST /notify`, with which a registry reports new and removed tags, in the format of
//! the distribution project's webhooks. The bridge does not trust an event: it looks the tag up in
//! the registry. Each lookup costs requests, so a server that requires credentials accepts no
//! notification without a secret.

use super::pending_tags::{Late, Pushed};
use crate::{
    Result,
    digest::Digest,
    oci::{RepositoryName, Tag},
    server::{
        auth::Access,
        body::{HeldBodies, HeldBody, frame},
        index_view::Follower,
        net::response::unbroken,
    },
    store::Catalog,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Maximum size of one notification in bytes. A registry sends its events alone, or a few at once.
const MAX_BODY: usize = 1024 * 1024;
/// Time limit for silence in the body.
const STALL: Duration = Duration::from_secs(10);
/// Maximum number of tags of one notification that the bridge looks up. Further tags wait for the
/// next list.
const LOOKS: usize = 100;
/// Number of notifications that the bridge handles at once, and the time that another one waits.
const TOGETHER: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);

/// Secret that a registry sends with its notifications. It is never printed.
#[derive(Clone)]
pub struct NotifySecret([u8; 32]);

impl NotifySecret {
    /// Makes a secret from a text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Returns true if a request has the secret, as `Authorization: Bearer SECRET` or alone. The
    /// function compares hashes, so that the time reveals nothing.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(text) = headers.get(header::AUTHORIZATION).and_then(|text| text.to_str().ok())
        else {
            return false;
        };
        let text = text.strip_prefix("Bearer ").unwrap_or(text).trim();
        let given: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        self.0.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl std::fmt::Debug for NotifySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Document of a notification.
#[derive(Debug, Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(default)]
    action: String,
    #[serde(default)]
    target: Target,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    #[serde(default)]
    repository: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    digest: String,
}

/// Lookup that an event causes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Pushed(Pushed),
    Tag(RepositoryName, Tag),
    Manifest(RepositoryName, Digest),
    Tags(RepositoryName),
}

impl Event {
    fn look(&self, name_within: impl Fn(&str) -> Option<RepositoryName>) -> Option<Look> {
        let Target { repository, tag, digest } = &self.target;
        let deleted = match self.action.as_str() {
            "push" => false,
            "delete" => true,
            _ => return None,
        };
        let repository = name_within(repository)?;
        if let Ok(tag) = tag.parse::<Tag>() {
            // Clients also push signatures and branches, whose tags are not charts.
            let is_version = tag.version().is_some();
            return is_version.then(|| match deleted {
                true => Look::Tag(repository, tag),
                false => Look::Pushed(Pushed { repository, tag, manifest: digest.parse().ok() }),
            });
        }
        match digest.parse() {
            // A push by digest alone, as of a layer, moves no tag.
            _ if !deleted => None,
            Ok(digest) => Some(Look::Manifest(repository, digest)),
            Err(_) => Some(Look::Tags(repository)),
        }
    }
}

struct Notified<C> {
    charts: Follower<C>,
    late: Late,
    door: Door,
    looking: Arc<Semaphore>,
    bodies: HeldBodies,
}

/// Rule for accepting notifications.
#[derive(Clone, Debug)]
enum Door {
    /// The server accepts all notifications, since no request needs credentials.
    Open,
    /// The server accepts requests with the secret.
    Secret(NotifySecret),
    /// The server accepts none: clients must send credentials, and registries cannot.
    Shut,
}

impl Door {
    fn new(secret: Option<NotifySecret>, access: &Access) -> Self {
        match (secret, access) {
            (Some(secret), _) => Self::Secret(secret),
            (None, Access::Everyone) => Self::Open,
            (None, _) => Self::Shut,
        }
    }

    fn lets_in(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        match self {
            Self::Open => Ok(()),
            Self::Secret(secret) if secret.is_in(headers) => Ok(()),
            Self::Secret(_) => {
                Err((StatusCode::UNAUTHORIZED, "the secret is missing or wrong
"))
            }
            Self::Shut => Err((
                StatusCode::FORBIDDEN,
                "this server requires credentials, so it accepts notifications only with their secret
",
            )),
        }
    }
}

/// Builds the router of the endpoint.
pub(crate) fn router<C: Catalog>(
    charts: Follower<C>,
    secret: Option<NotifySecret>,
    access: &Access,
) -> Router {
    let door = Door::new(secret, access);
    let looking = Arc::new(Semaphore::new(TOGETHER));
    let state = Arc::new(Notified {
        charts,
        late: Late::default(),
        door,
        looking,
        bodies: HeldBodies::default(),
    });
    Router::new().route("/notify", post(notify::<C>)).with_state(state)
}

async fn notify<C: Catalog>(State(state): State<Arc<Notified<C>>>, request: Request) -> Response {
    let (head, mut body) = request.into_parts();
    if let Err(refused) = state.door.lets_in(&head.headers) {
        return refused.into_response();
    }
    let mut held = state.bodies.hold();
    let bytes = match read(&mut body, &mut held).await {
        Ok(bytes) => bytes,
        Err(Unread::Length) => {
            let message = "the body is too long or did not arrive\n";
            return (StatusCode::PAYLOAD_TOO_LARGE, message).into_response();
        }
        Err(Unread::NoRoom) => return busy(),
    };
    let envelope: Envelope = match serde_json::from_slice(&bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            let message = format!("this is not a notification of a registry: {error}\n");
            return (StatusCode::BAD_REQUEST, message).into_response();
        }
    };
    let within = |full: &str| state.charts.catalog().name_within(full);
    let mut looks: BTreeSet<Look> =
        envelope.events.iter().filter_map(|event| event.look(within)).collect();
    let beyond = looks.len().saturating_sub(LOOKS);
    if beyond > 0 {
        tracing::warn!(
            beyond,
            "a notification names too many tags; some wait for the next read of the lists"
        );
        looks = looks.into_iter().take(LOOKS).collect();
    }
    let turn = Arc::clone(&state.looking).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(PATIENCE, turn).await else {
        return busy();
    };
    let (charts, late) = (state.charts.clone(), state.late.clone());
    let looked = unbroken(async move {
        let _turn = turn;
        look_at(&charts, &late, looks).await
    });
    match looked.await {
        Ok(Done::Seen) if beyond > 0 => StatusCode::ACCEPTED.into_response(),
        Ok(Done::Seen) => StatusCode::NO_CONTENT.into_response(),
        // Registries wait a second for a response, and send no other event before it.
        Ok(Done::Later) => StatusCode::ACCEPTED.into_response(),
        Err(error) => {
            tracing::warn!(error = error.chain(), "cannot read the tags of a notification");
            // The registry sends the event again.
            (StatusCode::BAD_GATEWAY, "the registry did not answer\n").into_response()
        }
    }
}

/// State of the index relative to the reported events.
enum Done {
    Seen,
    /// The bridge repeats a lookup later.
    Later,
}

async fn look_at<C: Catalog>(
    charts: &Follower<C>,
    late: &Late,
    looks: BTreeSet<Look>,
) -> Result<Done> {
    let mut done = Done::Seen;
    for look in looks {
        match look {
            Look::Pushed(pushed) => {
                charts.refresh(&pushed.repository, &pushed.tag).await?;
                if !pushed.is_seen(charts) {
                    late.look_later(charts, pushed);
                    done = Done::Later;
                }
            }
            Look::Tag(repository, tag) => charts.refresh(&repository, &tag).await?,
            Look::Manifest(repository, digest) => {
                charts.refresh_manifest(&repository, &digest).await?;
            }
            Look::Tags(repository) => charts.refresh_repository(&repository).await?,
        }
    }
    Ok(done)
}

fn busy() -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    (status, [(header::RETRY_AFTER, "5")], "too many notifications\n").into_response()
}

/// Reason why the server did not read a body to its end.
enum Unread {
    Length,
    NoRoom,
}

async fn read(body: &mut Body, held: &mut HeldBody) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    while let Some(chunk) = frame(body, STALL).await.map_err(|_| Unread::Length)? {
        let length = bytes.len() + chunk.len();
        if length > MAX_BODY {
            return Err(Unread::Length);
        }
        held.grow(length).map_err(|_| Unread::NoRoom)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn events_tell_where_to_look() {
        let within = |full: &str| full.strip_prefix("ns/").and_then(|name| name.parse().ok());
        let (name, digest) = (|| "a".parse().expect("name"), || DIGEST.parse().expect("digest"));
        let tag = || "1.0.0".parse().expect("tag");
        let pushed =
            |manifest| Some(Look::Pushed(Pushed { repository: name(), tag: tag(), manifest }));
        for (action, repository, tag_text, digest_text, look) in [
            ("push", "ns/a", "1.0.0", DIGEST, pushed(Some(digest()))),
            ("push", "ns/a", "1.0.0", "", pushed(None)),
            ("delete", "ns/a", "1.0.0", "", Some(Look::Tag(name(), tag()))),
            ("delete", "ns/a", "", DIGEST, Some(Look::Manifest(name(), digest()))),
            ("delete", "ns/a", "", "", Some(Look::Tags(name()))),
            ("push", "ns/a", "", DIGEST, None),
            ("push", "ns/a", "latest", DIGEST, None),
            ("pull", "ns/a", "1.0.0", DIGEST, None),
            ("push", "other/a", "1.0.0", DIGEST, None),
            ("push", "ns/../a", "1.0.0", DIGEST, None),
        ] {
            let event = serde_json::json!({
                "action": action,
                "target": { "repository": repository, "tag": tag_text, "digest": digest_text },
            });
            let event: Event = serde_json::from_value(event).expect("event");
            assert_eq!(event.look(within), look, "{action} {repository}:{tag_text}@{digest_text}");
        }
    }

    #[test]
    fn the_secret_comes_as_a_token_or_by_itself() {
        let secret = NotifySecret::new("s3cret");
        for (text, right) in
            [("Bearer s3cret", true), ("s3cret", true), ("Bearer other", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().expect("value"));
            assert_eq!(secret.is_in(&headers), right, "{text}");
        }
        assert!(!secret.is_in(&HeaderMap::new()));
        assert_eq!(format!("{secret:?}"), "(secret)");
    }
}
