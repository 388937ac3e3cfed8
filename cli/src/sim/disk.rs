//! A simulated disk: a folder of the real one, whose files are there as a power cut would leave them.
//!
//! What the process does to files it does to real ones, so that all looks at them are real, too. Only what changes
//! them is done by way of this, which remembers what has been synchronised, and can be full.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::generate::random::Random;

/// Files by name.
type Names = BTreeMap<String, u64>;

/// A disk with one folder.
pub struct Disk {
    pub folder: PathBuf,
    pub is_full: bool,
    /// When it was full last, and when the folder was synchronised last, in ms of the simulation.
    pub full_at_ms: i64,
    pub synced_at_ms: i64,
    /// How many things may still be done to it before the process dies.
    pub countdown: Option<u64>,
    /// What of each file is certain to be there, by inode.
    durable: BTreeMap<u64, Vec<u8>>,
    durable_names: Names,
    /// The states of the folder since it was synchronised.
    names: Vec<Names>,
    /// What a dead process has left.
    left: Option<BTreeMap<String, Vec<u8>>>,
}

impl Disk {
    pub fn new() -> Disk {
        static DISKS: AtomicU64 = AtomicU64::new(0);
        let number = DISKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("maxconn-sim-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Disk {
            folder,
            is_full: false,
            full_at_ms: -1_000_000,
            synced_at_ms: 0,
            countdown: None,
            durable: BTreeMap::new(),
            durable_names: Names::new(),
            names: Vec::new(),
            left: None,
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder's names now.
    fn look(&mut self) {
        let entries = fs::read_dir(&self.folder).unwrap().flatten();
        let names: Names = entries
            .map(|it| {
                (
                    it.file_name().into_string().unwrap(),
                    it.metadata().unwrap().ino(),
                )
            })
            .collect();
        if self.names.last().unwrap_or(&self.durable_names) != &names {
            self.names.push(names);
        }
    }

    pub fn write_all(&mut self, file: &mut File, bytes: &[u8], part: usize) -> io::Result<()> {
        self.look();
        if self.is_full {
            file.write_all(&bytes[..part.min(bytes.len())])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write_all(bytes)
    }

    pub fn sync(&mut self, file: &File) -> io::Result<()> {
        self.look();
        let inode = file.metadata()?.ino();
        let names = self.names.last().unwrap_or(&self.durable_names);
        let name = names.iter().find(|(_, it)| **it == inode);
        if let Some((name, _)) = name {
            let bytes = fs::read(self.file(name))?;
            self.durable.insert(inode, bytes);
        }
        Ok(())
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.look();
        fs::rename(from, to)?;
        self.look();
        Ok(())
    }

    pub fn sync_folder(&mut self, now_ms: i64) -> io::Result<()> {
        self.look();
        if let Some(names) = self.names.pop() {
            self.durable_names = names;
        }
        self.names.clear();
        self.synced_at_ms = now_ms;
        Ok(())
    }

    /// The process dies; with `is_power_cut` the machine does. What is there then the next process finds.
    pub fn die(&mut self, random: &mut Random, is_power_cut: bool) {
        self.look();
        let now = self.names.last().unwrap_or(&self.durable_names).clone();
        let mut left = BTreeMap::new();
        for (name, bytes) in self.after_power_cut(random, &now, is_power_cut) {
            left.insert(name, bytes);
        }
        self.left = Some(left);
    }

    fn after_power_cut(
        &self,
        random: &mut Random,
        now: &Names,
        is_power_cut: bool,
    ) -> Vec<(String, Vec<u8>)> {
        let mut contents = BTreeMap::new();
        for (name, inode) in now {
            contents.insert(*inode, fs::read(self.file(name)).unwrap_or_default());
        }
        // Changes of names are there in their order, up to some.
        let states = self.names.len() as u64;
        let names = match random.below(states + 1) {
            _ if !is_power_cut => now,
            0 => &self.durable_names,
            at => &self.names[at as usize - 1],
        };
        let file = |random: &mut Random, inode: &u64| {
            let durable = self.durable.get(inode).cloned();
            let Some(bytes) = contents.get(inode) else {
                // It has lost its name since; what was synchronised of it is there.
                return durable.unwrap_or_default();
            };
            let durable = durable.unwrap_or_default();
            if !is_power_cut || *bytes == durable {
                return bytes.clone();
            }
            // Of what was not synchronised a part is there, and the file may be as long as if all were.
            let mut torn = match bytes.starts_with(&durable) {
                true => durable.clone(),
                false => Vec::new(),
            };
            let rest = &bytes[torn.len()..];
            let part = random.below(rest.len() as u64 + 1) as usize;
            torn.extend_from_slice(&rest[..part]);
            if random.below(2) == 0 {
                torn.resize(bytes.len(), 0);
            }
            torn
        };
        names
            .iter()
            .map(|(name, inode)| (name.clone(), file(random, inode)))
            .collect()
    }

    /// The machine is there again, with what was left; nothing of the dead process has an effect on it.
    pub fn come_back(&mut self) {
        let Some(left) = self.left.take() else { return };
        fs::remove_dir_all(&self.folder).unwrap();
        fs::create_dir_all(&self.folder).unwrap();
        (self.durable, self.durable_names) = (BTreeMap::new(), Names::new());
        for (name, bytes) in left {
            let path = self.file(&name);
            let mut options = File::options();
            let file = options.write(true).create_new(true).mode(0o600).open(&path);
            file.unwrap().write_all(&bytes).unwrap();
            let inode = fs::metadata(&path).unwrap().ino();
            self.durable.insert(inode, bytes);
            self.durable_names.insert(name, inode);
        }
        self.names.clear();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
