//! A function's deployment package, as cargo lambda builds it: a zip with the binary `bootstrap`.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zip::ZipArchive;

const PACKAGE: &str = "bootstrap.zip";
const BINARY: &str = "bootstrap";

/// A package, with its binary unpacked.
#[derive(Debug)]
pub struct Package {
    pub zip_bytes: u64,
    pub binary_bytes: u64,
    folder: TempDir,
}

/// Where the package of a function is, below the folder that cargo lambda writes to.
pub fn path(folder: &Path, function: &str) -> PathBuf {
    folder.join(function).join(PACKAGE)
}

impl Package {
    pub fn unpack(path: &Path) -> Result<Self, String> {
        let unreadable = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
        let package = File::open(path).map_err(|error| unreadable(&error))?;
        let zip_bytes = package.metadata().map_err(|error| unreadable(&error))?.len();
        let mut archive = ZipArchive::new(package).map_err(|error| unreadable(&error))?;
        let mut packed = archive.by_name(BINARY).map_err(|error| unreadable(&error))?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut binary = File::create(folder.path().join(BINARY)).map_err(|error| error.to_string())?;
        let binary_bytes = std::io::copy(&mut packed, &mut binary).map_err(|error| unreadable(&error))?;
        binary.set_permissions(Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
        Ok(Self { zip_bytes, binary_bytes, folder })
    }

    pub fn binary(&self) -> PathBuf {
        self.folder.path().join(BINARY)
    }
}
