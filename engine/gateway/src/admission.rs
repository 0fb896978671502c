//! How many bytes of requests the process may hold.

use std::fs;

/// Of the memory that the process may use, the part that requests may take. The rest is for their indexes and columns (about
/// half of a request's size), for what is written for exporters, and for plugins.
const BUDGET_PART: usize = 4;

/// Where nothing says how much memory there is.
const MEMORY_UNKNOWN_BYTES: usize = 2 << 30;

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
