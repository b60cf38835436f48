//! Uploads to the store on disk: bytes are appended and hashed as they arrive, then verified and
//! moved to their place. A session outlives its connection and its process; the next process
//! computes its hash again from the file. An upload in one request leaves no file if it ends early.

use super::{
    Disk,
    commit::{Writer, unique},
    repository::Repository,
    upload_session::{Session, State, hash_file, lock, read_meta, revive},
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Digest, digest::Algorithm},
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

/// One request's hold on an upload. The next request for the session ends this hold: a client that
/// lost its connection continues at once, even if the server has not noticed yet.
#[derive(Debug)]
pub struct Upload {
    repository: Repository,
    data: PathBuf,
    /// The session's directory, or `None` for an upload that no later request can continue.
    directory: Option<PathBuf>,
    session: Arc<Session>,
    turn: u64,
    file: Option<File>,
}

/// Bytes after which the store begins a flush beside the transfer. The flush that the client waits
/// for then has at most so many bytes to write, however long the blob is.
const FLUSH: u64 = 32 * 1024 * 1024;

impl Repository {
    /// Opens a session for content that gets a digest of `algorithm`.
    pub fn start_upload(&self, algorithm: Algorithm) -> Result<Upload> {
        self.disk.writable()?;
        let directory = self.disk.uploads().join(unique());
        fs::create_dir(&directory)
            .map_err(|error| Error::io("create directory", &directory, error))?;
        let file = create(&directory.join(DATA)).and_then(|file| {
            let meta = directory.join(META);
            fs::write(&meta, format!("{} {}\n", algorithm.as_str(), self.name()))
                .map_err(|error| Error::io("write", &meta, error))?;
            Ok(file)
        });
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                // The disk may be full, so no file stays. The error above is the one to report.
                let _ = fs::remove_dir_all(&directory);
                return Err(error);
            }
        };
        let session = Session::new(algorithm, self.name());
        self.disk.0.sessions.map().insert(directory.clone(), Arc::clone(&session));
        let (data, directory) = (directory.join(DATA), Some(directory));
        Ok(Upload::new(self, data, directory, session, 0, Some(file)))
    }

    /// Begins an upload in one request, for content that gets a digest of `algorithm`. If dropped,
    /// it leaves no file.
    pub fn start_whole(&self, algorithm: Algorithm) -> Result<Upload> {
        let data = self.disk.writable()?.unfinished();
        let (session, file) = (Session::new(algorithm, self.name()), Some(create(&data)?));
        Ok(Upload::new(self, data, None, session, 0, file))
    }

    /// Takes over the session `id`, from this process or an earlier one. Reads its file if the
    /// content must be hashed.
    pub fn upload(&self, id: &str) -> Result<Option<Upload>> {
        let Some(session) = self.session(id)? else { return Ok(None) };
        let turn = {
            let mut state = lock(&session);
            if state.ended {
                return Ok(None);
            }
            state.turn += 1;
            state.turn
        };
        let directory = self.disk.uploads().join(id);
        let (data, directory) = (directory.join(DATA), Some(directory));
        Ok(Some(Upload::new(self, data, directory, session, turn, None)))
    }

    /// Returns the number of bytes of the session `id`, without disturbing its sender.
    pub fn upload_size(&self, id: &str) -> Result<Option<u64>> {
        let Some(directory) = self.upload_directory(id) else { return Ok(None) };
        if let Some(session) = self.disk.0.sessions.map().get(&directory) {
            let own = session.repository == *self.name();
            return Ok(own.then(|| session.size.load(Ordering::Acquire)));
        }
        if read_meta(&directory)?.is_none_or(|(_, repository)| repository != *self.name()) {
            return Ok(None);
        }
        let data = directory.join(DATA);
        match fs::metadata(&data) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if super::is_absent(&error) => Ok(None),
            Err(error) => Err(Error::io("read", data, error)),
        }
    }

    fn session(&self, id: &str) -> Result<Option<Arc<Session>>> {
        let Some(directory) = self.upload_directory(id) else { return Ok(None) };
        let own = |session: &Arc<Session>| session.repository == *self.name();
        if let Some(session) = self.disk.0.sessions.map().get(&directory) {
            return Ok(Some(Arc::clone(session)).filter(own));
        }
        let Some(session) = revive(&directory, self.name())? else { return Ok(None) };
        let mut map = self.disk.0.sessions.map();
        Ok(Some(Arc::clone(map.entry(directory).or_insert_with(|| Arc::new(session)))))
    }

    /// Returns the directory of the session `id`, if that is a valid name of a session.
    fn upload_directory(&self, id: &str) -> Option<PathBuf> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (id.len() == 32 && id.bytes().all(hex)).then(|| self.disk.uploads().join(id))
    }
}

impl Disk {
    /// Returns the number of sessions, idle ones included.
    pub fn count_uploads(&self) -> Result<usize> {
        Ok(super::read_directory(&self.uploads())?.count())
    }

    /// Removes the sessions that got no bytes since `moment`. Returns their number.
    pub fn expire_uploads(&self, moment: SystemTime) -> Result<usize> {
        self.writable()?;
        let mut expired = Vec::new();
        let uploads = self.uploads();
        for entry in super::read_directory(&uploads)? {
            let directory =
                entry.map_err(|error| Error::io("read directory", &uploads, error))?.path();
            let modified = fs::metadata(directory.join(DATA))
                .or_else(|_| fs::metadata(&directory))
                .and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|modified| modified < moment) {
                expired.push(directory);
            }
        }
        for directory in &expired {
            let session = self.0.sessions.map().get(directory).cloned();
            if let Some(session) = session {
                let mut state = lock(&session);
                state.turn += 1;
                state.ended = true;
            }
            let removed = remove(directory);
            self.0.sessions.map().remove(directory);
            removed?;
        }
        Ok(expired.len())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.directory.is_none() {
            // After `finish`, the file has its own place and is not here.
            let _ = fs::remove_file(&self.data);
        }
    }
}

impl Upload {
    fn new(
        repository: &Repository,
        data: PathBuf,
        directory: Option<PathBuf>,
        session: Arc<Session>,
        turn: u64,
        file: Option<File>,
    ) -> Self {
        Self { repository: repository.clone(), data, directory, session, turn, file }
    }

    /// Returns the session's name within its repository, or an empty text if there is no session.
    pub fn id(&self) -> &str {
        let name = self.directory.as_deref().and_then(Path::file_name);
        name.and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Returns the number of bytes received.
    pub fn size(&self) -> u64 {
        self.session.size.load(Ordering::Acquire)
    }

    /// Appends bytes. It blocks on the disk. If they cannot be written, the session ends at once,
    /// so that a full disk gets its space back.
    ///
    /// # Errors
    /// `Conflict` if another request has taken over the session; `Io`.
    pub fn append(&mut self, chunks: &[impl AsRef<[u8]>]) -> Result<()> {
        let result = self.try_append(chunks);
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Io) {
            self.give_up();
        }
        result
    }

    fn try_append(&mut self, chunks: &[impl AsRef<[u8]>]) -> Result<()> {
        let session = Arc::clone(&self.session);
        let mut state = lock(&session);
        self.check_turn(&state)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(reopen(&self.data)?),
        };
        let writer = &self.repository.disk.0.writer;
        for chunk in chunks.iter().map(AsRef::as_ref) {
            writer.append(file, &self.data, chunk)?;
            state.hashers.update(chunk);
            session.size.fetch_add(chunk.len() as u64, Ordering::AcqRel);
        }
        let size = session.size.load(Ordering::Acquire);
        if size - state.flushed >= FLUSH {
            if let Some(before) = state.ahead.take() {
                before.wait(&self.data)?;
            }
            state.ahead = writer.sync_ahead(file, &self.data)?;
            state.flushed = size;
        }
        Ok(())
    }

    /// Verifies that the content has `digest` and makes it a blob of the repository. The session
    /// ends either way. It blocks on the disk.
    ///
    /// # Errors
    /// `Integrity` if the content has another digest; `Conflict` if another request has taken over
    /// the session; `Io`.
    pub fn finish(mut self, digest: &Digest) -> Result<()> {
        let result = self.try_finish(digest);
        if !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict) {
            self.give_up();
        }
        result
    }

    fn try_finish(&mut self, digest: &Digest) -> Result<()> {
        let writer = self.repository.disk.writable()?;
        let (hashers, ahead) = {
            let mut state = lock(&self.session);
            self.check_turn(&state)?;
            // No request may append from here on.
            state.turn += 1;
            self.turn = state.turn;
            state.ended = true;
            (state.hashers.clone(), state.ahead.take())
        };
        if let Some(ahead) = ahead {
            ahead.wait(&self.data)?;
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => reopen(&self.data)?,
        };
        let sha256 = hashers.sha256.finish();
        let actual = match (digest.algorithm(), hashers.other) {
            (Algorithm::Sha256, _) => sha256.clone(),
            (wanted, Some(other)) => match other.finish() {
                actual if actual.algorithm() == wanted => actual,
                _ => hash_file(&self.data, wanted)?,
            },
            (wanted, None) => hash_file(&self.data, wanted)?,
        };
        if actual != *digest {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("the content has the digest `{actual}`, not `{digest}`"),
            ));
        }
        let disk = &self.repository.disk;
        settle(disk, writer, &file, &self.data, &sha256, self.size())?;
        if *digest != sha256 {
            let path = disk.blob_path(digest);
            // The second name of a damaged file must not stay.
            if path.exists() && !disk.has_intact(digest, self.size()) {
                writer.remove(&path)?;
            }
            writer.link(&disk.blob_path(&sha256), &path)?;
        }
        self.repository.mark_blob(digest, self.size())
    }

    /// Ends the session and removes its files.
    pub fn cancel(mut self) -> Result<()> {
        {
            let mut state = lock(&self.session);
            self.check_turn(&state)?;
            state.ended = true;
        }
        self.end()
    }

    fn give_up(&mut self) {
        // The caller has the error already, and the session expires if it cannot be removed now.
        let _ = self.end();
    }

    fn end(&mut self) -> Result<()> {
        self.file = None;
        let Some(directory) = &self.directory else { return Ok(()) };
        // In this order, no request finds the files without the session that has ended.
        let removed = remove(directory);
        self.repository.disk.0.sessions.map().remove(directory);
        removed
    }

    fn check_turn(&self, state: &State) -> Result<()> {
        if state.turn == self.turn {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("another request has taken over the upload `{}`", self.id()),
        ))
    }
}

pub(crate) const DATA: &str = "data";
pub(crate) const META: &str = "meta";

/// Moves verified data to its place among the blobs, unless the store has the blob intact.
fn settle(
    disk: &Disk,
    writer: &Writer,
    file: &File,
    data: &Path,
    digest: &Digest,
    size: u64,
) -> Result<()> {
    let place = disk.blob_path(digest);
    // A crash without durability can cut a blob short, and a disk can damage it. Both are replaced.
    if disk.has_intact(digest, size) {
        // The process that moved it there may have stopped before this step.
        return writer.sync_parent(&place);
    }
    writer.sync_file(file, data)?;
    let mut permissions =
        file.metadata().map_err(|error| Error::io("read", data, error))?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)
        .map_err(|error| Error::io("change the permissions of", data, error))?;
    writer.rename(data, &place)?;
    disk.note_intact(digest);
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    File::create_new(path).map_err(|error| Error::io("create file", path, error))
}

fn reopen(path: &Path) -> Result<File> {
    File::options().append(true).open(path).map_err(|error| Error::io("open", path, error))
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if !super::is_absent(&error) => {
            Err(Error::io("remove directory", directory, error))
        }
        _ => Ok(()),
    }
}
