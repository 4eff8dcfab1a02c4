//! What this machine has: processor, cores, caches, memory. Read from what Linux publishes; elsewhere what is not known
//! is `None`. What the kernels make of it is theirs to say.

use serde::Serialize;
use std::fs;
use std::path::Path;

/// The machine that Parasol stands on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: Option<String>,
    /// Its architecture, as Rust names it: `x86_64`, `aarch64` …
    pub architecture: &'static str,
    /// The operating system, as Rust names it.
    pub system: &'static str,
    /// The instruction set extensions that matter to models and are there, as the processor's makers write them.
    pub features: Vec<&'static str>,
    /// Cores of the processor.
    pub cores: Option<usize>,
    /// Hardware threads of the processor.
    pub hardware_threads: Option<usize>,
    /// Threads that may run at once here, with affinity and container limits counted.
    pub usable_threads: usize,
    /// The data caches of the first core, from the nearest to the farthest.
    pub caches: Vec<Cache>,
    /// Memory.
    pub memory: Memory,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// 1 is nearest to the core.
    pub level: u32,
    /// Its size.
    pub bytes: u64,
    /// Hardware threads that share it.
    pub shared_by: usize,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What the machine has.
    pub total: Option<u64>,
    /// What new work can have without swapping.
    pub available: Option<u64>,
    /// What a container allows this process, when that is less than `total`.
    pub limit: Option<u64>,
    /// Of `limit`, what the container's processes take already, without what can be given back.
    pub limit_used: Option<u64>,
}

impl Machine {
    /// Looks at the machine.
    pub fn look() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            processor: value_of(&cpuinfo, "model name").map(str::to_owned),
            architecture: std::env::consts::ARCH,
            system: std::env::consts::OS,
            features: features(),
            cores: cores(&cpuinfo),
            hardware_threads: Some(cpuinfo.lines().filter(|l| l.starts_with("processor")).count())
                .filter(|&n| n > 0),
            usable_threads: usable_threads(),
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
            memory: Memory::look(),
        }
    }
}

impl Memory {
    /// Looks at the memory.
    pub fn look() -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = value_of(&meminfo, "MemTotal").and_then(size);
        let available = value_of(&meminfo, "MemAvailable").and_then(size);
        let limit = container_limit().filter(|&l| total.is_none_or(|t| l < t));
        Self { total, available, limit, limit_used: limit.and_then(|_| container_use()) }
    }

    /// What new work can have: what the machine has available, or what the container leaves if that is less.
    pub fn free(&self) -> Option<u64> {
        let left = self.limit.map(|limit| limit.saturating_sub(self.limit_used.unwrap_or(0)));
        match (self.available, left) {
            (Some(available), Some(left)) => Some(available.min(left)),
            (available, left) => available.or(left),
        }
    }
}

/// Threads that may run at once here: what a model computes with unless told otherwise.
pub fn usable_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The most memory that this process has held at once, in bytes (VmHWM), where the system tells.
pub fn peak_memory() -> Option<u64> {
    value_of(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM").and_then(size)
}

/// The value of the first "name : value" line.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().filter_map(|l| l.split_once(':')).find(|(n, _)| n.trim() == name).map(|(_, v)| v.trim())
}

/// "2048 kB", "2048K", "2M" in bytes.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.get(digits.len()..)?.trim().as_bytes().first() {
        None => 1,
        Some(b'k' | b'K') => 1 << 10,
        Some(b'M') => 1 << 20,
        Some(b'G') => 1 << 30,
        Some(_) => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    use std::arch::is_x86_feature_detected as has;
    let all = [
        ("AVX", has!("avx")),
        ("AVX2", has!("avx2")),
        ("FMA", has!("fma")),
        ("F16C", has!("f16c")),
        ("AVX-VNNI", has!("avxvnni")),
        ("AVX-512 F", has!("avx512f")),
        ("BW", has!("avx512bw")),
        ("DQ", has!("avx512dq")),
        ("VL", has!("avx512vl")),
        ("VNNI", has!("avx512vnni")),
        ("VBMI", has!("avx512vbmi")),
        ("BF16", has!("avx512bf16")),
        ("FP16", has!("avx512fp16")),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    // NEON is part of every 64-bit ARM processor; of others nothing is asked.
    if cfg!(target_arch = "aarch64") { vec!["NEON"] } else { Vec::new() }
}

/// Distinct pairs of package and core.
fn cores(cpuinfo: &str) -> Option<usize> {
    let pair = |block: &str| {
        Some((value_of(block, "physical id")?.to_owned(), value_of(block, "core id")?.to_owned()))
    };
    let distinct: std::collections::BTreeSet<_> = cpuinfo.split("\n\n").filter_map(pair).collect();
    Some(distinct.len()).filter(|&n| n > 0)
}

fn caches(folder: &Path) -> Vec<Cache> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let one = |path: &Path| {
        let read = |name: &str| fs::read_to_string(path.join(name)).ok().map(|t| t.trim().to_owned());
        (read("type")? != "Instruction").then_some(())?;
        Some(Cache {
            level: read("level")?.parse().ok()?,
            bytes: size(&read("size")?)?,
            shared_by: listed(&read("shared_cpu_list")?),
        })
    };
    let mut found: Vec<Cache> = entries.filter_map(|e| one(&e.ok()?.path())).collect();
    found.sort_by_key(|c| (c.level, c.bytes));
    found
}

/// How many numbers a list such as "0-3,8" names.
fn listed(text: &str) -> usize {
    let count = |part: &str| match part.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (from.parse::<usize>().ok()?, to.parse::<usize>().ok()?);
            to.checked_sub(from)?.checked_add(1)
        }
        None => part.parse::<usize>().ok().map(|_| 1),
    };
    text.split(',').filter_map(count).fold(0, usize::saturating_add)
}

/// The memory limit of the control group (version 2, then 1) that this process is in.
fn container_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let v2 = groups.lines().find_map(|l| l.strip_prefix("0::")).unwrap_or("/");
    let paths = [
        format!("/sys/fs/cgroup{v2}/memory.max"),
        "/sys/fs/cgroup/memory.max".to_owned(),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
    ];
    paths.iter().find_map(|path| fs::read_to_string(path).ok()).and_then(|text| text.trim().parse().ok())
}

/// What the control group's processes take, the cache of files left out: the system takes that back when memory is short.
fn container_use() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let v2 = groups.lines().find_map(|l| l.strip_prefix("0::")).unwrap_or("/");
    let places = [
        (format!("/sys/fs/cgroup{v2}"), "memory.current", "inactive_file"),
        ("/sys/fs/cgroup".to_owned(), "memory.current", "inactive_file"),
        ("/sys/fs/cgroup/memory".to_owned(), "memory.usage_in_bytes", "total_inactive_file"),
    ];
    places.iter().find_map(|(folder, usage, cache)| {
        let used: u64 = fs::read_to_string(format!("{folder}/{usage}")).ok()?.trim().parse().ok()?;
        let stat = fs::read_to_string(format!("{folder}/memory.stat")).unwrap_or_default();
        let cached = stat.lines().filter_map(|l| l.split_once(' ')).find(|(name, _)| name == cache);
        let cached = cached.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
        Some(used.saturating_sub(cached))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_lists_are_read() {
        assert_eq!(size("24576 kB"), Some(24576 << 10));
        assert_eq!(size("2M"), Some(2 << 20));
        assert_eq!(size("48K"), Some(48 << 10));
        assert_eq!(size("99999999999999999999 kB"), None);
        assert_eq!(size("x"), None);
        assert_eq!(listed("0-3,8"), 5);
        assert_eq!(listed("3-1,x"), 0);
    }

    #[test]
    fn a_container_narrows_what_is_free() {
        let free =
            |available, limit, limit_used| Memory { total: Some(100), available, limit, limit_used }.free();
        assert_eq!(free(Some(80), None, None), Some(80));
        assert_eq!(free(Some(80), Some(50), Some(20)), Some(30));
        assert_eq!(free(Some(10), Some(50), Some(20)), Some(10));
        assert_eq!(free(None, Some(50), Some(60)), Some(0));
        assert_eq!(free(None, None, None), None);
    }

    #[test]
    fn cores_are_counted_once() {
        let thread = |id: u32, core: u32| format!("processor : {id}\nphysical id : 0\ncore id : {core}\n");
        let text = [thread(0, 0), thread(1, 0), thread(2, 1)].join("\n");
        assert_eq!(cores(&text), Some(2));
        assert_eq!(cores(""), None);
    }

    #[test]
    fn this_machine_has_threads() {
        assert!(Machine::look().usable_threads > 0);
    }
}
