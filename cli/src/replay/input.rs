//! Opening what is to be replayed: files and standard input, plain or compressed.
//!
//! How a file is compressed is told by its first bytes, never by its name: `mail.log.1` may be either.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// A compressed stream may ask for a window of this size, no more: memory stays bounded.
const WINDOW_MAX_BYTES: u64 = 64 << 20;
/// As many bytes of compressed input are read at once.
const READ_BYTES: usize = 128 * 1024;

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input, written `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// What is known of an input before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Its size as it lies there, 0 where that is unknown.
    pub size_bytes: u64,
    /// When it was last written, in ms since the Unix epoch.
    pub modified_ms: Option<i64>,
    /// A regular file: it can be opened again, and reading it never waits.
    pub regular: bool,
}

impl Input {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Input::Stdin => "standard input".to_string(),
            Input::File(path) => path.display().to_string(),
        }
    }

    /// `log.file.path` of its lines.
    pub fn path(&self) -> Option<String> {
        match self {
            Input::Stdin => None,
            Input::File(path) => Some(path.to_string_lossy().into_owned()),
        }
    }

    /// Looks at it without reading it.
    ///
    /// # Errors
    /// It is not there, or it is a folder.
    pub fn facts(&self) -> io::Result<Facts> {
        let Input::File(path) = self else {
            return Ok(Facts {
                size_bytes: 0,
                modified_ms: None,
                regular: false,
            });
        };
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a folder; name the files in it"));
        }
        let since_epoch = |time: SystemTime| {
            i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
        };
        Ok(Facts {
            size_bytes: if metadata.is_file() {
                metadata.len()
            } else {
                0
            },
            modified_ms: metadata.modified().ok().and_then(since_epoch),
            regular: metadata.is_file(),
        })
    }

    /// Opens it for reading what it holds, decompressed. `position` is moved on by every byte that is
    /// read as it lies there.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(&self, position: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Input::Stdin => decompressed(Counted {
                inner: io::stdin(),
                position,
            }),
            Input::File(path) => decompressed(Counted {
                inner: File::open(path)?,
                position,
            }),
        }
    }
}

/// Counts what passes, for the progress bar.
struct Counted<R> {
    inner: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// How compressed streams begin.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const XZ: &[u8] = b"\xfd7zXZ\0";
/// `BZh`, a digit, and the mark of the first block; a text could begin with the first four.
const BZIP2: &[u8] = b"BZh?\x31\x41\x59\x26\x53\x59";

/// How a text is compressed that begins so, in the words of HTTP: gzip or zstd, as no text in UTF-8 begins.
pub(crate) fn compression(begin: &[u8]) -> Option<&'static str> {
    let known = [(GZIP, "gzip"), (ZSTD, "zstd")];
    let found = known.iter().find(|(magic, _)| begin.starts_with(magic));
    found.map(|(_, name)| *name)
}

fn decompressed<R: Read + Send + 'static>(mut reader: R) -> io::Result<Box<dyn Read + Send>> {
    // No more than it takes to tell: a live stream may wait for an answer to its first few bytes.
    let mut magic = Vec::new();
    let could_be = |magic: &[u8], begin: &[u8]| {
        magic
            .iter()
            .zip(begin)
            .all(|(byte, wanted)| byte == wanted || *wanted == b'?')
            && magic.len() < begin.len()
    };
    while could_be(&magic, GZIP)
        || could_be(&magic, ZSTD)
        || could_be(&magic, XZ)
        || could_be(&magic, BZIP2)
        || could_be_skippable(&magic)
    {
        if reader.by_ref().take(1).read_to_end(&mut magic)? == 0 {
            break;
        }
    }
    let gzip = magic == GZIP;
    let zstd = magic == ZSTD || is_skippable(&magic);
    let xz = magic == XZ;
    let bzip2 = magic.len() == BZIP2.len();
    let whole = Cursor::new(magic).chain(reader);
    let plain: Box<dyn Read + Send> = if gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(
            BufReader::with_capacity(READ_BYTES, whole),
        ))
    } else if zstd {
        Box::new(ZstdFrames::new(
            BufReader::with_capacity(READ_BYTES, whole),
            WINDOW_MAX_BYTES,
        ))
    } else if xz {
        let limit_kib = u32::try_from(WINDOW_MAX_BYTES / 1024 + 1024).unwrap_or(u32::MAX);
        Box::new(lzma_rust2::XzReader::new_mem_limit(
            BufReader::with_capacity(READ_BYTES, whole),
            true,
            limit_kib,
        ))
    } else if bzip2 {
        Box::new(bzip2::bufread::MultiBzDecoder::new(
            BufReader::with_capacity(READ_BYTES, whole),
        ))
    } else {
        Box::new(whole)
    };
    without_mark(plain)
}

/// What some programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Drops a byte order mark before JSON, which would not be seen to be JSON behind it. Before text it stays, for
/// positions in a text file count, and the text is read all the same.
fn without_mark(mut reader: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    while start.len() <= BYTE_ORDER_MARK.len()
        && BYTE_ORDER_MARK
            .iter()
            .zip(&start)
            .all(|(mark, byte)| mark == byte)
    {
        if reader.by_ref().take(1).read_to_end(&mut start)? == 0 {
            break;
        }
    }
    if let Some(b"{") = start.strip_prefix(BYTE_ORDER_MARK) {
        start = b"{".to_vec();
    }
    Ok(Box::new(Cursor::new(start).chain(reader)))
}

/// A frame that decoders of zstd pass over: parallel compressors begin with one.
fn is_skippable(frame: &[u8]) -> bool {
    matches!(frame, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

fn could_be_skippable(magic: &[u8]) -> bool {
    matches!(
        magic,
        [0x50..=0x5f] | [0x50..=0x5f, 0x2a] | [0x50..=0x5f, 0x2a, 0x4d]
    )
}

/// Zstandard files are frames one after the other (`zstd a b`, parallel compressors); the decoder reads one.
pub(crate) struct ZstdFrames<R> {
    reader: R,
    decoder: FrameDecoder,
    within_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    /// Frames whose windows are no larger than `window_max_bytes`.
    pub(crate) fn new(reader: R, window_max_bytes: u64) -> ZstdFrames<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window_max_bytes);
        ZstdFrames {
            reader,
            decoder,
            within_frame: false,
        }
    }

    /// Starts with the next frame, past skippable ones; `false` at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.reader.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.reader) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(
                        &mut self.reader.by_ref().take(u64::from(length)),
                        &mut io::sink(),
                    )?;
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }
}

/// What the decoder says, in words: its own are for those who debug it.
fn damaged(error: FrameDecoderError) -> io::Error {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return io::Error::new(error.kind(), "a frame ends too early");
            }
            Some(error) => return io::Error::new(error.kind(), error.to_string()),
            None => cause = error.source(),
        }
    }
    let too_large = matches!(error, FrameDecoderError::WindowSizeTooBig { .. });
    let said = match too_large {
        true => error.to_string(),
        false => "a frame can't be decoded".to_string(),
    };
    io::Error::new(io::ErrorKind::InvalidData, said)
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within_frame && !self.next_frame()? {
                return Ok(0);
            }
            self.within_frame = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.reader, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(damaged)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.within_frame = false;
        }
    }
}
