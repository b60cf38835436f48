//! Complete request: with the scheme of the host, its authentication and the retries of the policy.
//! Blobs have their own loops, since progress counts for them.

use super::host::{Host, HostScheme};
use crate::{
    Error, ErrorKind, Result,
    client::{
        Client, Persistence,
        auth::{
            access::Access,
            flow::{AuthAttempts, AuthStep},
        },
        event::ClientEvent,
        http::{
            error_response,
            failure::{AttemptError, TransportError},
            message::{Authorized, Request, Response},
            redirect::{Credentials, host_of},
            retry::{Decision, Origin, Outcome, Reach, TransportErrorKind, Tries, decide},
            transport::{StreamedResponse, Transport},
        },
    },
    oci::Registry,
};
use ::http::{HeaderValue, StatusCode};

/// Response to a request.
pub(crate) enum Reply {
    /// Success, with a body that has not been read.
    Open(Box<StreamedResponse>),
    /// Refusal that has been read whole.
    Refused(Response),
}

/// Reads a refusal whole.
pub(crate) async fn reply(
    answer: Result<StreamedResponse, AttemptError>,
) -> Result<Reply, AttemptError> {
    let answer = answer?;
    Ok(if answer.status.as_u16() < 400 {
        Reply::Open(Box::new(answer))
    } else {
        Reply::Refused(answer.read_refusal().await)
    })
}

/// Reads any response whole. The inner error may be worth a retry.
async fn whole(
    reply: Result<Reply, AttemptError>,
    cap: u64,
) -> Result<Result<Response, RetryCause>> {
    let failure = match reply {
        Ok(Reply::Refused(full)) => return Ok(Err(RetryCause::Refused(full))),
        Ok(Reply::Open(answer)) => match answer.read(cap).await {
            Ok(full) => return Ok(Ok(full)),
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    match failure {
        AttemptError::Again(fault) => Ok(Err(RetryCause::Transport(fault))),
        AttemptError::Fatal(error) => Err(error),
    }
}

/// Reason why a try failed.
#[derive(Debug)]
pub(crate) enum RetryCause {
    Transport(TransportError),
    Refused(Response),
    /// Complete response with wrong content.
    Damaged(Error),
}

impl From<RetryCause> for AttemptError<RetryCause> {
    fn from(cause: RetryCause) -> Self {
        Self::Again(cause)
    }
}

impl From<AttemptError> for AttemptError<RetryCause> {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Again(error) => Self::Again(RetryCause::Transport(error)),
            AttemptError::Fatal(error) => Self::Fatal(error),
        }
    }
}

impl Client {
    /// Sends a request once, with the host's authentication. For a URL of another origin, such as
    /// that of an upload session or of a next page, the client sends no credentials, and a 401 is
    /// not the registry's.
    pub(crate) async fn ask(&self, ticket: &Access, call: &Request) -> Result<Reply, AttemptError> {
        if ticket.host.credentials_for(&call.url) == Credentials::Drop {
            return self.ask_elsewhere(call).await;
        }
        let mut rounds = AuthAttempts::default();
        let mut bare: Option<Response> = None;
        let mut authorized = Authorized::No;
        loop {
            let authorization = self.authorization(ticket, call, &mut rounds).await?;
            if authorization.as_ref().is_some_and(|own| own.kept.is_some()) {
                authorized = Authorized::Yes;
            }
            if authorization.is_none()
                && let Some(mut refusal) = bare
            {
                refusal.authorized = authorized;
                // The host asks for credentials that the client does not have.
                return Ok(Reply::Refused(refusal));
            }
            let header = authorization.as_ref().map(|own| &own.header);
            let answer = self.speak(&ticket.host, call, header).await?;
            if answer.status.as_u16() < 400 {
                rounds.worked(ticket);
                return Ok(Reply::Open(Box::new(answer)));
            }
            let mut refusal = answer.read_refusal().await;
            refusal.authorized = authorized;
            let ours = refusal.from == Origin::Registry
                && matches!(refusal.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            if !ours {
                return Ok(Reply::Refused(refusal));
            }
            bare = authorization.is_none().then(|| refusal.clone());
            match self.judge(ticket, refusal, authorization, &mut rounds).await? {
                AuthStep::Again => {}
                AuthStep::Final(refusal) => return Ok(Reply::Refused(refusal)),
            }
        }
    }

    /// Sends a request once without credentials, to a host that is not the registry.
    pub(crate) async fn ask_elsewhere(&self, call: &Request) -> Result<Reply, AttemptError> {
        reply(self.transport().exchange_from(call, None, Origin::Elsewhere).await).await
    }

    /// Sends a request until there is a whole response that is not worth a retry, with any status.
    pub(crate) async fn settle(
        &self,
        ticket: &Access,
        act: &str,
        call: &Request,
        cap: u64,
    ) -> Result<Response> {
        let mut tries = Tries::default();
        loop {
            let tried = whole(self.ask(ticket, call).await, cap).await?;
            if let Some(full) = self.settled(&ticket.host, &mut tries, act, tried).await? {
                return Ok(full);
            }
        }
    }

    /// Sends as [`Self::settle`], with this `Authorization` header or none, regardless of the
    /// host's challenge.
    pub(crate) async fn settle_with(
        &self,
        host: &Host,
        header: Option<&HeaderValue>,
        act: &str,
        call: &Request,
        cap: u64,
    ) -> Result<Response> {
        let mut tries = Tries::default();
        loop {
            let tried = whole(reply(self.speak(host, call, header).await).await, cap).await?;
            if let Some(full) = self.settled(host, &mut tries, act, tried).await? {
                return Ok(full);
            }
        }
    }

    /// Sends as [`Self::settle`], to another service, such as a token service.
    pub(crate) async fn settle_service(
        &self,
        header: Option<&HeaderValue>,
        act: &str,
        call: &Request,
        cap: u64,
    ) -> Result<Response> {
        self.settle_by(self.transport(), header, act, call, cap).await
    }

    /// Sends as [`Self::settle_service`], over its own connections.
    pub(crate) async fn settle_by(
        &self,
        transport: &Transport,
        header: Option<&HeaderValue>,
        act: &str,
        call: &Request,
        cap: u64,
    ) -> Result<Response> {
        let host = host_of(&call.url);
        let mut tries = Tries::default();
        let mut reach = Reach::Unreached;
        loop {
            let tried = reply(transport.exchange(call, header).await).await;
            if tried.is_ok() {
                reach = Reach::Reached;
                self.inner.unreachable.answers(&host);
            }
            let mut cause = match whole(tried, cap).await? {
                Ok(full) => return Ok(full),
                Err(cause) => cause,
            };
            if let RetryCause::Refused(full) = &mut cause {
                if call.finals.contains(&full.status.as_u16()) {
                    return cause.into_answer(act);
                }
                // Only registries issue a new address. Here a refusal is final, even behind a
                // redirect.
                full.from = Origin::Registry;
            }
            if !self.pause_for(&host, reach, &mut tries, act, &cause).await? {
                return cause.into_answer(act);
            }
        }
    }

    /// Returns the final response, or `None` after the wait before the next try.
    async fn settled(
        &self,
        host: &Host,
        tries: &mut Tries,
        act: &str,
        tried: Result<Response, RetryCause>,
    ) -> Result<Option<Response>> {
        match tried {
            Ok(full) => Ok(Some(full)),
            Err(cause) => {
                let again = self.pause(host, tries, act, &cause).await?;
                if again { Ok(None) } else { cause.into_answer(act).map(Some) }
            }
        }
    }

    /// Waits after a failed try and returns true, or returns false if there is no next try.
    ///
    /// # Errors
    /// Fails if the host asks for a longer wait than the limit.
    pub(crate) async fn pause(
        &self,
        host: &Host,
        tries: &mut Tries,
        act: &str,
        cause: &RetryCause,
    ) -> Result<bool> {
        let reach = if host.is_reached() { Reach::Reached } else { Reach::Unreached };
        self.pause_for(host.registry().as_str(), reach, tries, act, cause).await
    }

    pub(crate) async fn pause_for(
        &self,
        host: &str,
        reach: Reach,
        tries: &mut Tries,
        act: &str,
        cause: &RetryCause,
    ) -> Result<bool> {
        let options = self.options();
        let decision = cause.decision(options.clock.now());
        if let Decision::AgainAfter(wait) = decision
            && wait > options.retry_after
        {
            let (wait, most) = (wait.as_secs(), options.retry_after.as_secs());
            return Err(Error::new(
                ErrorKind::Network,
                format!(
                    "cannot {act}: `{host}` asks to wait {wait} s, longer than the {most} s allowed"
                ),
            )
            .with_hint("try again then, or allow a longer wait"));
        }
        let reach = match options.persistence {
            Persistence::Long => reach,
            Persistence::Short => Reach::Unreached,
        };
        let Some(mut wait) = tries.next(decision, reach, &options.clock) else { return Ok(false) };
        if let (Some(patience), true) = (options.unreachable, cause.is_unreachable()) {
            let left = self.inner.unreachable.refuses(host, options.clock.now(), patience);
            if left.is_zero() {
                return Ok(false);
            }
            wait = wait.min(left);
        }
        options.notify.tell(ClientEvent::Waiting { host: host.to_owned(), wait, why: cause.why() });
        options.clock.wait(wait).await;
        Ok(true)
    }

    /// Sends a request with the scheme of the host. The client tries TLS first with a host of this
    /// machine. If the host answers in plain text, the client uses plain HTTP from then on. It has
    /// sent no credentials by then, because it sends none before a challenge.
    async fn speak(
        &self,
        host: &Host,
        call: &Request,
        header: Option<&HeaderValue>,
    ) -> Result<StreamedResponse, AttemptError> {
        let mut call = call.clone();
        call.url = host.in_its_scheme(&call.url);
        call.own_headers.clone_from(&self.options().registry_headers);
        // The scheme before the request: a concurrent request may detect another one.
        let speech = host.speech();
        let tried = self.transport().exchange(&call, header).await;
        let answer = match tried {
            Err(AttemptError::Again(fault)) if may_be_plain(host, speech, &call, &fault) => {
                if call.url.set_scheme("http").is_err() {
                    return Err(fault.into());
                }
                // They may be secrets, and are not for a line that nobody chose.
                call.own_headers.clear();
                let plain = self.transport().exchange(&call, None).await;
                match (plain, fault.kind) {
                    // A TLS server with a temporary fault answers plain HTTP with 400.
                    (Ok(answer), kind)
                        if kind == TransportErrorKind::NotTls || answer.status != 400 =>
                    {
                        self.is_plain(host);
                        answer
                    }
                    (Err(error), TransportErrorKind::NotTls) => {
                        self.is_plain(host);
                        return Err(error);
                    }
                    _ => return Err(fault.into()),
                }
            }
            tried => tried?,
        };
        if host.speech() == HostScheme::Open && answer.from == Origin::Registry {
            host.speaks(HostScheme::Tls);
        }
        host.has_answered();
        self.inner.unreachable.answers(host.registry().as_str());
        for warning in answer.headers.get_all("warning") {
            if let Some(text) = warning.to_str().ok().and_then(warning_text)
                && host.warns(&text)
            {
                let host = host.registry().to_string();
                self.options().notify.tell(ClientEvent::Warning { host, text });
            }
        }
        Ok(answer)
    }

    fn is_plain(&self, host: &Host) {
        if host.speaks(HostScheme::Plain) != HostScheme::Plain {
            self.options()
                .notify
                .tell(ClientEvent::PlainHttp { host: host.registry().to_string() });
        }
    }
}

fn may_be_plain(host: &Host, speech: HostScheme, call: &Request, fault: &TransportError) -> bool {
    speech == HostScheme::Open
        && host.speech() != HostScheme::Tls
        && call.url.scheme() == "https"
        && match fault.kind {
            TransportErrorKind::NotTls | TransportErrorKind::Handshake => true,
            // Without a port in the name, the two schemes have two ports.
            TransportErrorKind::Connect => host.registry().port().is_none(),
            _ => false,
        }
}

/// Returns the text of `299 - "text"` (distribution-spec, warnings). Other codes concern caches.
fn warning_text(value: &str) -> Option<String> {
    let (_, text) = value.trim().strip_prefix("299 ")?.split_once('"')?;
    let text = text.trim_end().strip_suffix('"').unwrap_or(text);
    let clean: String =
        text.replace("\\\"", "\"").chars().filter(|c| !c.is_control()).take(4096).collect();
    (!clean.is_empty()).then_some(clean)
}

impl RetryCause {
    /// Ends the retries: a refusal becomes a response, and any other failure an error.
    fn into_answer(self, act: &str) -> Result<Response> {
        match self {
            Self::Refused(full) => Ok(full),
            Self::Transport(fault) => Err(fault.into_error(act)),
            Self::Damaged(error) => Err(error),
        }
    }

    /// Returns the error of a request to `registry` whose retries have ended.
    pub(crate) fn into_error(self, registry: &Registry, act: &str) -> Error {
        match self.into_answer(act) {
            Ok(refused) => error_response::from_registry(registry, act, &refused),
            Err(error) => error,
        }
    }

    /// Returns true if no connection to the host succeeded.
    fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport(fault) if matches!(fault.kind, TransportErrorKind::Name | TransportErrorKind::Connect))
    }

    fn decision(&self, now: std::time::SystemTime) -> Decision {
        match self {
            Self::Transport(fault) => decide(Outcome::Broken(fault.kind), now),
            Self::Damaged(_) => Decision::Again,
            Self::Refused(full) => decide(
                Outcome::Status {
                    status: full.status.as_u16(),
                    retry_after: crate::client::http::message::text(&full.headers, "retry-after"),
                    body: &String::from_utf8_lossy(&full.body),
                    from: full.from,
                },
                now,
            ),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Transport(fault) => fault.why().to_owned(),
            Self::Damaged(error) => error.message().to_owned(),
            Self::Refused(full) => {
                let who = match full.from {
                    Origin::Registry => "it".to_owned(),
                    Origin::Elsewhere => format!("`{}`", host_of(&full.url)),
                };
                let words =
                    error_response::words(full).map(|w| format!(": {w}")).unwrap_or_default();
                format!("{who} answers {}{words}", full.status.as_u16())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_registrys_own_warnings_are_told() {
        for (value, text) in [
            (r#"299 - "use the other one""#, Some("use the other one")),
            (r#"299 - "say \"x\"""#, Some(r#"say "x""#)),
            (r#"110 proxy "stale""#, None),
            ("299 - nothing", None),
            (r#"299 - """#, None),
        ] {
            assert_eq!(warning_text(value).as_deref(), text);
        }
    }
}
