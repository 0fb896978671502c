//! How many bytes of requests the process may hold, and how many connections its clients may have.

use std::fs;
use std::path::{Path, PathBuf};

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

/// What the process can have: the least limit of its control group and of those above, or the machine's memory.
pub fn memory_bytes() -> usize {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let groups = limits(&read(Path::new("/proc/self/cgroup")));
    let limits = groups.iter().map(|limit| number(&read(limit)));
    limits.chain([machine_bytes(&read(Path::new("/proc/meminfo")))]).flatten().min().unwrap_or(MEMORY_UNKNOWN_BYTES)
}

/// Where the limits are, from `/proc/self/cgroup`. Outside a container the process's group is named; inside one its root is the
/// group's, and what is named may not be there.
fn limits(groups: &str) -> Vec<PathBuf> {
    let hierarchies =
        [("0::", "/sys/fs/cgroup", "memory.max"), (":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes")];
    let own = |named| groups.lines().find_map(|line| line.split_once(named)).map_or("/", |(_, own)| own);
    let files = hierarchies.map(|(named, root, limit)| {
        let groups = Path::new(own(named)).ancestors().filter_map(|group| group.strip_prefix("/").ok());
        groups.map(|group| Path::new(root).join(group).join(limit)).collect::<Vec<_>>()
    });
    files.concat()
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

    /// The group's own limit counts, and that of each group above it, in both versions.
    #[test]
    fn limits_of_a_group_and_of_those_above() {
        let found = limits("5:devices:/\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/c.slice\n");
        let expected = [
            "/sys/fs/cgroup/c.slice/memory.max",
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        assert_eq!(limits("").len(), 2, "in a container that names nothing");
    }
}
