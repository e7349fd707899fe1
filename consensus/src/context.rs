//! BlockChat's types for the Tendermint engine: who votes, on what, and who proposes in which round.
//!
//! The engine is generic over a `Context`. Two choices matter here. A value *is* a block hash: bodies travel
//! and are checked outside the engine. And the draw order of the lottery lives inside the per-height
//! [`ValidatorSet`], so that `select_proposer` stays a pure function of (set, height, round).

use std::fmt;
use std::sync::Arc;

use blockchat_ledger::Hash;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{SigningKey, VerifyingKey};
use malachitebft_core_types as types;
use types::{NilOrVal, Round, SignedExtension, VoteType};

/// The engine's type parameter.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockChat;

/// A member's id, used as the engine's validator address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct MemberId(pub u16);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Address for MemberId {}

/// A block's index, as the engine's height. Genesis is 0; the first decided height is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A block hash, as the engine's value and value id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct BlockId(pub Hash);

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Value for BlockId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// A member as the engine sees it: one vote each, whatever its stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    address: MemberId,
    key: VerifyingKey,
}

impl types::Validator<BlockChat> for Validator {
    fn address(&self) -> &MemberId {
        &self.address
    }

    fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        1
    }
}

/// The members and, for one height, the order in which the lottery drew them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    members: Arc<[Validator]>,
    draw_order: Arc<[u16]>,
    quorum: usize,
}

impl ValidatorSet {
    /// The set of all members, ids counted from 0 in the order of `keys`; the draw order is set per height.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        let members: Arc<[Validator]> =
            (0u16..).zip(keys).map(|(id, key)| Validator { address: MemberId(id), key }).collect();
        let draw_order = members.iter().map(|member| member.address.0).collect();
        Self { quorum: quorum(members.len()), members, draw_order }
    }

    /// The same members with the draw order of another height (a permutation of the ids).
    #[must_use]
    pub fn with_draw_order(&self, draw_order: Vec<u16>) -> Self {
        Self { members: Arc::clone(&self.members), draw_order: draw_order.into(), quorum: self.quorum }
    }

    /// Who proposes in `round`: the order repeats after every member has been drawn once.
    pub fn proposer(&self, round: u32) -> MemberId {
        let len = self.draw_order.len().max(1);
        let place = usize::try_from(round).unwrap_or(0) % len;
        MemberId(self.draw_order.get(place).copied().unwrap_or(0))
    }

    /// The member's consensus key, if there is such a member.
    pub fn key(&self, id: MemberId) -> Option<&VerifyingKey> {
        self.members.get(usize::from(id.0)).map(|member| &member.key)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Votes needed to decide: more than two thirds of the members.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// The same members deciding with another number of votes: for the simulation, which must notice.
    #[cfg(test)]
    pub(crate) fn with_quorum(self, quorum: usize) -> Self {
        Self { quorum, ..self }
    }
}

/// Votes needed among `members`: the smallest count above two thirds (Tendermint's 2f+1).
pub const fn quorum(members: usize) -> usize {
    members * 2 / 3 + 1
}

/// f, how many members may be silent or lie: ⌊(n-1)/3⌋.
pub const fn fault_tolerance(members: usize) -> usize {
    members.saturating_sub(1) / 3
}

impl types::ValidatorSet<BlockChat> for ValidatorSet {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.members.len() as u64
    }

    fn get_by_address(&self, address: &MemberId) -> Option<&Validator> {
        self.members.get(usize::from(address.0))
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.members.get(index)
    }
}

/// "I propose this block in this round"; `pol_round` names the round of the polka a repeated proposal rests on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// Height the block would take.
    pub height: Height,
    /// Round it is proposed in.
    pub round: Round,
    /// Hash of the block.
    pub block: BlockId,
    /// Round of the proof-of-lock, nil for a freshly minted block.
    pub pol_round: Round,
    /// The proposer.
    pub proposer: MemberId,
}

impl types::Proposal<BlockChat> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockId {
        &self.block
    }

    fn take_value(self) -> BlockId {
        self.block
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &MemberId {
        &self.proposer
    }
}

/// A prevote or precommit, for a block or for nil.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Height voted on.
    pub height: Height,
    /// Round voted in.
    pub round: Round,
    /// The block, or nil.
    pub block: NilOrVal<BlockId>,
    /// The voter.
    pub voter: MemberId,
}

impl types::Vote<BlockChat> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.block
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.block
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &MemberId {
        &self.voter
    }

    fn extension(&self) -> Option<&SignedExtension<BlockChat>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<BlockChat>> {
        None
    }

    fn extend(self, _: SignedExtension<BlockChat>) -> Self {
        self
    }
}

/// The engine's part type. Bodies travel outside the engine, so nothing ever makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPart;

impl types::ProposalPart<BlockChat> for NoPart {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct ConsensusSignature(pub [u8; 64]);

/// Ed25519, as the engine's signing scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519;

impl types::SigningScheme for Ed25519 {
    type DecodingError = String;
    type Signature = ConsensusSignature;
    type PublicKey = VerifyingKey;
    type PrivateKey = SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<ConsensusSignature, String> {
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| format!("a signature has 64 bytes, not {}", bytes.len()))?;
        Ok(ConsensusSignature(bytes))
    }

    fn encode_signature(signature: &ConsensusSignature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<VerifyingKey, String> {
        let bytes: [u8; 32] =
            bytes.try_into().map_err(|_| format!("a public key has 32 bytes, not {}", bytes.len()))?;
        VerifyingKey::from_bytes(&bytes).map_err(|error| error.to_string())
    }

    fn encode_public_key(key: &VerifyingKey) -> Vec<u8> {
        key.to_bytes().to_vec()
    }
}

impl types::Context for BlockChat {
    type Address = MemberId;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = types::LinearTimeouts;
    type Value = BlockId;
    type Vote = Vote;
    type Extension = bytes::Bytes;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, set: &'a ValidatorSet, _: Height, round: Round) -> &'a Validator {
        let id = set.proposer(round.as_u32().unwrap_or(0));
        &set.members[usize::from(id.0)]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        block: BlockId,
        pol_round: Round,
        proposer: MemberId,
    ) -> Proposal {
        Proposal { height, round, block, pol_round, proposer }
    }

    fn new_prevote(&self, height: Height, round: Round, block: NilOrVal<BlockId>, voter: MemberId) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, block, voter }
    }

    fn new_precommit(&self, height: Height, round: Round, block: NilOrVal<BlockId>, voter: MemberId) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, block, voter }
    }
}

/// A vote with its voter's signature.
pub type SignedVote = types::SignedVote<BlockChat>;
/// A proposal with its proposer's signature.
pub type SignedProposal = types::SignedProposal<BlockChat>;
