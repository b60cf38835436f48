//! Users and their passwords from an htpasswd file: bcrypt hashes only. The server reads the file
//! again after a change.

use super::checks::{Busy, Checks};
use crate::lock::Locked as _;
use crate::{Error, Result, store::blocking};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fs,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

/// Maximum size of an htpasswd file in bytes. A line has about 70.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Result of the check of a user name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// User name and password are correct.
    Known,
    /// The user does not exist, or the password is wrong.
    Unknown,
    /// The server did not check the password, because too many checks are running.
    Busy(Busy),
}

/// Users of an htpasswd file. All clones share one state.
#[derive(Clone)]
pub struct Htpasswd(Arc<Inner>);

struct Inner {
    path: PathBuf,
    state: Mutex<State>,
    checks: Checks,
    /// Running checks. Concurrent requests with the same credentials wait for one check.
    pending: Mutex<HashMap<[u8; 32], Check>>,
    /// Key for the digests of verified passwords, so that the digests are useless outside of this
    /// process.
    key: RandomState,
}

/// Check for which many requests may wait.
type Check = Shared<BoxFuture<'static, Verdict>>;

struct State {
    stamp: Stamp,
    hashes: Arc<HashMap<String, String>>,
    /// Verified credentials by user. bcrypt takes tens of milliseconds, and a client sends its
    /// credentials with every request.
    verified: HashMap<String, [u8; 32]>,
}

/// Modification time and size, to detect a change of the file.
type Stamp = (Option<SystemTime>, u64);

impl std::fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Htpasswd").field(&self.0.path).finish()
    }
}

impl Htpasswd {
    /// Reads the file.
    ///
    /// # Errors
    /// `Invalid`, with the number of the line, if a line is not `user:hash` or its hash is not
    /// bcrypt's.
    pub fn open(path: &Path) -> Result<Self> {
        let stamp = stamp(path)?;
        let hashes = Arc::new(read(path)?);
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            state: Mutex::new(State { stamp, hashes, verified: HashMap::new() }),
            checks: Checks::new(),
            pending: Mutex::default(),
            key: RandomState::new(),
        })))
    }

    /// Checks a name and a password from the address `client`. The function recognises a verified
    /// password at once. Any other password costs one bcrypt, also for a user that does not exist,
    /// so that the time reveals nothing. The number of running and waiting checks is limited.
    pub async fn verify(&self, user: &str, password: &str, client: Option<IpAddr>) -> Verdict {
        self.reload();
        let digest = self.digest(user, password);
        let hashes = {
            let state = self.state();
            if state.verified.get(user).is_some_and(|known| same(known, &digest)) {
                return Verdict::Known;
            }
            Arc::clone(&state.hashes)
        };
        let check = {
            let mut pending = self.pending();
            match pending.get(&digest) {
                Some(check) => check.clone(),
                None => {
                    let place = match self.0.checks.enter(client, user) {
                        Ok(place) => place,
                        Err(busy) => return Verdict::Busy(busy),
                    };
                    let (this, user) = (self.clone(), user.to_owned());
                    let password = password.to_owned();
                    // The check runs in its own task: if a client disconnects, its place becomes
                    // free only with the processor.
                    let task = tokio::spawn(async move {
                        let verdict = match place.turn().await {
                            Some(_turn) => this.check(&user, password, digest, &hashes).await,
                            None => Verdict::Unknown,
                        };
                        if verdict == Verdict::Unknown {
                            place.failed();
                        }
                        this.pending().remove(&digest);
                        verdict
                    });
                    // The task ends early only with the runtime.
                    let check = task.map(|ended| ended.unwrap_or(Verdict::Unknown)).boxed();
                    pending.entry(digest).or_insert(check.shared()).clone()
                }
            }
        };
        check.await
    }

    async fn check(
        &self,
        user: &str,
        password: String,
        digest: [u8; 32],
        hashes: &Arc<HashMap<String, String>>,
    ) -> Verdict {
        let known = hashes.get(user);
        let Some(hash) = known.or_else(|| hashes.values().next()).cloned() else {
            return Verdict::Unknown;
        };
        let right = blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
        if !right || known.is_none() {
            return Verdict::Unknown;
        }
        let mut state = self.state();
        // The file may have changed meanwhile, and the user with it.
        if state.hashes.get(user) == known {
            state.verified.insert(user.to_owned(), digest);
        }
        Verdict::Known
    }

    /// Loads a changed file. If it cannot be read, the users remain unchanged.
    fn reload(&self) {
        let mut state = self.state();
        let Ok(stamp) = stamp(&self.0.path) else { return };
        if stamp == state.stamp {
            return;
        }
        // The stamp also changes for an invalid file, so that the server logs the error once.
        state.stamp = stamp;
        match read(&self.0.path) {
            Ok(hashes) => {
                let before = std::mem::replace(&mut state.hashes, Arc::new(hashes));
                let now = Arc::clone(&state.hashes);
                // Users with an unchanged line remain verified, so that not all need a check at
                // once.
                state.verified.retain(|user, _| now.get(user) == before.get(user));
                tracing::info!(path = %self.0.path.display(), "users were read again");
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "the previous users stay valid");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.locked()
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<[u8; 32], Check>> {
        self.0.pending.locked()
    }

    fn digest(&self, user: &str, password: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for salt in 0..4_u8 {
            hasher.update(self.0.key.hash_one(salt).to_le_bytes());
        }
        hasher.update((user.len() as u64).to_le_bytes());
        hasher.update(user);
        hasher.update(password);
        hasher.finalize().into()
    }
}

/// Compares in constant time.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn stamp(path: &Path) -> Result<Stamp> {
    let metadata =
        fs::metadata(path).map_err(|error| Error::io("read htpasswd file", path, error))?;
    Ok((metadata.modified().ok(), metadata.len()))
}

fn read(path: &Path) -> Result<HashMap<String, String>> {
    let fail = |error| Error::io("read htpasswd file", path, error);
    if fs::metadata(path).map_err(fail)?.len() > MAX_FILE {
        let message = format!("htpasswd file `{}` is too large", path.display());
        return Err(Error::new(crate::ErrorKind::Limit, message));
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    parse(&text).map_err(|(line, reason)| {
        Error::invalid(format!("line {line} of htpasswd file `{}`: {reason}", path.display()))
            .with_hint("make lines with `htpasswd -B`")
    })
}

fn parse(text: &str) -> Result<HashMap<String, String>, (usize, &'static str)> {
    let mut hashes = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |reason| (at + 1, reason);
        let (user, hash) = line.split_once(':').ok_or_else(|| bad("expected `user:hash`"))?;
        if user.is_empty() {
            return Err(bad("the user's name is empty"));
        }
        if hash.parse::<bcrypt::HashParts>().is_err() {
            return Err(bad("only bcrypt hashes are accepted"));
        }
        hashes.insert(user.to_owned(), hash.to_owned());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bcrypt_lines_are_users() {
        let hash = bcrypt::hash("secret", 4).expect("hash");
        let users =
            parse(&format!("# people\n\nann:{hash}\r\nbob:{hash}\nann:{hash}")).expect("users");
        assert_eq!(users.len(), 2);
        for (line, reason) in [
            ("ann", "expected `user:hash`"),
            (":x", "the user's name is empty"),
            ("ann:plain", "only bcrypt hashes are accepted"),
            ("ann:$apr1$x$y", "only bcrypt hashes are accepted"),
            ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "only bcrypt hashes are accepted"),
        ] {
            assert_eq!(parse(&format!("ok:{hash}\n{line}\n")), Err((2, reason)), "{line}");
        }
    }

    #[tokio::test]
    async fn users_come_and_go_with_the_file() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("htpasswd");
        let line = |user: &str, password: &str| {
            format!("{user}:{}\n", bcrypt::hash(password, 4).expect("hash"))
        };
        fs::write(&path, line("ann", "one")).expect("file");
        let users = Htpasswd::open(&path).expect("users");
        for _ in 0..2 {
            assert_eq!(users.verify("ann", "one", None).await, Verdict::Known);
            assert_eq!(users.verify("ann", "two", None).await, Verdict::Unknown);
            assert_eq!(users.verify("bob", "one", None).await, Verdict::Unknown);
        }
        // The length differs, so that the file differs even within one tick of the file system's
        // clock.
        fs::write(&path, line("robert", "two")).expect("file");
        assert_eq!(users.verify("ann", "one", None).await, Verdict::Unknown);
        assert_eq!(users.verify("robert", "two", None).await, Verdict::Known);
        fs::write(&path, "broken").expect("file");
        assert_eq!(users.verify("robert", "two", None).await, Verdict::Known);
        fs::remove_file(&path).expect("remove");
        assert_eq!(users.verify("robert", "two", None).await, Verdict::Known);
        assert!(Htpasswd::open(&path).is_err());
    }

    #[tokio::test]
    async fn a_flood_of_guesses_is_cut_and_one_password_is_checked_once() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("htpasswd");
        fs::write(&path, format!("ann:{}\n", bcrypt::hash("one", 4).expect("hash"))).expect("file");
        let users = Htpasswd::open(&path).expect("users");
        // On one thread, all of them arrive before the first check.
        let same = (0..100).map(|_| users.verify("ann", "one", None));
        let verdicts = futures_util::future::join_all(same).await;
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Known));
        let names: Vec<String> = (0..40).map(|at| format!("user{at}")).collect();
        let guesses = names.iter().map(|name| users.verify(name, "guess", None));
        let verdicts = futures_util::future::join_all(guesses).await;
        let refused = verdicts.iter().filter(|verdict| **verdict == Verdict::Busy(Busy::Client));
        assert_eq!(refused.count(), 40 - 16);
        assert_eq!(users.verify("ann", "one", None).await, Verdict::Known);
        // A user with an unchanged line remains verified when other lines change.
        let before = fs::read_to_string(&path).expect("file");
        let bob = bcrypt::hash("two", 4).expect("hash");
        fs::write(&path, format!("{before}bob:{bob}\n")).expect("file");
        users.reload();
        assert_eq!(users.state().verified.len(), 1);
    }
}
