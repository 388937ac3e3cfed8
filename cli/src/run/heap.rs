//! Gives freed memory back to the system.

/// Pieces from this size on, in bytes, are had from the system and given back to it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BYTES: libc::c_int = 128 * 1024;
/// As many heaps there are for the others, however many threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Has the C library give back what is freed. It would learn otherwise that pieces are as large as the largest one
/// that was ever freed, and keep as much for each of its heaps: one body of 8 MiB, and every thread has some.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back() {
    // SAFETY: two numbers go in and no address; no other thread is there yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Other C libraries are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
