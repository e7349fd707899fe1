//! Opening the data directory: one process at a time, the store, then the log that the store names.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use blockchat_consensus::{LogStatus, Record};
use fs4::fs_std::FileExt;

use super::error::StoreError;
use super::log::disk::{Directory, Disk};
use super::log::{Anchor, Found, Log, LogId, Opened, SEGMENT_BYTES};
use super::store::{Batch, Store};
use super::tables::OwnTransaction;

/// The locked data directory. The lock goes with the process, however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory (0700) when missing and locks it.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        let fail = |reason| StoreError::Directory { path: path.to_owned(), reason };
        Directory::open(path).map_err(fail)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(fail)?;
        match FileExt::try_lock_exclusive(&lock) {
            Ok(true) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Ok(false) => Err(StoreError::InUse(path.to_owned())),
            Err(reason) => Err(fail(reason)),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the store in it.
    pub fn store(&self) -> Result<Store, StoreError> {
        Store::open(&self.path.join("store.redb"))
    }

    /// The directory of the log.
    pub fn log(&self) -> Result<Directory, StoreError> {
        let path = self.path.join("log");
        Directory::open(&path).map_err(|reason| StoreError::Directory { path, reason })
    }
}

/// The log as the runtime takes it over.
pub struct OpenLog<D: Disk> {
    /// Ready to append.
    pub log: Log<D>,
    /// How it was found.
    pub found: Found,
    /// All records, in order.
    pub records: Vec<Record>,
}

/// Opens the log that the store names, or begins one and lets the store name it. What the wallet signed is then in the
/// store.
pub fn open_log<D: Disk>(disk: D, store: &Store, fresh: LogId) -> Result<OpenLog<D>, StoreError> {
    let anchor = store.anchor()?;
    // A record that can't be decoded is damage that its checksum missed; it is reported below.
    let height_of = |bytes: &[u8]| Record::decode(bytes).map_or(u64::MAX, |record| record.height());
    let Opened { log, found, records } = Log::open(disk, anchor.as_ref(), fresh, SEGMENT_BYTES, height_of)?;
    let records = records
        .iter()
        .map(|bytes| {
            Record::decode(bytes).map_err(|error| StoreError::Damaged(format!("a record of the log: {error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let own: Vec<OwnTransaction> = records.iter().filter_map(own_transaction).collect();
    let known = anchor.filter(|anchor| anchor.log_id == log.id());
    let anchor = Anchor { log_id: log.id(), synced: log.synced(), taken: known.map_or(0, |anchor| anchor.taken) };
    // A log that begins now says nothing about what was said before. Whether that matters is decided once, and until
    // that is durable every start has to decide it.
    let in_use = if known.is_some() { None } else { Some(false) };
    store.write(&Batch { own, anchor: Some(anchor), in_use, ..Batch::default() })?;
    Ok(OpenLog { log, found, records })
}

impl<D: Disk> OpenLog<D> {
    /// What the core is told. `witnessed`: this data directory saw the ring open before the network was founded, so the
    /// member can't have spoken before the directory was made.
    pub fn status(&self, store: &Store, witnessed: bool) -> Result<LogStatus, StoreError> {
        if store.in_use()? {
            return Ok(LogStatus::Intact);
        }
        if witnessed {
            return Ok(LogStatus::New);
        }
        let reason = match &self.found {
            Found::Lost { reason } => reason.clone(),
            Found::Created | Found::Intact => "it is new, and this member may have voted before".to_owned(),
        };
        Ok(LogStatus::Lost { reason })
    }
}

/// What the store keeps of a record, beside blocks.
pub fn own_transaction(record: &Record) -> Option<OwnTransaction> {
    match record {
        Record::Wallet { height, key, transaction } => {
            Some(OwnTransaction { height: *height, key: key.clone(), transaction: transaction.clone() })
        }
        _ => None,
    }
}
