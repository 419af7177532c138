//! QEMU's trace of a recording: which increments of the counter lie between which writes.

use std::path::Path;

use anyhow::{Context, Result};

use super::write_log::Entry;

/// TPM2_NV_Increment (TPM 2.0 Part 2, 6.5.2), as the trace prints a command's bytes 6 to 9.
const NV_INCREMENT: [&str; 4] = ["00", "00", "01", "34"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Write { offset: u64, bytes: u64 },
    IncrementAsked,
    IncrementDone,
}

/// How often the counter was raised by the time of each write of the log.
#[derive(Debug)]
pub struct Increments {
    at_write: Vec<At>,
    total: u64,
}

/// Increments when a write began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Asked for: the counter may be raised so often.
    pub asked: u64,
    /// Answered: it is.
    pub done: u64,
}

/// Requests of one batch are logged in another order than they are traced in; batches are
/// no longer than this.
const LONGEST_BATCH: usize = 128;

impl Increments {
    /// Reads a trace, and finds every write of the log in it.
    ///
    /// # Errors
    /// It can't be read, or is not of the same recording.
    pub fn read(file: &Path, log: &[Entry]) -> Result<Self> {
        let text = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        let (mut asked, mut done) = (0, 0);
        let mut traced = Vec::new();
        for event in events(&String::from_utf8_lossy(&text)) {
            match event {
                Event::IncrementAsked => asked += 1,
                Event::IncrementDone => done += 1,
                Event::Write { offset, bytes } => {
                    traced.push((offset, bytes, At { asked, done }));
                }
            }
        }
        let mut at_write = Vec::new();
        for entry in log {
            let Entry::Write { offset, data, .. } = entry else {
                continue;
            };
            let wanted = (*offset, data.len() as u64);
            let near = traced.iter().take(LONGEST_BATCH);
            let found = near
                .enumerate()
                .find(|(_, (offset, bytes, _))| (*offset, *bytes) == wanted)
                .map(|(index, _)| index);
            let index = found.with_context(|| {
                format!("write {} to {wanted:?} is not in the trace", at_write.len())
            })?;
            at_write.push(traced.remove(index).2);
        }
        Ok(Self {
            at_write,
            total: done,
        })
    }

    #[cfg(test)]
    pub fn new(asked_and_done: Vec<(u64, u64)>, total: u64) -> Self {
        let at_write = asked_and_done
            .into_iter()
            .map(|(asked, done)| At { asked, done })
            .collect();
        Self { at_write, total }
    }

    /// When this write of the log began.
    pub fn at(&self, write: usize) -> At {
        self.at_write.get(write).copied().unwrap_or(At {
            asked: self.total,
            done: self.total,
        })
    }

    /// How often it was raised in all.
    pub fn total(&self) -> u64 {
        self.total
    }
}

fn events(trace: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut lines = trace.lines();
    // Whether the command that the TPM now works on is an increment.
    let mut incrementing = false;
    while let Some(line) = lines.next() {
        if let Some((_, rest)) = line.split_once("blk_co_pwritev ") {
            let word = |name| {
                let mut words = rest.split(' ').skip_while(|&word| word != name);
                words.nth(1)?.parse().ok()
            };
            if let (Some(offset), Some(bytes)) = (word("offset"), word("bytes")) {
                events.push(Event::Write { offset, bytes });
            }
        } else if line.contains("tpm_util_show_buffer") {
            let bytes: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
            let code = bytes.get(6..10).unwrap_or_default();
            if line.contains("To TPM") {
                incrementing = code == NV_INCREMENT;
                if incrementing {
                    events.push(Event::IncrementAsked);
                }
            } else if std::mem::take(&mut incrementing) && code.iter().all(|&byte| byte == "00") {
                events.push(Event::IncrementDone);
            }
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
blk_co_pwritev blk 0x1 bs 0x2 offset 4096 bytes 512 flags 0x0
tpm_util_show_buffer direction: To TPM len: 12
80 02 00 00 00 0C 00 00 01 34 00 00 
tpm_util_show_buffer direction: From TPM len: 10
80 02 00 00 00 0A 00 00 00 00 
tpm_util_show_buffer direction: To TPM len: 12
80 02 00 00 00 0C 00 00 01 34 00 00 
blk_co_pwritev blk 0x1 bs 0x2 offset 8192 bytes 512 flags 0x0
tpm_util_show_buffer direction: From TPM len: 10
80 02 00 00 00 0A 00 00 00 00 
";

    fn write(offset: u64) -> Entry {
        Entry::Write {
            offset,
            data: vec![0; 512],
            durable: false,
        }
    }

    #[test]
    fn increments_lie_between_writes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace");
        std::fs::write(&file, TRACE).unwrap();
        let log = [write(8192), write(4096), Entry::Flush];
        let increments = Increments::read(&file, &log).unwrap();
        assert_eq!(increments.at(0), At { asked: 2, done: 1 });
        assert_eq!(increments.at(1), At { asked: 0, done: 0 });
        assert_eq!(increments.at(2), At { asked: 2, done: 2 });
        assert_eq!(increments.total(), 2);
        assert!(Increments::read(&file, &[write(0), write(8192)]).is_err());
    }
}
