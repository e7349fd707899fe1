//! A disk in memory that loses what was not synced, tears what was, and fails when told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::disk::{Disk, DiskFile};

/// What a real disk may do to writes that were not synced: any part of this size survives or not.
const SECTOR_BYTES: usize = 32;

/// What is left after the power went.
#[derive(Debug, Clone, Copy)]
pub enum Survives {
    /// The process was killed: the operating system still has everything.
    Everything,
    /// Nothing that was not synced.
    Synced,
    /// Some of the unsynced sectors, lengths and names, drawn from this seed.
    Some(u64),
}

/// When the disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Never.
    None,
    /// From this operation on, all fail: the process is gone.
    StopAt(u64),
    /// This one operation fails, as when the disk is full.
    ErrorAt(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Contents {
    inodes: Vec<Inode>,
    durable_names: BTreeMap<String, usize>,
    /// Versions of the names since the last sync of the directory, oldest first; the last one is current.
    names: Vec<BTreeMap<String, usize>>,
    operations: u64,
    fault: Fault,
}

/// The disk; clones share it.
#[derive(Debug, Clone)]
pub struct FaultyDisk(Arc<Mutex<Contents>>);

impl FaultyDisk {
    /// An empty disk.
    pub fn new(fault: Fault) -> Self {
        Self::from(Vec::new(), BTreeMap::new(), fault)
    }

    fn from(inodes: Vec<Inode>, names: BTreeMap<String, usize>, fault: Fault) -> Self {
        let (durable_names, names) = (names.clone(), vec![names]);
        Self(Arc::new(Mutex::new(Contents { inodes, durable_names, names, operations: 0, fault })))
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Makes the n-th operation from here fail, once.
    pub fn fail_next(&self, n: u64) {
        let mut contents = self.lock();
        contents.fault = Fault::ErrorAt(contents.operations + n);
    }

    /// The disk as the next start finds it.
    #[must_use]
    pub fn restart(&self, survives: Survives, fault: Fault) -> Self {
        let contents = self.lock();
        let mut rng = StdRng::seed_from_u64(if let Survives::Some(seed) = survives { seed } else { 0 });
        let inodes = contents.inodes.iter().map(|inode| after_crash(inode, survives, &mut rng)).collect::<Vec<_>>();
        let names = match survives {
            Survives::Everything => contents.names.last().cloned().unwrap_or_default(),
            Survives::Synced => contents.durable_names.clone(),
            // A journal keeps the order of changes to a directory: some first ones are there.
            Survives::Some(_) => contents.names[rng.gen_range(0..contents.names.len())].clone(),
        };
        // A killed process leaves the page cache as it is: not durable, but readable.
        let disk = Self::from(inodes, names, fault);
        if matches!(survives, Survives::Everything) {
            let mut left = disk.lock();
            left.durable_names.clone_from(&contents.durable_names);
            left.names.insert(0, contents.durable_names.clone());
            for (inode, before) in left.inodes.iter_mut().zip(&contents.inodes) {
                inode.durable.clone_from(&before.durable);
            }
        }
        disk
    }

    /// The bytes of a file, to look at or damage.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let contents = self.lock();
        let inode = *contents.names.last()?.get(name)?;
        Some(contents.inodes[inode].current.clone())
    }

    /// A disk with the same files, one of them replaced or (without bytes) removed.
    #[must_use]
    pub fn with(&self, name: &str, bytes: Option<Vec<u8>>) -> Self {
        let contents = self.lock();
        let mut inodes = contents.inodes.clone();
        let mut names = contents.names.last().cloned().unwrap_or_default();
        match bytes {
            None => {
                names.remove(name);
            }
            Some(bytes) => {
                names.insert(name.to_owned(), inodes.len());
                inodes.push(Inode { durable: bytes.clone(), current: bytes });
            }
        }
        Self::from(inodes, names, Fault::None)
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }

    /// Counts an operation that changes something and fails it when its time has come.
    fn step<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> io::Result<T> {
        let mut contents = self.lock();
        contents.operations += 1;
        let refused = match contents.fault {
            Fault::None => false,
            Fault::StopAt(at) => contents.operations > at,
            Fault::ErrorAt(at) => contents.operations == at,
        };
        if refused { Err(io::ErrorKind::StorageFull.into()) } else { Ok(change(&mut contents)) }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        let contents = self.lock();
        contents.names.last().and_then(|names| names.get(name)).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Contents {
    fn rename(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>)) {
        let mut names = self.names.last().cloned().unwrap_or_default();
        change(&mut names);
        self.names.push(names);
    }
}

fn after_crash(inode: &Inode, survives: Survives, rng: &mut StdRng) -> Inode {
    let left = match survives {
        Survives::Everything => inode.current.clone(),
        Survives::Synced => inode.durable.clone(),
        Survives::Some(_) => {
            let (short, long) =
                (inode.durable.len().min(inode.current.len()), inode.durable.len().max(inode.current.len()));
            let mut left = inode.durable.clone();
            left.resize(rng.gen_range(short..=long), 0);
            for (at, sector) in left.chunks_mut(SECTOR_BYTES).enumerate() {
                let from = at * SECTOR_BYTES;
                let written = inode.current.get(from..).unwrap_or_default();
                let length = sector.len().min(written.len());
                if rng.r#gen() {
                    sector[..length].copy_from_slice(&written[..length]);
                }
            }
            left
        }
    };
    Inode { durable: left.clone(), current: left }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.last().map(|names| names.keys().cloned().collect()).unwrap_or_default())
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        let inode = self.step(|contents| {
            contents.inodes.push(Inode::default());
            let inode = contents.inodes.len() - 1;
            contents.rename(|names| {
                names.insert(name.to_owned(), inode);
            });
            inode
        })?;
        Ok(FaultyFile { disk: self.clone(), inode })
    }

    fn open(&self, name: &str) -> io::Result<FaultyFile> {
        Ok(FaultyFile { disk: self.clone(), inode: self.find(name)? })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.find(from)?;
        self.step(|contents| {
            contents.rename(|names| {
                names.remove(from);
                names.insert(to.to_owned(), inode);
            });
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.find(name)?;
        self.step(|contents| {
            contents.rename(|names| {
                names.remove(name);
            });
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.step(|contents| {
            contents.durable_names = contents.names.pop().unwrap_or_default();
            contents.names = vec![contents.durable_names.clone()];
        })
    }
}

/// An open file of a [`FaultyDisk`].
#[derive(Debug)]
pub struct FaultyFile {
    disk: FaultyDisk,
    inode: usize,
}

impl DiskFile for FaultyFile {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.disk.lock().inodes[self.inode].current.clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.step(|contents| contents.inodes[self.inode].current.extend_from_slice(bytes))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.step(|contents| contents.inodes[self.inode].current.truncate(usize::try_from(length).unwrap()))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.step(|contents| {
            let inode = &mut contents.inodes[self.inode];
            inode.durable.clone_from(&inode.current);
        })
    }
}
