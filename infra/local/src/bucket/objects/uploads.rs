//! Multipart uploads: a folder for each, with a file for each part and one that says what it is going to be.
//! The object appears when the upload is completed, whole; until then whoever reads sees what was there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Head, Key, Objects, UPLOADS, digits, etag, if_there};
use crate::bucket::Refusal;

/// S3's smallest part, in bytes, which the last one may undercut.
const PART_MIN_BYTES: usize = 5 * 1024 * 1024;
/// S3's highest number of a part.
const PARTS_MAX: u16 = 10_000;
/// The file that says what an upload is going to be.
const ABOUT: &str = "about.json";

/// A part as a completion lists it.
#[derive(Debug)]
pub struct Part {
    /// Its place, from 1.
    pub number: u16,
    /// What its upload was answered with.
    pub etag: String,
}

#[derive(Serialize, Deserialize)]
struct About {
    key: Key,
    content_type: String,
}

impl Objects {
    /// Begins an upload and returns its id.
    ///
    /// # Errors
    /// As the file system's.
    pub fn create_upload(&self, key: &Key, content_type: &str) -> io::Result<String> {
        let id = format!("{:032x}", fastrand::u128(..));
        let about = serde_json::to_vec(&About { key: key.clone(), content_type: content_type.to_owned() })?;
        let folder = self.folder.join(UPLOADS).join(&id);
        fs::create_dir(&folder)?;
        self.write(&folder.join(ABOUT), |file| file.write_all(&about))?;
        Ok(id)
    }

    /// Puts a part in place of what stands under its number, and returns its entity tag.
    ///
    /// # Errors
    /// When there is no such upload, the number is out of bounds, and as the file system's.
    pub fn put_part(&self, key: &Key, id: &str, number: &str, bytes: &[u8]) -> Result<String, Refusal> {
        let (folder, _) = self.upload(key, id)?;
        let number = number.parse::<u16>().ok().filter(|given| (1..=PARTS_MAX).contains(given));
        let number = number.ok_or_else(|| {
            Refusal::invalid_argument("Part number must be an integer between 1 and 10000, inclusive.")
        })?;
        self.write(&part_file(&folder, number), |file| file.write_all(bytes))?;
        Ok(etag(bytes))
    }

    /// Makes the object of the listed parts, and returns its entity tag.
    ///
    /// # Errors
    /// When there is no such upload, a part is not there or too small, they are out of order, and as the file
    /// system's.
    pub fn complete_upload(&self, key: &Key, id: &str, parts: &[Part]) -> Result<String, Refusal> {
        let (folder, about) = self.upload(key, id)?;
        if !parts.is_sorted_by(|one, next| one.number < next.number) {
            let message = "The list of parts was not in ascending order.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidPartOrder", message));
        }
        let mut etags = String::new();
        for (place, part) in parts.iter().enumerate() {
            let bytes = if_there(fs::read(part_file(&folder, part.number)))?;
            let bytes = bytes.filter(|bytes| etag(bytes).trim_matches('"') == part.etag.trim_matches('"'));
            let bytes = bytes.ok_or_else(|| {
                let message = "One or more of the specified parts could not be found.";
                Refusal::new(StatusCode::BAD_REQUEST, "InvalidPart", message)
            })?;
            if bytes.len() < PART_MIN_BYTES && place + 1 < parts.len() {
                let message = "Your proposed upload is smaller than the minimum allowed size";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "EntityTooSmall", message));
            }
            etags.push_str(&part.etag);
        }
        let etag = format!("\"{}-{}\"", digits(etags.as_bytes()), parts.len());
        let head = Head { key: about.key, content_type: about.content_type, etag };
        self.write_object(&head, |file| {
            for part in parts {
                io::copy(&mut File::open(part_file(&folder, part.number))?, file)?;
            }
            Ok(())
        })?;
        fs::remove_dir_all(&folder)?;
        Ok(head.etag)
    }

    /// Forgets an upload and its parts.
    ///
    /// # Errors
    /// When there is no such upload, and as the file system's.
    pub fn abort_upload(&self, key: &Key, id: &str) -> Result<(), Refusal> {
        let (folder, _) = self.upload(key, id)?;
        Ok(fs::remove_dir_all(folder)?)
    }

    /// The folder of an upload to this key, and what it is going to be.
    fn upload(&self, key: &Key, id: &str) -> Result<(PathBuf, About), Refusal> {
        let none = || Refusal::new(StatusCode::NOT_FOUND, "NoSuchUpload", "The upload ID may be invalid.");
        // An id becomes a name in the file system, so it is none but those that were given.
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none());
        }
        let folder = self.folder.join(UPLOADS).join(id);
        let about = if_there(fs::read(folder.join(ABOUT)))?.ok_or_else(none)?;
        let about: About = serde_json::from_slice(&about).map_err(io::Error::from)?;
        if about.key == *key { Ok((folder, about)) } else { Err(none()) }
    }
}

fn part_file(folder: &Path, number: u16) -> PathBuf {
    folder.join(format!("{number:05}"))
}
