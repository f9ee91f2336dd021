//! The directories in which trials may read existing files. The kernel resolves the rest of a path beneath them
//! (openat2), so that neither symbolic links nor `..` nor magic links such as those of /proc lead out of them.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use proto::refusal::{Refusal, TargetRefusal};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open, openat2},
    io::Errno,
};

/// Where existing files may be read. Nowhere by default.
#[derive(Debug, Default)]
pub struct AllowedPaths {
    dirs: Vec<Dir>,
    of_user: bool,
}

/// A directory that stays the same even if its path is renamed.
#[derive(Debug)]
struct Dir {
    /// As it was named, and without symbolic links.
    names: [PathBuf; 2],
    fd: OwnedFd,
}

impl AllowedPaths {
    /// Every file that this process may read: for the agent of a user who is its only client.
    #[must_use]
    pub fn of_user() -> Self {
        Self { dirs: Vec::new(), of_user: true }
    }

    /// Files below these directories.
    ///
    /// # Errors
    /// A path is not a directory, or cannot be opened; it is returned with the error.
    pub fn below(paths: &[PathBuf]) -> Result<Self, (PathBuf, io::Error)> {
        let dir = |path: &PathBuf| {
            let real = fs::canonicalize(path)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = open(&real, flags, Mode::empty())?;
            Ok(Dir { names: [std::path::absolute(path)?, real], fd })
        };
        let named = |path: &PathBuf| dir(path).map_err(|error| (path.clone(), error));
        Ok(Self { dirs: paths.iter().map(named).collect::<Result<_, _>>()?, of_user: false })
    }

    /// Finds a file without opening it (`O_PATH`). A relative path begins at the first directory.
    ///
    /// # Errors
    /// `Err(None)` if the path is not allowed, which says nothing about what exists there.
    pub(super) fn find(&self, path: &Path) -> Result<OwnedFd, Option<Errno>> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        if self.of_user {
            return open(path, flags, Mode::empty()).map_err(Some);
        }
        let (dir, rest) = self.dir_of(path).ok_or(None)?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
        openat2(&dir.fd, rest, flags, Mode::empty(), resolve).map_err(|errno| match errno {
            Errno::XDEV | Errno::LOOP => None,
            errno => Some(errno),
        })
    }

    fn dir_of<'a>(&self, path: &'a Path) -> Option<(&Dir, &'a Path)> {
        if path.is_relative() {
            return self.dirs.first().map(|dir| (dir, path));
        }
        let below = |dir| move |name: &PathBuf| path.strip_prefix(name).ok().map(|rest| (dir, rest));
        self.dirs.iter().find_map(|dir| dir.names.iter().find_map(below(dir)))
    }

    /// The refusal of a path that is not allowed.
    pub(super) fn refusal(&self, path: &str) -> Refusal {
        let allowed = self.dirs.iter().map(|dir| dir.names[0].display().to_string()).collect();
        TargetRefusal::PathNotAllowed { path: path.to_owned(), allowed }.into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_leads_out_of_the_directories() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for dir in ["in", "in/sub", "out"] {
            fs::create_dir(at(dir)).unwrap();
        }
        for file in ["in/data", "in/sub/data", "out/secret"] {
            fs::write(at(file), "x").unwrap();
        }
        symlink("../out/secret", at("in/relative")).unwrap();
        symlink(at("out/secret"), at("in/absolute")).unwrap();
        symlink("/proc/self/root", at("in/magic")).unwrap();
        symlink("sub/data", at("in/inner")).unwrap();
        symlink("in", at("alias")).unwrap();
        let allowed = AllowedPaths::below(&[at("alias")]).unwrap();
        let found = |name: &str| allowed.find(&at(name)).map(drop);
        for name in ["in/data", "alias/data", "in/sub/data", "in/inner", "in/sub/../data", "in"] {
            assert_eq!(found(name), Ok(()), "{name}");
        }
        assert_eq!(allowed.find(Path::new("sub/data")).map(drop), Ok(()));
        for name in [
            "in/relative",
            "in/absolute",
            "in/magic",
            "in/magic/etc/passwd",
            "in/../out/secret",
            "out/secret",
            "out/missing",
            "in/../missing",
        ] {
            assert_eq!(found(name), Err(None), "{name}");
        }
        for path in ["/etc/passwd", "/proc/self/exe", "../out/secret", "/"] {
            assert_eq!(allowed.find(Path::new(path)).map(drop), Err(None), "{path}");
        }
        assert_eq!(found("in/missing"), Err(Some(Errno::NOENT)));
        assert_eq!(AllowedPaths::default().find(&at("in/data")).map(drop), Err(None));
        assert_eq!(AllowedPaths::of_user().find(&at("out/secret")).map(drop), Ok(()));
        // A directory that is replaced by a link does not move the permission.
        fs::rename(at("in"), at("moved")).unwrap();
        symlink("out", at("in")).unwrap();
        assert_eq!(found("in/secret"), Err(Some(Errno::NOENT)));
        assert_eq!(found("in/data"), Ok(()));
        assert!(AllowedPaths::below(&[at("moved/data")]).is_err());
    }
}
