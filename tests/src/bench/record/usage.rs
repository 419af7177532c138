//! Processor time and memory of processes, from the kernel's own counts (proc(5)).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How often memory is looked at; the largest sum counts.
const MEMORY_EVERY: Duration = Duration::from_secs(5);

/// What some processes used together.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time, percent of one core.
    pub cpu_percent: f64,
    /// Resident memory, 10^6 bytes; shared pages count in each process.
    pub rss_mb: f64,
    /// Proportional memory, 10^6 bytes; shared pages count once.
    pub pss_mb: f64,
}

impl Usage {
    /// Watches the processes for this long.
    pub fn over(processes: &[u32], time: Duration) -> Result<Self> {
        let ticks = rustix::param::clock_ticks_per_second();
        let before = cpu_ticks(processes)?;
        let began = Instant::now();
        let (mut rss_kib, mut pss_kib) = (0, 0);
        loop {
            let left = time.saturating_sub(began.elapsed());
            pause(left.min(MEMORY_EVERY));
            let (rss, pss) = memory_kib(processes)?;
            rss_kib = rss_kib.max(rss);
            pss_kib = pss_kib.max(pss);
            if began.elapsed() >= time {
                break;
            }
        }
        let spent = cpu_ticks(processes)? - before;
        let elapsed = began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok(Self {
            cpu_percent: 100.0 * spent as f64 / ticks as f64 / elapsed,
            rss_mb: rss_kib as f64 * 1024.0 / 1e6,
            pss_mb: pss_kib as f64 * 1024.0 / 1e6,
        })
    }
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes work meanwhile, and tell nobody when they have"
)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn read(process: u32, file: &str) -> Result<String> {
    let path = PathBuf::from(format!("/proc/{process}/{file}"));
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

fn cpu_ticks(processes: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for process in processes {
        let stat = read(*process, "stat")?;
        // The name before it may hold anything but the last parenthesis.
        let (_, after_name) = stat.rsplit_once(')').context("a name in stat")?;
        for field in [11, 12] {
            let field = after_name.split_whitespace().nth(field);
            sum += field.context("a time in stat")?.parse::<u64>()?;
        }
    }
    Ok(sum)
}

fn memory_kib(processes: &[u32]) -> Result<(u64, u64)> {
    let (mut rss, mut pss) = (0, 0);
    for process in processes {
        for line in read(*process, "smaps_rollup")?.lines() {
            let mut words = line.split_whitespace();
            let sum = match words.next() {
                Some("Rss:") => &mut rss,
                Some("Pss:") => &mut pss,
                _ => continue,
            };
            *sum += words
                .next()
                .context("a size in smaps_rollup")?
                .parse::<u64>()?;
        }
    }
    Ok((rss, pss))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_uses_one_core_at_most_and_some_memory() {
        let busy = std::thread::spawn(|| {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(400) {
                std::hint::spin_loop();
            }
        });
        let usage = Usage::over(&[std::process::id()], Duration::from_millis(300)).unwrap();
        busy.join().unwrap();
        assert!(usage.cpu_percent > 5.0, "{usage:?}");
        assert!(
            usage.pss_mb > 0.5 && usage.pss_mb <= usage.rss_mb,
            "{usage:?}"
        );
    }
}
