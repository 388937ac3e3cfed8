//! Wraps what the guest needs of WASI preview 1, and exports what runs it.

/// A number by which WASI names what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

impl Errno {
    const AGAIN: Errno = Errno(6);
    const INTERRUPTED: Errno = Errno(27);
    const IO: Errno = Errno(29);
    /// Nobody reads what is written.
    pub const PIPE: Errno = Errno(64);
}

#[repr(C)]
struct Piece {
    address: *const u8,
    len: usize,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn args_sizes_get(count: *mut usize, bytes: *mut usize) -> u16;
    fn args_get(addresses: *mut usize, bytes: *mut u8) -> u16;
    fn clock_time_get(clock: u32, precision_ns: u64, time_ns: *mut u64) -> u16;
    fn fd_read(fd: u32, pieces: *const Piece, count: usize, read: *mut usize) -> u16;
    fn fd_write(fd: u32, pieces: *const Piece, count: usize, written: *mut usize) -> u16;
    fn fd_prestat_get(fd: u32, prestat: *mut [u32; 2]) -> u16;
    fn fd_prestat_dir_name(fd: u32, name: *mut u8, len: usize) -> u16;
    fn path_open(
        folder: u32,
        lookup: u32,
        path: *const u8,
        path_len: usize,
        open: u16,
        rights: u64,
        inherited: u64,
        flags: u16,
        fd: *mut u32,
    ) -> u16;
    fn proc_exit(code: u32) -> !;
}

fn result(errno: u16) -> Result<(), Errno> {
    if errno == 0 {
        Ok(())
    } else {
        Err(Errno(errno))
    }
}

/// The command line after the program's name; bytes that are no UTF-8 become U+FFFD.
pub fn arguments() -> Result<Vec<String>, Errno> {
    let (mut count, mut len) = (0, 0);
    // SAFETY: both numbers outlive the call.
    result(unsafe { args_sizes_get(&mut count, &mut len) })?;
    let (mut addresses, mut bytes) = (vec![0; count], vec![0; len]);
    // SAFETY: the host writes as many addresses and bytes as it said, and there is room for them.
    result(unsafe { args_get(addresses.as_mut_ptr(), bytes.as_mut_ptr()) })?;
    let texts = bytes.split(|&byte| byte == 0).take(count).skip(1);
    Ok(texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect())
}

/// The wall clock, in ms since the Unix epoch.
pub fn now_ms() -> Option<i64> {
    let mut time_ns = 0;
    // SAFETY: the number outlives the call. Clock 0 is the wall clock; a millisecond is precise enough.
    result(unsafe { clock_time_get(0, 1_000_000, &mut time_ns) }).ok()?;
    i64::try_from(time_ns / 1_000_000).ok()
}

/// Reads once; 0 is the end.
pub fn read(fd: u32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let piece = Piece {
        address: buffer.as_mut_ptr(),
        len: buffer.len(),
    };
    loop {
        let mut read = 0;
        // SAFETY: the piece is the buffer, which outlives the call.
        match result(unsafe { fd_read(fd, &piece, 1, &mut read) }) {
            Err(Errno::INTERRUPTED | Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
            Ok(()) => return Ok(read.min(buffer.len())),
        }
    }
}

/// Writes everything.
pub fn write(fd: u32, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let piece = Piece {
            address: bytes.as_ptr(),
            len: bytes.len(),
        };
        let mut written = 0;
        // SAFETY: the piece is what is left of the bytes, which outlive the call and are only read.
        match result(unsafe { fd_write(fd, &piece, 1, &mut written) }) {
            Err(Errno::INTERRUPTED | Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
            // Said to be fine, and nothing was written: asked again, it would be so for ever.
            Ok(()) if written == 0 => return Err(Errno::IO),
            Ok(()) => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// The name of a folder that the runtime opened for us, by its number; `None` after the last.
pub fn folder(fd: u32) -> Option<String> {
    let mut prestat = [0; 2];
    // SAFETY: two words are what the host writes: a kind, of which folders are the only one, and a length.
    result(unsafe { fd_prestat_get(fd, &mut prestat) }).ok()?;
    let [_, len] = prestat;
    let mut name = vec![0; len as usize];
    // SAFETY: there is room for the name, whose length the host has just said.
    result(unsafe { fd_prestat_dir_name(fd, name.as_mut_ptr(), name.len()) }).ok()?;
    Some(String::from_utf8_lossy(&name).into_owned())
}

/// Opens a file below a folder, to be read.
pub fn open(folder: u32, path: &str) -> Result<u32, Errno> {
    /// Links are followed.
    const FOLLOW: u32 = 1;
    /// All that we do with the file is `fd_read`.
    const READ: u64 = 1 << 1;
    let mut fd = 0;
    // SAFETY: path and number outlive the call.
    result(unsafe {
        path_open(
            folder,
            FOLLOW,
            path.as_ptr(),
            path.len(),
            0,
            READ,
            0,
            0,
            &mut fd,
        )
    })?;
    Ok(fd)
}

/// Runs the guest.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn _start() {
    let code = crate::main();
    if code != 0 {
        // SAFETY: it does not return, and nothing needs to be dropped.
        unsafe { proc_exit(code) }
    }
}
