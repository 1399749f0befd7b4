//! A family of files: what they are called, and the link to the open one.

use std::path::{Path, PathBuf};

use crate::file_name::{FileName, Format};

/// The identity and the options of a family of files.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    pub(crate) errors: bool,
    pub(crate) format: Format,
    pub(crate) max_file_bytes: u64,
    pub(crate) symlink: bool,
}

impl Family {
    /// Whether a file name belongs to this family.
    pub(crate) fn owns(&self, name: &FileName) -> bool {
        name.family == self.name && name.errors == self.errors
    }

    /// The link to the open file, and the temporary name under which it is created.
    pub(crate) fn links(&self) -> [PathBuf; 2] {
        let errors = if self.errors { ".error" } else { "" };
        ["", ".tmp"].map(|end| self.dir.join(format!("{}{errors}.current{end}", self.name)))
    }

    /// Removes links to a file that no longer exists.
    pub(crate) fn drop_links_to(&self, file: &Path) {
        for link in self.links() {
            let leads_there = |to: PathBuf| Some(to.as_os_str()) == file.file_name();
            if std::fs::read_link(&link).is_ok_and(leads_there) && !file.exists() {
                let _ = std::fs::remove_file(link);
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn point_link_at(&self, file: &Path) {
        if !self.symlink {
            return;
        }
        // The link is a convenience, so errors are ignored.
        if let Some(name) = file.file_name() {
            let [link, fresh] = self.links();
            // An existing file or directory with that name is not ours and is kept.
            let is_free = |path: &Path| {
                let held = path.symlink_metadata();
                held.map_or(true, |held| held.is_symlink())
            };
            if !is_free(&link) || !is_free(&fresh) {
                return;
            }
            let _ = std::fs::remove_file(&fresh);
            let _ = std::os::unix::fs::symlink(name, &fresh)
                .and_then(|()| std::fs::rename(&fresh, &link));
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn point_link_at(&self, _file: &Path) {}
}
