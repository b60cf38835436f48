//! Single requests of the registry's protocol, as a check of a registry sends them: any status is
//! an answer.

use super::raw_answer::{RawAnswer, RawRequest};
use crate::{
    Error, ErrorKind, Result,
    client::{
        Repository,
        auth::access::Action,
        http::{
            message::{Payload, Request, Strangers},
            redirect::Credentials,
        },
    },
};
use ::http::Method;
use url::Url;

impl Repository {
    /// Sends one request. The client repeats it after a broken connection and for a busy registry,
    /// and authenticates as for any other.
    ///
    /// # Errors
    /// `Protocol` for an address of another registry; `Network`.
    pub async fn raw(&self, request: RawRequest) -> Result<RawAnswer> {
        let method: Method = request.method.parse().map_err(|error| {
            Error::usage(format!("`{}` is no method", request.method)).with_source(error)
        })?;
        let url: Url = match request.path.parse::<Url>() {
            Ok(url) if self.host.credentials_for(&url) == Credentials::Keep => url,
            Ok(url) => {
                let message = format!("`{url}` is not an address of `{}`", self.registry());
                return Err(Error::new(ErrorKind::Protocol, message));
            }
            Err(_) => self.url(&request.path)?,
        };
        let access = match request.method {
            "GET" | "HEAD" => Action::Read,
            "DELETE" => Action::Delete,
            _ => Action::Write,
        };
        let act = format!("ask `{}/{}`", self.registry(), self.name);
        let mut call = Request::new(method, url).strangers(Strangers::Refuse);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        if !matches!(request.method, "GET" | "HEAD" | "DELETE") {
            call = call.payload(Payload::Bytes(request.body));
        }
        let cap = self.client.options().limits.answer_bytes.max(8 << 20);
        self.client.settle(&self.ticket(access), &act, &call, cap).await.map(RawAnswer)
    }
}
