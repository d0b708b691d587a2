//! A file that is replaced as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::NamedTempFile;

use crate::error::CommandError;

/// A file being written. Until [`FileToBe::commit`], what was there before stays; if that is never
/// called, nothing of it remains.
pub(crate) struct FileToBe {
    path: PathBuf,
    writer: Packing,
}

enum Packing {
    Plain(BufWriter<Place>),
    Gzip(GzEncoder<BufWriter<Place>>),
}

enum Place {
    /// A new file beside the one it replaces.
    Beside { new: NamedTempFile, target: PathBuf },
    /// A pipe or a device, which can't be replaced.
    Into(File),
}

impl FileToBe {
    /// Begins a file at `path`, gzipped if its name ends in `.gz`.
    pub(crate) fn create(path: &Path) -> Result<Self, CommandError> {
        let place =
            place(path).map_err(|error| CommandError::Save { file: path.to_owned(), error })?;
        let buffer = BufWriter::new(place);
        let packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let writer = if packed {
            Packing::Gzip(GzEncoder::new(buffer, Compression::default()))
        } else {
            Packing::Plain(buffer)
        };
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Writes a value as a line of JSON.
    pub(crate) fn write_json_line<T: serde::Serialize>(
        &mut self,
        value: &T,
    ) -> Result<(), CommandError> {
        // As a whole: an encoder takes as long for a byte as for a line.
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Writes these bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        let written = match &mut self.writer {
            Packing::Plain(writer) => writer.write_all(bytes),
            Packing::Gzip(writer) => writer.write_all(bytes),
        };
        written.map_err(|error| CommandError::Save { file: self.path.clone(), error })
    }

    /// Where it is going to be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file in its place.
    pub(crate) fn commit(self) -> Result<(), CommandError> {
        let Self { path, writer } = self;
        let finish = || -> io::Result<()> {
            let buffer = match writer {
                Packing::Plain(buffer) => buffer,
                Packing::Gzip(encoder) => encoder.finish()?,
            };
            match buffer.into_inner().map_err(io::IntoInnerError::into_error)? {
                Place::Beside { new, target } => {
                    new.as_file().sync_all()?;
                    new.persist(target)?;
                }
                Place::Into(mut file) => file.flush()?,
            }
            Ok(())
        };
        finish().map_err(|error| CommandError::Save { file: path, error })
    }
}

fn place(path: &Path) -> io::Result<Place> {
    let present = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => {
            return Ok(Place::Into(OpenOptions::new().write(true).open(path)?));
        }
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // A link stays a link, and the file that it points at is replaced.
    let target = if present.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".trimtab-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let new = builder.tempfile_in(directory)?;
    if let Some(permissions) = present {
        new.as_file().set_permissions(permissions)?;
    }
    Ok(Place::Beside { new, target })
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside { new, .. } => new.write(bytes),
            Self::Into(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside { new, .. } => new.flush(),
            Self::Into(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_never_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        fs::write(&path, "before").unwrap();
        let mut file = FileToBe::create(&path).unwrap();
        file.write_json_line(&1).unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

        let mut file = FileToBe::create(&path).unwrap();
        file.write_json_line(&2).unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut new = FileToBe::create(&link).unwrap();
        new.write_json_line(&"after").unwrap();
        new.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "\"after\"\n");

        FileToBe::create(Path::new("/dev/null")).unwrap().commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(FileToBe::create(directory.path()).is_err());
    }
}
