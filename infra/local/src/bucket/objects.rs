//! Objects as files. Each is one file: a line of JSON that says what it is, then its bytes. The file's name
//! is a digest of the key, so that no key leads out of the folder, and `a` and `a/b` can both be objects.
//!
//! Invariant: a file gets its name when it is whole, so nobody reads half an object.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use http::StatusCode;
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempDir};

use super::Refusal;
use super::signature::hexadecimal;

pub use self::uploads::Part;

mod uploads;

/// S3's longest key, in bytes.
const KEY_MAX_BYTES: usize = 1024;
const OBJECTS: &str = "objects";
const UPLOADS: &str = "uploads";

/// The key of an object: segments between slashes, none of which is empty or means another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// # Errors
    /// What is wrong with it, in S3's words.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > KEY_MAX_BYTES {
            let status = StatusCode::BAD_REQUEST;
            return Err(Refusal::new(status, "KeyTooLongError", "Your key is too long."));
        }
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        if text.contains(['\0', '\\']) || !text.split('/').all(is_segment) {
            return Err(Refusal::invalid_argument("The key has a segment that is not taken here."));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key in an address.
    ///
    /// # Errors
    /// As those of [`Key::parse`].
    pub fn of_path(path: &str) -> Result<Self, Refusal> {
        let decoded = percent_decode_str(path).decode_utf8();
        Self::parse(&decoded.map_err(|_| Refusal::invalid_argument("The key is not UTF-8."))?)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An object as it stands.
#[derive(Debug)]
pub struct Object {
    /// What it was put as.
    pub content_type: String,
    /// In its quotes.
    pub etag: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What an object's file begins with.
#[derive(Serialize, Deserialize)]
struct Head {
    key: Key,
    content_type: String,
    etag: String,
}

/// All objects and unfinished uploads.
#[derive(Debug)]
pub struct Objects {
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Objects {
    /// In `folder`, or in a temporary one that goes with this.
    ///
    /// # Errors
    /// As the file system's.
    pub fn open(folder: Option<&Path>) -> io::Result<Self> {
        let (folder, temporary) = match folder {
            Some(folder) => (folder.to_owned(), None),
            None => {
                let temporary = tempfile::tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        fs::create_dir_all(folder.join(OBJECTS))?;
        fs::create_dir_all(folder.join(UPLOADS))?;
        Ok(Self { folder, _temporary: temporary })
    }

    /// Puts an object in place of what stands under its key, and returns its entity tag.
    ///
    /// # Errors
    /// As the file system's.
    pub fn put(&self, key: &Key, content_type: &str, bytes: &[u8]) -> io::Result<String> {
        let head = Head { key: key.clone(), content_type: content_type.to_owned(), etag: etag(bytes) };
        self.write_object(&head, |file| file.write_all(bytes))?;
        Ok(head.etag)
    }

    /// # Errors
    /// As the file system's.
    pub fn get(&self, key: &Key) -> io::Result<Option<Object>> {
        let Some(mut bytes) = if_there(fs::read(self.file(key)))? else { return Ok(None) };
        let line = bytes.iter().position(|byte| *byte == b'\n').ok_or(io::ErrorKind::InvalidData)?;
        let head: Head = serde_json::from_slice(&bytes[..line])?;
        bytes.drain(..=line);
        Ok(Some(Object { content_type: head.content_type, etag: head.etag, bytes }))
    }

    /// Deletes an object, if there is one.
    ///
    /// # Errors
    /// As the file system's.
    pub fn delete(&self, key: &Key) -> io::Result<()> {
        if_there(fs::remove_file(self.file(key))).map(drop)
    }

    /// All keys, sorted.
    ///
    /// # Errors
    /// As the file system's.
    pub fn keys(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(self.folder.join(OBJECTS))? {
            // Another may delete it meanwhile.
            let Some(file) = if_there(File::open(entry?.path()))? else { continue };
            let mut line = Vec::new();
            BufReader::new(file).read_until(b'\n', &mut line)?;
            let head: Head = serde_json::from_slice(&line)?;
            keys.push(head.key.0);
        }
        keys.sort();
        Ok(keys)
    }

    fn file(&self, key: &Key) -> PathBuf {
        let name = hexadecimal(digest(&SHA256, key.0.as_bytes()).as_ref());
        self.folder.join(OBJECTS).join(name)
    }

    fn write_object(&self, head: &Head, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let line = serde_json::to_string(head)?;
        self.write(&self.file(&head.key), |file| {
            writeln!(file, "{line}")?;
            fill(file)
        })
    }

    /// Writes a file beside its place and moves it there when it is whole.
    fn write(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        fill(file.as_file_mut())?;
        file.persist(path)?;
        Ok(())
    }
}

/// What a file gives, or nothing when it is not there.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The entity tag of bytes, in its quotes.
fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", digits(bytes))
}

/// The first 32 digits of a digest, as long as S3's.
fn digits(bytes: &[u8]) -> String {
    hexadecimal(&digest(&SHA256, bytes).as_ref()[..16])
}
