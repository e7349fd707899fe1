//! The checked descriptor, indexed: what every rule about members is asked of.

use std::collections::BTreeMap;

use crate::descriptor::{Descriptor, DescriptorError, Member, SignedDescriptor};
use crate::hash::Hash;
use crate::keys::{AccountId, PublicKey};
use crate::params::{Parameters, founding_id};

/// The members of a network whose descriptor has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    signed: SignedDescriptor,
    chain_id: Hash,
    founding_id: Hash,
    bootstrap: PublicKey,
    ids: BTreeMap<AccountId, u16>,
}

impl Ring {
    /// Verifies the descriptor and indexes it.
    pub fn new(signed: SignedDescriptor) -> Result<Self, DescriptorError> {
        signed.verify()?;
        let Descriptor { parameters, members, .. } = &signed.descriptor;
        let Some(bootstrap) = members.first().map(|member| member.wallet.clone()) else {
            return Err(DescriptorError::MemberCount { expected: usize::from(parameters.nodes), found: 0 });
        };
        let ids = members.iter().map(|member| (member.wallet.account_id(), member.id)).collect();
        let founding_id = founding_id(parameters, &bootstrap);
        Ok(Self { chain_id: signed.descriptor.chain_id(), founding_id, bootstrap, ids, signed })
    }

    /// The hash of the descriptor.
    pub fn chain_id(&self) -> Hash {
        self.chain_id
    }

    /// What genesis and join messages are bound to.
    pub fn founding_id(&self) -> Hash {
        self.founding_id
    }

    /// What the network was founded with.
    pub fn parameters(&self) -> &Parameters {
        &self.signed.descriptor.parameters
    }

    /// The descriptor and its signature.
    pub fn descriptor(&self) -> &SignedDescriptor {
        &self.signed
    }

    /// The members, in the order of their ids.
    pub fn members(&self) -> &[Member] {
        &self.signed.descriptor.members
    }

    /// The member with the id.
    pub fn member(&self, id: u16) -> Option<&Member> {
        self.members().get(usize::from(id))
    }

    /// The member whose wallet this account is.
    pub fn id_of(&self, account: &AccountId) -> Option<u16> {
        self.ids.get(account).copied()
    }

    /// The wallet of member 0.
    pub fn bootstrap(&self) -> &PublicKey {
        &self.bootstrap
    }
}
