//! Signature checks on threads of their own: RSA is the most expensive thing a node does.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use blockchat_consensus::Input;
use blockchat_ledger::{Hash, SignedTransaction, VerifiedTransaction};

use super::RuntimeError;
use super::inbox::Senders;
use crate::telemetry::{Traces, VerifyMetrics};

/// Transactions that one worker takes at once; about a millisecond of work.
const CHUNK: usize = 24;

type Checked = Result<VerifiedTransaction, Hash>;

/// The workers. They end when this is dropped. The core bounds the checks under way, and with them the queue.
#[derive(Debug)]
pub struct Verifiers {
    chunks: Sender<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    job: Arc<Mutex<Job>>,
    place: usize,
    transactions: Vec<SignedTransaction>,
}

/// A job in pieces; whoever puts in the last piece answers.
#[derive(Debug)]
struct Job {
    id: u64,
    parts: Vec<Option<Vec<Checked>>>,
    missing: usize,
}

impl Verifiers {
    /// Starts one worker per processor, at most eight.
    pub fn start(senders: &Senders, metrics: &VerifyMetrics, traces: &Traces) -> Result<Self, RuntimeError> {
        let (chunks, inbox) = channel();
        let inbox = Arc::new(Mutex::new(inbox));
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        for _ in 0..workers {
            let (inbox, senders) = (inbox.clone(), senders.clone());
            let (metrics, traces) = (metrics.clone(), traces.clone());
            let thread = std::thread::Builder::new().name("verify".to_owned());
            thread.spawn(move || work(&inbox, &senders, &metrics, &traces)).map_err(RuntimeError::Thread)?;
        }
        Ok(Self { chunks })
    }

    /// Checks these; the answer comes as an input, in the same order.
    pub fn check(&self, id: u64, transactions: Vec<SignedTransaction>) {
        let count = transactions.len().div_ceil(CHUNK).max(1);
        let job = Arc::new(Mutex::new(Job { id, parts: vec![None; count], missing: count }));
        let mut transactions = transactions.into_iter();
        for place in 0..count {
            let transactions = transactions.by_ref().take(CHUNK).collect();
            // The workers live as long as this does.
            let _ = self.chunks.send(Chunk { job: job.clone(), place, transactions });
        }
    }
}

fn work(inbox: &Mutex<Receiver<Chunk>>, senders: &Senders, metrics: &VerifyMetrics, traces: &Traces) {
    loop {
        let next = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Chunk { job, place, transactions }) = next else { return };
        let checked = transactions.into_iter().map(|transaction| verify(transaction, metrics, traces)).collect();
        let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
        job.parts[place] = Some(checked);
        job.missing -= 1;
        if job.missing == 0 {
            let results = job.parts.drain(..).flatten().flatten().collect();
            senders.verified(Input::Verified { job: job.id, results });
        }
    }
}

fn verify(transaction: SignedTransaction, metrics: &VerifyMetrics, traces: &Traces) -> Checked {
    let hash = transaction.wire_hash();
    let started = Instant::now();
    let checked = transaction.verify().map_err(|_| hash);
    let took = started.elapsed();
    metrics.signature_verify_seconds.observe(took.as_secs_f64());
    traces.verified(&hash, took);
    checked
}
