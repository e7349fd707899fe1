//! A typed client of a BlockChat node's public HTTP interface.
//!
//! One [`Client`] talks to one node and keeps its connections alive; cloning it is cheap and shares them. Request and
//! answer types are those of `blockchat-api`, so that client and node cannot drift apart.
//!
//! ```no_run
//! # async fn example() -> Result<(), blockchat_client::Error> {
//! use blockchat_client::{Client, Payment, Wait};
//!
//! let node = Client::new("http://127.0.0.1:5000")?;
//! let payment = Payment::message("1", "hello").idempotency_key("greeting-1");
//! let answer = node.pay(&payment, Wait::Committed).await?;
//! println!("{} stands in block {:?}", answer.transaction_id, answer.block_index);
//! # Ok(())
//! # }
//! ```
//!
//! # What a failure means
//! [`Error::Problem`] is the node's own answer: nothing was done, and [`Error::code`] says why. After
//! [`Error::Connection`] and [`Error::Timeout`] the request may or may not have been carried out; a payment is repeated
//! safely only under the same [`Payment::idempotency_key`].

mod client;
mod error;
mod events;
mod payment;
mod receipt;
mod wallet;

pub use blockchat_api as api;
pub use blockchat_api::Wait;
pub use client::{Client, Options};
pub use error::Error;
pub use events::EventStream;
pub use payment::Payment;
pub use receipt::{ReceiptError, VerifiedReceipt, verify_receipt};
pub use wallet::{LocalWallet, Order, OrderError};
