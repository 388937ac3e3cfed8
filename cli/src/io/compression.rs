//! Knows compressed streams by their first bytes, never by a name, and decompresses them with bounded memory.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::byte_order_mark::in_utf8;

/// A file may ask for a window of this size, in bytes, no more.
const WINDOW_MAX_BYTES: u64 = 64 << 20;
/// As many bytes of compressed input are read at once.
const READ_BYTES: usize = 128 * 1024;

/// How something is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// zlib, which HTTP calls deflate.
    Zlib,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
}

/// How a stream begins: the least and the greatest that each byte may be.
struct Magic(Compression, &'static [u8], &'static [u8]);

const MAGICS: [Magic; 5] = [
    Magic::exactly(Compression::Gzip, b"\x1f\x8b"),
    Magic::exactly(Compression::Zstd, b"\x28\xb5\x2f\xfd"),
    // A frame that decoders pass over: parallel compressors begin with one.
    Magic(Compression::Zstd, b"\x50\x2a\x4d\x18", b"\x5f\x2a\x4d\x18"),
    Magic::exactly(Compression::Xz, b"\xfd7zXZ\0"),
    // With the mark of the first block, for a text could begin with the first four bytes; the fourth is a digit.
    Magic(Compression::Bzip2, b"BZh\x001AY&SY", b"BZh\xff1AY&SY"),
];
/// The first of them begin as no text in UTF-8 does, and HTTP has words for them.
const TOLD_FROM_TEXT: usize = 2;

impl Magic {
    const fn exactly(compression: Compression, bytes: &'static [u8]) -> Magic {
        Magic(compression, bytes, bytes)
    }

    /// Whether it and `begin` are the same as far as both go.
    fn fits(&self, begin: &[u8]) -> bool {
        let bounds = self.1.iter().zip(self.2);
        begin
            .iter()
            .zip(bounds)
            .all(|(byte, (least, greatest))| (least..=greatest).contains(&byte))
    }
}

impl Compression {
    /// How a text is compressed that begins so, and what HTTP calls that.
    pub fn of_text(begin: &[u8]) -> Option<&'static str> {
        let mut told = MAGICS.iter().take(TOLD_FROM_TEXT);
        let found = told.find(|magic| begin.len() >= magic.1.len() && magic.fits(begin));
        found.map(|magic| match magic.0 {
            Compression::Gzip => "gzip",
            _ => "zstd",
        })
    }

    /// Decompresses a stream, all parts of it that are one behind the other. It is an error if it asks for a window of
    /// more than `window_max_bytes`.
    pub fn decoder<'a>(
        self,
        stream: impl BufRead + Send + 'a,
        window_max_bytes: u64,
    ) -> Box<dyn Read + Send + 'a> {
        match self {
            Compression::Gzip => Box::new(MultiGzDecoder::new(stream)),
            Compression::Zlib => Box::new(ZlibDecoder::new(stream)),
            Compression::Zstd => Box::new(ZstdFrames::new(stream, window_max_bytes)),
            Compression::Xz => {
                let limit_kib = u32::try_from(window_max_bytes / 1024 + 1024).unwrap_or(u32::MAX);
                let reader = lzma_rust2::XzReader::new_mem_limit(stream, true, limit_kib);
                Box::new(reader)
            }
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(stream)),
        }
    }
}

/// What a stream holds, decompressed if it is compressed, and in UTF-8 ([`in_utf8`]).
pub fn decompressed<R: Read + Send + 'static>(mut stream: R) -> io::Result<Box<dyn Read + Send>> {
    // No more than it takes to tell: a live stream may wait for an answer to its first few bytes.
    let mut begin = Vec::new();
    let goes_on = |begin: &[u8]| {
        let mut longer = MAGICS.iter().filter(|magic| magic.1.len() > begin.len());
        longer.any(|magic| magic.fits(begin))
    };
    while goes_on(&begin) {
        if stream.by_ref().take(1).read_to_end(&mut begin)? == 0 {
            break;
        }
    }
    let mut whole = MAGICS.iter().filter(|it| it.1.len() == begin.len());
    let found = whole.find(|magic| magic.fits(&begin)).map(|magic| magic.0);
    let stream = Cursor::new(begin).chain(stream);
    Ok(match found {
        Some(compression) => {
            let stream = BufReader::with_capacity(READ_BYTES, stream);
            let plain = compression.decoder(stream, WINDOW_MAX_BYTES);
            in_utf8(plain)?
        }
        None => in_utf8(stream)?,
    })
}

/// Zstandard files are frames one after the other (`zstd a b`, parallel compressors); the decoder reads one.
struct ZstdFrames<R> {
    reader: R,
    decoder: FrameDecoder,
    within_frame: bool,
}
impl<R: BufRead> ZstdFrames<R> {
    /// Frames whose windows are no larger than `window_max_bytes`.
    fn new(reader: R, window_max_bytes: u64) -> ZstdFrames<R> {
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
