//! A limit on memory that the kernel enforces: a control group for one process.
//!
//! A process that is over it is killed, and the group says so. Making one takes rights that a test may not have; then there is
//! none, and whoever asked has to say that memory was measured only.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

/// With a limit. Removed when it is dropped, which is to be after its process has ended.
pub struct ControlGroup {
    path: PathBuf,
    hierarchy: &'static Hierarchy,
}

/// How a version of the kernel's control groups names things.
struct Hierarchy {
    root: &'static str,
    /// Of a line of `/proc/self/cgroup`: what stands before the group.
    own: &'static str,
    limit: &'static str,
    /// Has a line `oom_kill N`.
    events: &'static str,
    peak: &'static str,
}

const HIERARCHIES: [Hierarchy; 2] = [
    Hierarchy { root: "/sys/fs/cgroup", own: "0::", limit: "memory.max", events: "memory.events", peak: "memory.peak" },
    Hierarchy {
        root: "/sys/fs/cgroup/memory",
        own: ":memory:",
        limit: "memory.limit_in_bytes",
        events: "memory.oom_control",
        peak: "memory.max_usage_in_bytes",
    },
];

impl ControlGroup {
    /// Below the group of this process, so that what holds for it holds here too; where that one cannot have groups below it,
    /// below the next above. `None` where there are no control groups, or none may be made.
    pub fn new(limit_bytes: u64) -> Option<ControlGroup> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("wasmill-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        HIERARCHIES.iter().find_map(|hierarchy| {
            let own = groups.lines().find_map(|line| line.split_once(hierarchy.own))?.1;
            Path::new(own).ancestors().find_map(|group| {
                let above = Path::new(hierarchy.root).join(group.strip_prefix("/").ok()?);
                let path = above.join(&name);
                fs::create_dir(&path).ok()?;
                let group = ControlGroup { path, hierarchy };
                // The kernel has made the file, if this is a group, and one whose memory can be limited.
                let mut limit = fs::OpenOptions::new().write(true).open(group.path.join(hierarchy.limit)).ok()?;
                limit.write_all(limit_bytes.to_string().as_bytes()).ok()?;
                Some(group)
            })
        })
    }

    /// A command that runs `program` in this group: a shell joins the group and becomes the program.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        let script = format!("echo $$ > '{}/cgroup.procs' && exec \"$0\" \"$@\"", self.path.display());
        command.arg("-c").arg(script).arg(program);
        command
    }

    /// How many processes of the group the kernel has killed for want of memory.
    pub fn killed(&self) -> Result<u64> {
        let events = fs::read_to_string(self.path.join(self.hierarchy.events))?;
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.context("no `oom_kill`")?.trim().parse().context("not a number")
    }

    /// The most that the group ever had, in bytes: the files that its process read and wrote included, where the kernel kept them
    /// in memory. `None`: this kernel does not say.
    pub fn peak_bytes(&self) -> Option<u64> {
        fs::read_to_string(self.path.join(self.hierarchy.peak)).ok()?.trim().parse().ok()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // It is empty; if it is not, it is left to whoever looks after the machine.
        let _ = fs::remove_dir(&self.path);
    }
}
