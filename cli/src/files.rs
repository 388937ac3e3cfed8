//! Opens the files that are written so that only their owner can read them.
//!
//! They hold users' names, and baked modules a key. So each is a plain file with one name, in a folder where nobody else can
//! put another into its place, and no symbolic link leads to it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::{log, system};

/// Its owner reads and writes it, and nobody else.
pub const PRIVATE: u32 = 0o600;
/// Whoever may, as the process's mask has it.
pub const SHARED: u32 = 0o666;

/// Everybody may write.
const OTHERS_WRITE: u32 = 0o002;
/// In a folder: nobody may move or remove what another has put there.
const STICKY: u32 = 0o1000;

/// Why a file is not written. The sentence goes on after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What the system says.
    #[error("{0}; name a file in a folder that can be written")]
    Io(#[from] io::Error),
    /// The path ends in no name.
    #[error("it ends in no name; name a file")]
    Nameless,
    /// There is a folder.
    #[error("it is a folder; name a file in it")]
    Folder,
    /// There is a pipe, a socket or a device.
    #[error("it is a pipe, a socket or a device; name a file")]
    Special,
    /// There is a symbolic link to this.
    #[error("it is a symbolic link; name what it leads to, {}, or another file", .0.display())]
    Symlink(PathBuf),
    /// The file has so many names.
    #[error(
        "it has {0} names (hard links), and by another one it may be in use; name a file that has one"
    )]
    HardLinks(u64),
    /// The file is somebody else's, in a folder where everybody may put one.
    #[error(
        "somebody else has put it into a folder where everybody may; remove it, or name a file in another folder"
    )]
    Foreign,
    /// Everybody may put another file in its place, in this folder.
    #[error(
        "everybody may put another file in its place; `chmod o-w {}`, or name a file in another folder",
        .0.display()
    )]
    OpenFolder(PathBuf),
    /// Another process writes it.
    #[error("it is in use by another process; name another one")]
    InUse,
    /// What is in it is somebody's own: there should be this, or nothing.
    #[error("it holds something else than {0}; name another file, or move this one away")]
    Other(&'static str),
}

/// Where a file is written.
#[derive(Clone, Debug)]
pub struct Place {
    /// Without a symbolic link in it, so that one file has one place.
    path: PathBuf,
    /// Everybody may put files into the folder.
    is_shared: bool,
}

impl Place {
    /// Finds the folder and looks whether it is safe.
    pub fn of(path: &Path) -> Result<Place, FileError> {
        let name = path.file_name().ok_or(FileError::Nameless)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
        for folder in folder.ancestors() {
            // Whoever can move a folder away can put another in its place, with everything that is in it.
            if mode(&fs::metadata(folder)?) & (OTHERS_WRITE | STICKY) == OTHERS_WRITE {
                return Err(FileError::OpenFolder(folder.to_path_buf()));
            }
        }
        let is_shared = mode(&fs::metadata(&folder)?) & OTHERS_WRITE != 0;
        Ok(Place {
            path: folder.join(name),
            is_shared,
        })
    }

    /// The file's path, every symbolic link to its folder followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file beside it whose name has this at its end.
    pub fn beside(&self, ending: &str) -> Place {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        Place {
            path: PathBuf::from(name),
            is_shared: self.is_shared,
        }
    }

    /// Opens the file to read it, if it is there. Nothing of it is changed.
    pub fn read(&self) -> Result<Option<File>, FileError> {
        match self.open(OpenOptions::new().read(true)) {
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Opens the file, which is made if it is not there, to read it and to write at its end; no other process can until
    /// it is closed. Nothing of one that is there is changed.
    pub fn lock(&self) -> Result<File, FileError> {
        let file = self.open(OpenOptions::new().create(true).read(true).append(true))?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => FileError::InUse,
            fs::TryLockError::Error(error) => FileError::Io(error),
        })?;
        Ok(file)
    }

    /// Keeps others from a file that was opened here, once what is in it shows that it is ours.
    pub fn hide(&self, file: &File) -> Result<(), FileError> {
        let mode = mode(&file.metadata()?);
        if mode & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(PRIVATE))?;
            log::warn!(
                "{} was open to others (mode {:o}) and now is to its owner alone",
                self.path.display(),
                mode & 0o777
            );
        }
        Ok(())
    }

    /// Puts a new file in its place, of these parts, which is there whole or not at all, and on the disk when this
    /// returns.
    ///
    /// # Errors
    /// See [`FileError`]; what was there before is there still.
    pub fn replace(&self, parts: &[&[u8]], mode: u32) -> Result<(), FileError> {
        self.replace_with(parts, mode, |_| Ok(()))
    }

    /// The same. Before it takes its place `ready` has the new file, to write behind what is on the disk of it.
    ///
    /// # Errors
    /// See [`FileError`]; what was there before is there still.
    pub fn replace_with(
        &self,
        parts: &[&[u8]],
        mode: u32,
        ready: impl FnOnce(File) -> io::Result<()>,
    ) -> Result<(), FileError> {
        match fs::symlink_metadata(&self.path) {
            Ok(there) => self.judge_kind(&there)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let (new, mut file) = self.make(".new", mode)?;
        let write = || {
            for part in parts {
                system::write_all(&mut file, part)?;
            }
            system::sync(&file)?;
            ready(file)?;
            system::rename(&new, &self.path)?;
            system::sync_folder(self.path.parent().unwrap_or(Path::new("/")))
        };
        write().map_err(|error| {
            // Where there is no room it is in the way. It may have got its name already.
            let _ = fs::remove_file(&new);
            error.into()
        })
    }

    fn open(&self, options: &mut OpenOptions) -> Result<File, FileError> {
        // Before it is opened, which on a device or a pipe may have an effect.
        if let Ok(there) = fs::symlink_metadata(&self.path) {
            self.judge(&there)?;
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = options
            .mode(PRIVATE)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path)?;
        // And after: by now it may be another.
        self.judge(&file.metadata()?)?;
        Ok(file)
    }

    fn judge(&self, there: &Metadata) -> Result<(), FileError> {
        self.judge_kind(there)?;
        if there.nlink() > 1 {
            return Err(FileError::HardLinks(there.nlink()));
        }
        if self.is_shared && there.uid() != self.own_uid()? {
            return Err(FileError::Foreign);
        }
        Ok(())
    }

    /// Whose a file is that we make there.
    fn own_uid(&self) -> io::Result<u32> {
        let (path, file) = self.make(".uid", PRIVATE)?;
        fs::remove_file(path)?;
        Ok(file.metadata()?.uid())
    }

    /// Makes a file beside it, and its path. One that was left by a crash, or put there by somebody, is not written into.
    fn make(&self, ending: &str, mode: u32) -> io::Result<(PathBuf, File)> {
        let path = self.beside(ending).path;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?;
        Ok((path, file))
    }

    fn judge_kind(&self, there: &Metadata) -> Result<(), FileError> {
        let kind = there.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(&self.path)?;
            Err(FileError::Symlink(target))
        } else if kind.is_dir() {
            Err(FileError::Folder)
        } else if kind.is_file() {
            Ok(())
        } else {
            Err(FileError::Special)
        }
    }
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use test_support::command::Folder;
    use test_support::contains;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// What every way to open or write a file says of it.
    fn sentences(path: &Path) -> [String; 3] {
        let place = Place::of(path).unwrap();
        let said = |result: Result<(), FileError>| {
            result.map_or_else(|it| it.to_string(), |()| String::new())
        };
        [
            said(place.read().map(drop)),
            said(place.lock().map(drop)),
            said(place.replace(&[b"new"], PRIVATE)),
        ]
    }

    #[test]
    fn what_is_no_plain_file_of_ours_is_neither_read_nor_written() {
        let folder = Folder::new();
        let file = folder.write("file", "mine");
        chmod(&file, 0o600);
        for (name, words) in [
            ("link", "symbolic link"),
            ("dangling", "symbolic link"),
            ("folder", "is a folder"),
            ("socket", "a pipe, a socket"),
        ] {
            let path = folder.join(name);
            match name {
                "link" => symlink(&file, &path).unwrap(),
                "dangling" => symlink(folder.join("nowhere"), &path).unwrap(),
                "folder" => fs::create_dir(&path).unwrap(),
                _ => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            }
            for sentence in sentences(&path) {
                assert!(sentence.contains(words), "{name}: {sentence}");
            }
        }
        for sentence in sentences(Path::new("/dev/null")) {
            contains(&sentence, &["a device"]);
        }
        assert!(!folder.join("nowhere").exists());
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = Folder::new();
        for sentence in sentences(&folder.pipe("pipe")) {
            contains(&sentence, &["is a pipe"]);
        }
    }

    #[test]
    fn a_file_with_two_names_is_refused_and_one_in_use_as_well() {
        let folder = Folder::new();
        let (one, two) = (folder.join("one"), folder.join("two"));
        let lock = Place::of(&one).unwrap().lock().unwrap();
        let again = Place::of(&one).unwrap().lock();
        assert!(matches!(again, Err(FileError::InUse)));
        drop(lock);
        fs::hard_link(&one, &two).unwrap();
        for path in [&one, &two] {
            let place = Place::of(path).unwrap();
            assert!(matches!(place.read(), Err(FileError::HardLinks(2))));
            assert!(matches!(place.lock(), Err(FileError::HardLinks(2))));
        }
    }

    #[test]
    fn what_somebody_else_has_put_into_a_shared_folder_is_refused() {
        let folder = Folder::new();
        let file = folder.write("file", "theirs");
        // Only root can give it to somebody, and everybody's folder is root's.
        let is_theirs = std::os::unix::fs::chown(&file, Some(65_534), None).is_ok();
        for (mode, is_shared) in [(0o1777, true), (0o755, false)] {
            chmod(&folder, mode);
            let place = Place::of(&file).unwrap();
            for opened in [place.read().map(drop), place.lock().map(drop)] {
                let is_refused = matches!(opened, Err(FileError::Foreign));
                assert_eq!(is_refused, is_theirs && is_shared);
            }
        }
    }

    #[test]
    fn one_file_has_one_place_whatever_link_leads_to_its_folder() {
        let folder = Folder::new();
        let (real, link) = (folder.join("real"), folder.join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        let [real, link] = [real, link].map(|it| Place::of(&it.join("state")).unwrap());
        assert_eq!(real.path(), link.path());
        let _lock = real.beside(".lock").lock().unwrap();
        assert!(matches!(link.beside(".lock").lock(), Err(FileError::InUse)));
    }

    #[test]
    fn only_the_owner_may_read_what_is_written_whatever_was_there() {
        let folder = Folder::new();
        let file = folder.join("file");
        let place = Place::of(&file).unwrap();
        drop(place.lock().unwrap());
        let mode = || folder.mode("file");
        assert_eq!(mode(), 0o600);
        for open in [
            |place: &Place| place.read().unwrap().unwrap(),
            |place: &Place| place.lock().unwrap(),
        ] {
            chmod(&file, 0o664);
            // Not before it is known whose it is.
            let opened = open(&place);
            assert_eq!(mode(), 0o664);
            place.hide(&opened).unwrap();
            assert_eq!(mode(), 0o600);
        }
        // Somebody's file is where the new one is written first: it is not written into.
        let new = folder.write("file.new", "old");
        chmod(&new, 0o666);
        fs::hard_link(&new, folder.join("kept")).unwrap();
        chmod(&file, 0o664);
        place.replace(&[b"new"], PRIVATE).unwrap();
        assert_eq!((mode(), folder.read("file")), (0o600, b"new".to_vec()));
        assert_eq!(folder.read("kept"), b"old");
        assert!(!new.exists());
    }

    #[test]
    fn a_folder_that_everybody_may_write_into_is_refused_unless_it_is_sticky() {
        let folder = Folder::new();
        let inner = folder.join("inner");
        fs::create_dir(&inner).unwrap();
        for open in [&*folder, &inner] {
            chmod(open, 0o777);
            let error = Place::of(&inner.join("file")).unwrap_err().to_string();
            contains(&error, &["chmod o-w", open.to_str().unwrap()]);
            chmod(open, 0o1777);
            assert!(Place::of(&inner.join("file")).is_ok());
            chmod(open, 0o755);
        }
    }
}
