//! Declares the imports and the one export of the guest.
//!
//! Unsafe are the calls of the host, each with addresses of what outlives it, and the one name without
//! mangling. The host's types are those of its transform ABI, version 2, and of WASI preview 1.

/// What `read_next_record` answers where the buffer is smaller than the record; it can be read again then.
const BUFFER_TOO_SMALL: i32 = -2;
/// The environment is no larger in any host (2,000 bytes in Redpanda); what is larger is not read.
const ENVIRONMENT_MAX_BYTES: usize = 16 * 1024;

#[link(wasm_import_module = "redpanda_transform")]
unsafe extern "C" {
    fn check_abi_version_2();
    fn read_batch_header(
        base_offset: *mut i64,
        record_count: *mut i32,
        leader_epoch: *mut i32,
        attributes: *mut i16,
        last_offset_delta: *mut i32,
        base_timestamp: *mut i64,
        max_timestamp: *mut i64,
        producer_id: *mut i64,
        producer_epoch: *mut i16,
        base_sequence: *mut i32,
    ) -> i32;
    fn read_next_record(
        attributes: *mut u8,
        timestamp: *mut i64,
        offset: *mut i64,
        buffer: *mut u8,
        len: usize,
    ) -> i32;
    fn write_record(record: *const u8, len: usize) -> i32;
    fn write_record_with_options(
        record: *const u8,
        len: usize,
        options: *const u8,
        options_len: usize,
    ) -> i32;
}

/// A piece of what `fd_write` writes, as WASI has it.
#[repr(C)]
struct Piece {
    address: *const u8,
    len: usize,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn environ_sizes_get(count: *mut usize, bytes: *mut usize) -> i32;
    fn environ_get(addresses: *mut usize, buffer: *mut u8) -> i32;
    fn fd_write(fd: i32, pieces: *const Piece, count: usize, written: *mut usize) -> i32;
    fn proc_exit(code: i32) -> !;
}

/// The program: it runs until the host has no more records.
// SAFETY: no other symbol of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn _start() {
    // SAFETY: the call has no arguments; a host that loads the module finds its version by the import's name.
    unsafe { check_abi_version_2() };
    crate::run();
}

/// Records that come together.
pub(crate) struct Batch {
    /// How many.
    pub records: i32,
    /// The largest one's size in bytes.
    pub largest: usize,
}

/// A record that was read into a buffer.
pub(crate) struct Read {
    /// Its size in bytes.
    pub len: usize,
    /// Its time, where the host gives one.
    pub time_ms: Option<i64>,
}

/// Why no record was read.
pub(crate) enum ReadError {
    /// The buffer is too small for it. It is still the next one.
    TooSmall,
    /// The host's own number.
    Host(i32),
}

/// Waits for records; `None` once there will be no more.
pub(crate) fn next_batch() -> Option<Batch> {
    let (mut wide, mut narrow, mut short, mut records) = ([0_i64; 4], [0_i32; 3], [0_i16; 2], 0);
    let [base_offset, base_time, max_time, producer] = &mut wide;
    let [epoch, last_delta, sequence] = &mut narrow;
    let [attributes, producer_epoch] = &mut short;
    // SAFETY: every address is that of a number of its type, which outlives the call.
    let largest = unsafe {
        read_batch_header(
            base_offset,
            &mut records,
            epoch,
            attributes,
            last_delta,
            base_time,
            max_time,
            producer,
            producer_epoch,
            sequence,
        )
    };
    let largest = usize::try_from(largest).ok()?;
    Some(Batch { records, largest })
}

/// Reads the next record of the batch.
pub(crate) fn read(buffer: &mut [u8]) -> Result<Read, ReadError> {
    let (mut attributes, mut time_ms, mut offset) = (0, 0, 0);
    let (address, len) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: the numbers and the buffer, which has `len` bytes, outlive the call.
    let read =
        unsafe { read_next_record(&mut attributes, &mut time_ms, &mut offset, address, len) };
    match usize::try_from(read) {
        Ok(len) => Ok(Read {
            len,
            time_ms: (time_ms > 0).then_some(time_ms),
        }),
        Err(_) if read == BUFFER_TOO_SMALL => Err(ReadError::TooSmall),
        Err(_) => Err(ReadError::Host(read)),
    }
}

/// Writes a record to the first output topic; `false` if the host does not take it.
pub(crate) fn write(record: &[u8]) -> bool {
    // SAFETY: the record outlives the call, and the host only reads it.
    let written = unsafe { write_record(record.as_ptr(), record.len()) };
    usize::try_from(written) == Ok(record.len())
}

/// Writes a record to the topic that the options name; `false` if the host does not take it.
pub(crate) fn write_to(options: &[u8], record: &[u8]) -> bool {
    let (address, len) = (options.as_ptr(), options.len());
    // SAFETY: both outlive the call, and the host only reads them.
    let written = unsafe { write_record_with_options(record.as_ptr(), record.len(), address, len) };
    usize::try_from(written) == Ok(record.len())
}

/// The environment: `NAME=VALUE`, each ended by a NUL; empty if there is none.
pub(crate) fn environment() -> Vec<u8> {
    let (mut count, mut bytes) = (0, 0);
    // SAFETY: both numbers outlive the call.
    let failed = unsafe { environ_sizes_get(&mut count, &mut bytes) } != 0;
    if failed || count.max(bytes) > ENVIRONMENT_MAX_BYTES {
        return Vec::new();
    }
    let (mut addresses, mut buffer) = (vec![0; count], vec![0; bytes]);
    // SAFETY: both have the sizes that the host asked for, and outlive the call.
    match unsafe { environ_get(addresses.as_mut_ptr(), buffer.as_mut_ptr()) } {
        0 => buffer,
        _ => Vec::new(),
    }
}

/// Writes a line to standard error, where the host has one.
pub(crate) fn say(parts: &[&str]) {
    let line = [&parts.concat(), "\n"].concat();
    let (address, len) = (line.as_ptr(), line.len());
    let mut written = 0;
    // SAFETY: the piece and the number outlive the call, and the host only reads the line.
    unsafe { fd_write(2, &Piece { address, len }, 1, &mut written) };
}

/// Says why and ends the program.
pub(crate) fn refuse(parts: &[&str]) -> ! {
    say(parts);
    // SAFETY: the call takes a number and does not come back.
    unsafe { proc_exit(1) }
}
