//! What the operating system knows of this process.

use std::fs;
use std::time::Duration;

/// Resident set, bytes; 0 where it cannot be read.
pub fn memory_rss_bytes() -> u64 {
    // The second number of `statm` is the resident pages.
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    pages * page_bytes()
}

/// Lets a write beyond the process's limit on the size of files (`RLIMIT_FSIZE`) fail as one on a full disk does, instead of
/// ending the process.
pub fn survive_file_size_limit() {
    // SAFETY: to ignore a signal installs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// User and system time together.
pub fn cpu_time() -> Duration {
    // SAFETY: `rusage` is plain numbers, for which zeros are valid, and `getrusage` writes only to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::getrusage(libc::RUSAGE_SELF, &mut usage) != 0 {
            return Duration::ZERO;
        }
        usage
    };
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

fn page_bytes() -> u64 {
    // SAFETY: `sysconf` takes a number and returns one.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test process has some memory and has used some time.
    #[test]
    fn the_process_is_seen() {
        assert!(memory_rss_bytes() > 1 << 20);
        assert!(cpu_time() > Duration::ZERO);
    }
}
