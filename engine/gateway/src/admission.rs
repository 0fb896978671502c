//! How many bytes of requests the process may hold, and how many connections its clients may have.

use std::fs;

/// Of the memory that the process may use, the part that requests may take. The rest is for their indexes and columns (about
/// half of a request's size), for what is written for exporters, and for plugins.
const BUDGET_PART: usize = 4;

/// Where nothing says how much memory there is.
const MEMORY_UNKNOWN_BYTES: usize = 2 << 30;

/// More than ports and exporters together ever use; some systems allow a billion, and who goes through all of them takes long.
const DESCRIPTORS_MAX: libc::rlim_t = 1 << 20;

/// Lets the process open as many files as its hard limit allows, as Go's runtime does: where the soft one is 1024, that is for
/// programs that use `select`. Returns how many that are.
pub fn raise_descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write this struct only.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return DESCRIPTORS_UNKNOWN;
        }
        let wanted = limit.rlim_max.min(DESCRIPTORS_MAX);
        if limit.rlim_cur < wanted {
            let raised = libc::rlimit { rlim_cur: wanted, ..limit };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 {
                limit = raised;
            }
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Connections that clients may have, where the process may open so many files: three quarters. The rest is for backends, queues,
/// plugins and the gateway's own sockets, so that clients, however many, cannot take what it needs to get rid of their data.
pub fn connections_max(descriptors: usize) -> usize {
    descriptors / 4 * 3
}

/// What every system gives.
const DESCRIPTORS_UNKNOWN: usize = 256;

/// Default of the process's budget: a quarter of its control group's memory limit, or of the machine's memory.
pub fn default_budget_bytes() -> usize {
    memory_bytes() / BUDGET_PART
}

/// What the process can have: its control group's limit, or the machine's memory.
pub fn memory_bytes() -> usize {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let limits = [
        number(&read(&own_cgroup_v2_limit())),
        number(&read("/sys/fs/cgroup/memory.max")),
        number(&read("/sys/fs/cgroup/memory/memory.limit_in_bytes")),
        machine_bytes(&read("/proc/meminfo")),
    ];
    limits.into_iter().flatten().min().unwrap_or(MEMORY_UNKNOWN_BYTES)
}

/// Outside a container the process's group is named; inside one its root is the group's.
fn own_cgroup_v2_limit() -> String {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    format!("/sys/fs/cgroup{}/memory.max", own.trim_end_matches('/'))
}

/// `None` for `max`, and for what is no number.
fn number(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

/// `MemTotal:       24737244 kB`
fn machine_bytes(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        assert_eq!(number("268435456\n"), Some(256 << 20));
        assert_eq!(number("max\n"), None);
        assert_eq!(machine_bytes("MemTotal:       24737244 kB\nMemFree: 1 kB\n"), Some(24_737_244 * 1024));
        assert!(default_budget_bytes() > 0);
    }
}
