//! A ledger without network, consensus and disk behind the API: real keys, pool, execution and blocks; a block is
//! committed when the test says so.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use blockchat_consensus::{Admitted, Certificate, Committed, Evidence, Submission, SubmitError, View};
use blockchat_ledger::{
    AccountId, Amount, BlockHeader, Descriptor, DropReason, Dropped, Execution, Hash, Member, Mempool, Origin,
    Parameters, PendingAccount, PoolError, PoolLimits, Ring, SignedTransaction, State, Terms, Transaction,
    VerifiedTransaction, Wallet, build, founding_id, genesis, lottery,
};
use futures::future::BoxFuture;

use crate::http::Activity;
use crate::http::backend::{Backend, Chain, ChainError, FinalBlock, Location, SubmitResult, Unavailable};

/// Members of the test network.
pub const NODES: u16 = 4;
/// Blocks for which a transaction may be valid there.
pub const TTL_BLOCKS: u64 = 100;

/// The keys of the network's members and of strangers: signing keys take a second to make, so they are fixed.
pub fn wallet(number: usize) -> Arc<Wallet> {
    static WALLETS: OnceLock<Vec<Arc<Wallet>>> = OnceLock::new();
    let pems = [
        include_str!("../../../../ledger/tests/keys/member-00.pem"),
        include_str!("../../../../ledger/tests/keys/member-01.pem"),
        include_str!("../../../../ledger/tests/keys/member-02.pem"),
        include_str!("../../../../ledger/tests/keys/member-03.pem"),
        include_str!("../../../../ledger/tests/keys/member-04.pem"),
        include_str!("../../../../ledger/tests/keys/member-05.pem"),
    ];
    let wallets = WALLETS.get_or_init(|| pems.iter().map(|pem| Arc::new(Wallet::from_pem(pem).unwrap())).collect());
    Arc::clone(&wallets[number])
}

fn ring() -> (Arc<Ring>, FinalBlock, State) {
    let parameters = Parameters { ttl_blocks: TTL_BLOCKS, ..Parameters::assignment(NODES, 10) };
    let bootstrap = wallet(0);
    let founding = founding_id(&parameters, bootstrap.public_key());
    let (block, state) = genesis(&parameters, bootstrap.public_key(), 1_700_000_000_000).unwrap();
    let member =
        |id: u16| Member::certify(id, &*wallet(usize::from(id)), &founding, [id.to_le_bytes()[0] + 1; 32]).unwrap();
    let members = (0..NODES).map(member).collect();
    let descriptor = Descriptor { parameters, genesis_hash: block.hash(), members };
    let ring = Ring::new(descriptor.sign(&*bootstrap).unwrap()).unwrap();
    (Arc::new(ring), FinalBlock { block, certificate: None }, state)
}

/// A signed payment of one member to another.
pub fn coins_from(ledger: &FakeLedger, from: usize, to: usize, bcc: u64, nonce: u64) -> VerifiedTransaction {
    let terms = Terms { nonce, valid_until: ledger.height() + TTL_BLOCKS, chain_id: ledger.ring.chain_id() };
    let (sender, receiver) = (wallet(from).public_key().clone(), wallet(to).public_key().clone());
    Transaction::coins(sender, receiver, Amount::from_bcc(bcc).unwrap(), terms).sign(&*wallet(from)).unwrap()
}

/// The ledger behind the API.
pub struct FakeLedger {
    pub ring: Arc<Ring>,
    pub activity: Activity,
    inner: Mutex<Inner>,
}

struct Inner {
    pool: Mempool,
    limits: PoolLimits,
    state: State,
    blocks: Vec<Arc<FinalBlock>>,
    /// State before each block.
    before: Vec<State>,
    wallet_log: Vec<(Option<String>, SignedTransaction)>,
    evidence: Vec<Evidence>,
    peer_heights: Vec<Option<u64>>,
    now_ms: u64,
    slips_in: Option<VerifiedTransaction>,
    busy: u32,
    silent_for: Duration,
}

impl FakeLedger {
    /// A network in which every member has its endowment.
    pub fn funded() -> Arc<Self> {
        let ledger = Self::founded(PoolLimits::default());
        ledger.grant();
        ledger
    }

    /// A network at genesis.
    pub fn founded(limits: PoolLimits) -> Arc<Self> {
        let (ring, first, state) = ring();
        let inner = Inner {
            pool: Mempool::new(limits),
            limits,
            before: vec![State::default()],
            blocks: vec![Arc::new(first)],
            state,
            wallet_log: Vec::new(),
            evidence: Vec::new(),
            peer_heights: vec![None; usize::from(NODES)],
            now_ms: 1_700_000_001_000,
            slips_in: None,
            busy: 0,
            silent_for: Duration::ZERO,
        };
        Arc::new(Self { ring, activity: Activity::default(), inner: Mutex::new(inner) })
    }

    /// Pays every member its endowment.
    pub fn grant(&self) {
        let (chain_id, endowment) = (self.ring.chain_id(), self.ring.parameters().endowment);
        for id in 1..NODES {
            let terms = Terms { nonce: u64::from(id - 1), valid_until: TTL_BLOCKS, chain_id };
            let member = self.ring.member(id).unwrap().wallet.clone();
            let grant = Transaction::grant(self.ring.bootstrap().clone(), member, endowment, terms);
            self.offer(grant.sign(&*wallet(0)).unwrap()).unwrap();
        }
        self.mint();
    }

    /// Commits one block of what is pending.
    pub fn mint(&self) {
        let pending: Vec<VerifiedTransaction> = self.lock().pool.candidates().cloned().collect();
        self.mint_of(&pending);
    }

    /// Commits one block of these transactions, as another member would that knows no others.
    pub fn mint_of(&self, transactions: &[VerifiedTransaction]) {
        let mut inner = self.lock();
        let parent = inner.tip();
        let tickets = inner.state.stakes(&self.ring);
        let winner = lottery::drawn(&parent.hash(), &tickets, 0).unwrap();
        let validator = self.ring.member(winner).unwrap().wallet.clone();
        inner.now_ms += 1_000;
        let (block, execution) =
            build(&self.ring, &inner.state, &parent, &validator, 0, inner.now_ms, transactions.iter()).unwrap();
        let height = block.header.index;
        let certificate = Certificate { height, round: 0, block: block.hash(), signatures: Vec::new() };
        let before = std::mem::replace(&mut inner.state, execution.state.clone());
        inner.before.push(before);
        inner.blocks.push(Arc::new(FinalBlock { block: block.clone(), certificate: Some(certificate.clone()) }));
        let state = inner.state.clone();
        let dropped = inner.pool.on_commit(&self.ring, &state, height, &block.transactions);
        drop(inner);
        let Execution { receipts, touched, .. } = execution;
        self.activity.committed(&Committed { block, certificate, receipts, state, touched }, |_| {});
        self.activity.dropped(&dropped);
    }

    /// What the wallet's transactions in the log are, in order.
    pub fn wallet_log(&self) -> Vec<(Option<String>, SignedTransaction)> {
        self.lock().wallet_log.clone()
    }

    /// Forgets what is pending, as a restart does.
    pub fn forget_pool(&self) {
        let mut inner = self.lock();
        inner.pool = Mempool::new(inner.limits);
    }

    /// Forgets one pending transaction, as a pool may that had to make room.
    pub fn lose(&self, signed: &SignedTransaction) {
        let mut inner = self.lock();
        let lost = inner.pool.get(&signed.wire_hash()).cloned();
        let (state, height, now) = (inner.state.clone(), inner.tip().index, inner.now_ms);
        let kept: Vec<_> = inner.pool.candidates().filter(|kept| kept.id() != signed.id()).cloned().collect();
        inner.pool = Mempool::new(inner.limits);
        for transaction in kept {
            inner.pool.insert(&self.ring, &state, height, now, transaction, Origin::Client).unwrap();
        }
        drop(inner);
        let dropped: Vec<Dropped> =
            lost.into_iter().map(|transaction| Dropped { transaction, reason: DropReason::HeldTooLong }).collect();
        self.activity.dropped(&dropped);
    }

    /// Takes none of the next submissions.
    pub fn be_busy(&self, times: u32) {
        self.lock().busy = times;
    }

    fn is_busy(&self) -> bool {
        let mut inner = self.lock();
        inner.busy = inner.busy.saturating_sub(1);
        inner.busy > 0
    }

    /// Lets a transaction slip in before the next submission is looked at.
    pub fn before_next_submission(&self, transaction: VerifiedTransaction) {
        self.lock().slips_in = Some(transaction);
    }

    pub fn set_peers(&self, heights: Vec<Option<u64>>) {
        self.lock().peer_heights = heights;
    }

    pub fn add_evidence(&self, evidence: Evidence) {
        self.lock().evidence.push(evidence);
    }

    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    pub fn height(&self) -> u64 {
        self.lock().tip().index
    }

    pub fn pool_len(&self) -> usize {
        self.lock().pool.len()
    }

    /// Puts a transaction of any origin into the pool.
    pub fn offer(&self, transaction: VerifiedTransaction) -> Result<Admitted, PoolError> {
        let mut inner = self.lock();
        let id = transaction.id();
        let (state, height, now) = (inner.state.clone(), inner.tip().index, inner.now_ms);
        let inserted = inner.pool.insert(&self.ring, &state, height, now, transaction, Origin::Client)?;
        drop(inner);
        inserted.ready.iter().for_each(|ready| self.activity.pooled(ready, Instant::now()));
        Ok(Admitted { id, duplicate: false })
    }

    fn admit(&self, submission: Submission) -> SubmitResult {
        let id = match &submission {
            Submission::Unverified(signed) => signed.id(),
            Submission::Own { transaction, .. } => transaction.id(),
        };
        let result = match submission {
            Submission::Own { transaction, key } => self.offer(transaction.clone()).inspect(|_| {
                self.lock().wallet_log.push((key, transaction.into_signed()));
            }),
            Submission::Unverified(signed) => self.precheck(&signed).and_then(|()| match signed.verify() {
                Ok(verified) => self.offer(verified),
                // Told apart from the pool's refusals below.
                Err(_) => Err(PoolError::HeldFull),
            }),
        };
        match result {
            Err(PoolError::Duplicate) => Ok(Admitted { id, duplicate: true }),
            Err(PoolError::HeldFull) => Err(SubmitError::BadSignature),
            other => other.map_err(SubmitError::from),
        }
    }

    fn precheck(&self, signed: &SignedTransaction) -> Result<(), PoolError> {
        let inner = self.lock();
        inner.pool.precheck(&self.ring, &inner.state, inner.tip().index, signed, Origin::Client)
    }

    /// The thread that owns the state has not come round for so long.
    pub fn hang(&self, silent_for: Duration) {
        self.lock().silent_for = silent_for;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Inner {
    fn tip(&self) -> BlockHeader {
        self.blocks.last().unwrap().block.header.clone()
    }
}

impl Backend for FakeLedger {
    fn submit(&self, transactions: Vec<Submission>) -> BoxFuture<'_, Result<Vec<SubmitResult>, Unavailable>> {
        Box::pin(async move {
            if self.is_busy() {
                return Err(Unavailable);
            }
            let slips_in = self.lock().slips_in.take();
            if let Some(transaction) = slips_in {
                self.offer(transaction).unwrap();
            }
            Ok(transactions.into_iter().map(|submission| self.admit(submission)).collect())
        })
    }

    fn pending_account(&self, account: AccountId) -> BoxFuture<'_, Result<PendingAccount, Unavailable>> {
        Box::pin(async move {
            let inner = self.lock();
            Ok(inner.pool.pending_account(&inner.state, &account))
        })
    }

    fn silent_for(&self) -> Duration {
        self.lock().silent_for
    }

    fn view(&self) -> Arc<View> {
        let inner = self.lock();
        let best = inner.peer_heights.iter().flatten().max().copied().unwrap_or_default();
        let blocks_behind = best.saturating_sub(inner.tip().index);
        let syncing = blocks_behind > 1;
        Arc::new(View {
            height: inner.tip().index,
            tip: inner.tip(),
            state: inner.state.clone(),
            round: None,
            voting: true,
            caught_up: !syncing,
            syncing,
            pool_transactions: inner.pool.len(),
            pool_bytes: inner.pool.bytes(),
            pool_limits: inner.pool.limits(),
            peer_heights: inner.peer_heights.clone(),
            connected: usize::from(NODES) - 1,
            blocks_behind,
        })
    }
}

impl Chain for FakeLedger {
    fn block(&self, height: u64) -> Result<Option<Arc<FinalBlock>>, ChainError> {
        Ok(usize::try_from(height).ok().and_then(|height| self.lock().blocks.get(height).cloned()))
    }

    fn height_of(&self, block: &Hash) -> Result<Option<u64>, ChainError> {
        let inner = self.lock();
        Ok(inner.blocks.iter().find(|found| found.block.hash() == *block).map(|found| found.block.header.index))
    }

    fn locate(&self, transaction: &Hash) -> Result<Option<Location>, ChainError> {
        Ok(self.locations(|signed| signed.id() == *transaction).first().copied())
    }

    fn history(
        &self,
        account: &AccountId,
        before: Option<Location>,
        limit: usize,
    ) -> Result<Vec<Location>, ChainError> {
        let touches = |signed: &SignedTransaction| {
            let transaction = signed.transaction();
            [&transaction.sender, &transaction.receiver]
                .iter()
                .any(|party| party.account_id().as_ref() == Some(account))
        };
        let mut found = self.locations(touches);
        found.retain(|location| before.is_none_or(|before| *location < before));
        found.reverse();
        found.truncate(limit);
        Ok(found)
    }

    fn tickets(&self, height: u64) -> Result<Option<Vec<u64>>, ChainError> {
        let index = usize::try_from(height).unwrap();
        Ok(self.lock().before.get(index).map(|state| state.stakes(&self.ring)))
    }

    fn evidence(&self) -> Result<Vec<Evidence>, ChainError> {
        Ok(self.lock().evidence.clone())
    }

    fn wallet_transaction(&self, key: &str) -> Result<Option<SignedTransaction>, ChainError> {
        let inner = self.lock();
        let found = inner.wallet_log.iter().rev().find(|(logged, _)| logged.as_deref() == Some(key));
        Ok(found.map(|(_, signed)| signed.clone()))
    }
}

impl FakeLedger {
    fn locations(&self, wanted: impl Fn(&SignedTransaction) -> bool) -> Vec<Location> {
        let inner = self.lock();
        let blocks = inner.blocks.iter().flat_map(|found| {
            let height = found.block.header.index;
            (0..).zip(&found.block.transactions).map(move |(position, signed)| (Location { height, position }, signed))
        });
        blocks.filter(|(_, signed)| wanted(signed)).map(|(location, _)| location).collect()
    }
}
