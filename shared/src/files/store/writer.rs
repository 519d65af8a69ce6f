//! Objects that are written bit by bit: small ones in one request, larger ones as a multipart upload. Nobody sees
//! one that is not whole. What was begun and never completed goes by the bucket's lifecycle.

use bytes::Bytes;
use rusty_s3::actions::CreateMultipartUpload;

use super::{ANSWER_MAX_BYTES, Failure, Files};
use crate::error::{Error, Result};

/// How much is sent at a time: S3 takes no less than 5 MiB, but at the end.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// An object that is being written.
#[derive(Debug)]
pub struct Writer<'a> {
    files: &'a Files,
    key: String,
    buffer: Vec<u8>,
    /// Once there is more than one part.
    upload_id: Option<String>,
    etags: Vec<String>,
    bytes: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(files: &'a Files, key: String) -> Self {
        Self { files, key, buffer: Vec::new(), upload_id: None, etags: Vec::new(), bytes: 0 }
    }

    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while self.buffer.len() + rest.len() > PART_BYTES {
            let (now, later) = rest.split_at(PART_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(now);
            self.send_part().await?;
            rest = later;
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    /// How much was written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the object whole, in the place of one that is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn finish(mut self) -> Result<()> {
        if self.upload_id.is_none() {
            return self.files.put(&self.key, Bytes::from(self.buffer)).await;
        }
        self.send_part().await?;
        let Self { files, key, upload_id, etags, .. } = self;
        let upload_id = upload_id.unwrap_or_default();
        let complete = || {
            let tags = etags.iter().map(String::as_str);
            files.signer.bucket.complete_multipart_upload(
                Some(&files.signer.credentials),
                &key,
                &upload_id,
                tags,
            )
        };
        let body = Bytes::from(complete().body());
        match files.call(complete(), body, ANSWER_MAX_BYTES).await {
            // A failure may come with a status of 200.
            Ok(answer) if !is_error(&answer.body) => Ok(()),
            Ok(_) => Err(Error::Unavailable("the upload can't be completed".into())),
            // The answer to this very request may have been lost: then the object is there.
            Err(Failure::Missing) => Err(Error::Unavailable("the upload is gone".into())),
            Err(Failure::TooLarge) => Err(Error::Unavailable("the bucket's answer is too large".into())),
            Err(Failure::Unavailable(reason)) => Err(Error::Unavailable(reason.into())),
        }
    }

    async fn send_part(&mut self) -> Result<()> {
        let files = self.files;
        let upload_id = match &self.upload_id {
            Some(upload_id) => upload_id.clone(),
            None => {
                let create =
                    files.signer.bucket.create_multipart_upload(Some(&files.signer.credentials), &self.key);
                let answer = files.done(create, Bytes::new()).await?;
                let unreadable = || Error::Unavailable("the upload has no name".into());
                let text = std::str::from_utf8(&answer.body).map_err(|_| unreadable())?;
                let answer = CreateMultipartUpload::parse_response(text).map_err(|_| unreadable())?;
                self.upload_id.insert(answer.upload_id().to_owned()).clone()
            }
        };
        let number =
            u16::try_from(self.etags.len() + 1).map_err(|_| Error::internal("a file has too many parts"))?;
        let part =
            files.signer.bucket.upload_part(Some(&files.signer.credentials), &self.key, number, &upload_id);
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        let answer = files.done(part, bytes).await?;
        let etag = answer.etag.ok_or_else(|| Error::Unavailable("a part has no tag".into()))?;
        self.etags.push(etag);
        Ok(())
    }
}

fn is_error(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    !text.contains("CompleteMultipartUploadResult")
}
