//! How the process's allocator treats requests.
//!
//! A request and what is written for its exporter are buffers of some hundred KiB that come and go thousands of times a second.
//! glibc's defaults map such a buffer on its own, or give the end of a heap back as soon as it is free, and the kernel then
//! clears the same pages for each request: a tenth to a sixth of the gateway's CPU (1.27 to 1.32 instead of 1.41 to 1.57
//! CPU-seconds per GB, four pairs of runs in turn, filter plugin, 1,000 spans a request; peak memory 54 instead of 49 MiB).
//! Another allocator would do it too, and be a dependency.
//!
//! By default a process has up to eight heaps for each processor, and gives a thread whichever: each keeps the most that it ever
//! had, up to the threshold below, because only the first one's end can be trimmed. Threads that come and go would fill one
//! after the other. So there are as many as workers, and two more.

/// Larger buffers are mapped on their own and given back at once: few requests are larger than this, and those that are cost
/// more than mapping does.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD_BYTES: libc::c_int = 8 << 20;

/// What a heap keeps free at its end: a few dozen usual requests. This much for each heap in use is what an idle process may
/// hold after a peak.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIM_THRESHOLD_BYTES: libc::c_int = 32 << 20;

/// Heaps beside those of the workers: the main thread's, and one for all threads that come and go.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OTHER_HEAPS: usize = 2;

/// Sets the allocator's thresholds. To be called before other threads start; where there is no such allocator, does nothing.
pub fn tune() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two numbers, and no other thread allocates yet.
    unsafe {
        // As many workers as the runtime starts.
        let workers = std::thread::available_parallelism().map_or(1, |workers| workers.get());
        let heaps = libc::c_int::try_from(workers + OTHER_HEAPS).unwrap_or(libc::c_int::MAX);
        libc::mallopt(libc::M_ARENA_MAX, heaps);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
    }
}

/// Gives memory that is free but kept back to the system. Walks the whole heap: takes milliseconds. Where there is no such
/// allocator, does nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number, and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
