//! Files from the web that are no registry's: charts by their address. Their size and digest are not known beforehand,
//! so nothing is resumed and a cap is all there is.

use super::{
    Client,
    auth::basic,
    credentials::{Credential, Secret},
    fault::Failure,
    location::host_of,
    message::{Call, is_html},
    partial::temporary,
    refusal,
    request::{Reply, Trouble, reply},
    retry::{Reach, Tries},
};
use crate::{Error, ErrorKind, Result, store::BlobFile};
use ::http::Method;
use std::{io::Write, sync::Arc};
use url::Url;

/// Helm gives chart servers this much longer than registries: some build the archive while we wait.
const STALL_FACTOR: u32 = 4;

impl Client {
    /// Fetches a file of up to `cap` bytes. A name and password in the address go to that very host only.
    ///
    /// # Errors
    /// `Usage` for what is no `http://` or `https://` address; otherwise what the other side says, in Helm's words.
    pub async fn download(&self, address: &str, cap: u64) -> Result<BlobFile> {
        let mut url: Url = address.parse().map_err(|error: url::ParseError| {
            Error::usage(format!("`{}` is no address", shown(address))).with_source(error)
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(Error::usage(format!(
                "`{}` is neither http:// nor https://",
                shown(address)
            )));
        }
        let header = user_of(&url).map(|credential| basic(&credential)).transpose()?;
        // Neither can fail on a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let host = host_of(&url);
        let act = format!("fetch {url}");
        let call = Call::new(Method::GET, url.clone())
            .header("accept", "application/gzip,application/octet-stream");
        let mut tries = Tries::default();
        let mut reach = Reach::Unreached;
        loop {
            let trouble = match reply(self.transport().exchange(&call, header.as_ref()).await).await
            {
                Ok(Reply::Open(mut answer)) => {
                    reach = Reach::Reached;
                    if is_html(&answer.headers) {
                        return Err(Error::new(
                            ErrorKind::Protocol,
                            format!("failed to fetch {url} : it is a web page, not a chart"),
                        )
                        .with_hint("a login page or proxy may stand in between; or the address is that of a page about the chart"));
                    }
                    answer.wait_longer(STALL_FACTOR);
                    match self.store(*answer, &url, cap).await {
                        Ok(file) => return Ok(file),
                        Err(Failure::Fault(fault)) => Trouble::Fault(fault),
                        Err(Failure::Fatal(error)) => return Err(error),
                    }
                }
                Ok(Reply::Refused(full)) => {
                    reach = Reach::Reached;
                    Trouble::Refused(full)
                }
                Err(Failure::Fault(fault)) => Trouble::Fault(fault),
                Err(Failure::Fatal(error)) => return Err(error),
            };
            if !self.pause_for(&host, reach, &mut tries, &act, &trouble).await? {
                return Err(match trouble {
                    Trouble::Refused(full) => refusal::from_web(&url, &full),
                    Trouble::Fault(fault) => fault.into_error(&act),
                    Trouble::Damaged(error) => error,
                });
            }
        }
    }

    async fn store(
        &self,
        mut answer: super::http::Answer,
        url: &Url,
        cap: u64,
    ) -> Result<BlobFile, Failure> {
        let mut file = temporary(self.options().cache.as_deref())?;
        let mut length = 0;
        while let Some(chunk) = answer.chunk().await? {
            length += chunk.len() as u64;
            if length > cap {
                return Err(Failure::Fatal(Error::new(
                    ErrorKind::Limit,
                    format!("{url} has more than the {cap} bytes allowed here"),
                )));
            }
            if let Err(error) = file.write_all(&chunk) {
                return Err(Error::io("write the download in", file.path(), error).into());
            }
        }
        Ok(BlobFile::Temporary(Arc::new(file.into_temp_path())))
    }
}

/// An address that could not be read, without the part that may hold a password.
fn shown(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, rest)| rest)
}

/// The name and password within a URL.
pub(super) fn user_of(url: &Url) -> Option<Credential> {
    let decode =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let username = decode(url.username());
    let password = decode(url.password().unwrap_or_default());
    (!username.is_empty() || !password.is_empty())
        .then(|| Credential::Basic { username, password: Secret::new(password) })
}
