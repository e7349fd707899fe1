//! The store as HTTP and the wallet read it.

use std::sync::Arc;

use blockchat_consensus::Evidence;
use blockchat_ledger::{AccountId, Hash, SignedTransaction};

use crate::http::backend::{Chain, ChainError, FinalBlock, Location};
use crate::storage::{Reader, StoreError};

impl From<StoreError> for ChainError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Chain for Reader {
    fn block(&self, height: u64) -> Result<Option<Arc<FinalBlock>>, ChainError> {
        let stored = Self::block(self, height)?;
        Ok(stored.map(|stored| {
            Arc::new(FinalBlock { block: stored.block.clone(), certificate: stored.certificate.clone() })
        }))
    }

    fn height_of(&self, block: &Hash) -> Result<Option<u64>, ChainError> {
        Ok(Self::height_of(self, block)?)
    }

    fn locate(&self, transaction: &Hash) -> Result<Option<Location>, ChainError> {
        Ok(Self::place(self, transaction)?.map(location))
    }

    fn history(
        &self,
        account: &AccountId,
        before: Option<Location>,
        limit: usize,
    ) -> Result<Vec<Location>, ChainError> {
        let before = before.map_or((u64::MAX, u32::MAX), |location| (location.height, location.position));
        Ok(Self::history(self, account, before, limit)?.into_iter().map(location).collect())
    }

    fn tickets(&self, height: u64) -> Result<Option<Vec<u64>>, ChainError> {
        Ok(Self::tickets(self, height)?)
    }

    fn evidence(&self) -> Result<Vec<Evidence>, ChainError> {
        Ok(Self::evidence(self)?)
    }

    fn wallet_transaction(&self, key: &str) -> Result<Option<SignedTransaction>, ChainError> {
        Ok(Self::keyed(self, key)?.map(|own| own.transaction))
    }
}

fn location((height, position): (u64, u32)) -> Location {
    Location { height, position }
}
