//! A second implementation of the hashes and the lottery, from `docs/encoding.md` alone: SHA-256 from
//! another library, ChaCha20 from RFC 8439, trees by their definition.

use aws_lc_rs::digest::{SHA256, digest};

/// Bytes put together piece by piece.
#[derive(Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    pub fn prefixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw(&(bytes.len() as u32).to_le_bytes()).raw(bytes)
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes).as_ref())
}

/// Bytes led by what they are.
pub fn tagged(domain: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Bytes::default();
    out.prefixed(domain.as_bytes()).raw(bytes);
    out.0
}

fn node(domain: &str, part: &[u8]) -> Vec<u8> {
    let mut out = Bytes::default();
    out.u64(domain.len() as u64).raw(domain.as_bytes()).u64(part.len() as u64).raw(part);
    digest(&SHA256, &out.0).as_ref().to_vec()
}

fn empty(domain: &str) -> Vec<u8> {
    let mut out = Bytes::default();
    out.u64(domain.len() as u64).raw(domain.as_bytes());
    digest(&SHA256, &out.0).as_ref().to_vec()
}

pub fn merkle_root(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves.len() {
        0 => empty("blockchat/transaction-empty/v1"),
        1 => node("blockchat/transaction-leaf/v1", &leaves[0]),
        count => {
            let mut left = 1;
            while left * 2 < count {
                left *= 2;
            }
            let mut out = Bytes::default();
            for child in [merkle_root(&leaves[..left]), merkle_root(&leaves[left..])] {
                out.u64(32).raw(&child);
            }
            let domain = "blockchat/transaction-branch/v1";
            let bytes = [&(domain.len() as u64).to_le_bytes(), domain.as_bytes(), &out.0].concat();
            digest(&SHA256, &bytes).as_ref().to_vec()
        }
    }
}

/// From the leaves' bytes, each of which begins with the account id.
pub fn state_root(leaves: &[Vec<u8>]) -> Vec<u8> {
    let bit = |leaf: &[u8], index: usize| leaf[index / 8] >> (7 - index % 8) & 1;
    match leaves {
        [] => empty("blockchat/state-empty/v1"),
        [leaf] => node("blockchat/state-leaf/v1", leaf),
        _ => {
            let differ = |index: &usize| leaves.iter().any(|leaf| bit(leaf, *index) != bit(&leaves[0], *index));
            let index = (0..256).find(differ).unwrap();
            let (ones, zeros): (Vec<_>, Vec<_>) = leaves.iter().cloned().partition(|leaf| bit(leaf, index) == 1);
            let position = (index as u16).to_le_bytes();
            node("blockchat/state-branch/v1", &[&position[..], &state_root(&zeros), &state_root(&ones)].concat())
        }
    }
}

/// Seed, number of tickets, ticket and member of each round.
pub fn draw_order(previous_hash: &[u8], tickets: &[u64]) -> Vec<(Vec<u8>, u64, u64, u64)> {
    let mut left: Vec<(u64, u128)> =
        tickets.iter().enumerate().map(|(id, count)| (id as u64, u128::from(*count))).collect();
    let mut draws = Vec::new();
    while !left.is_empty() {
        if left.iter().map(|(_, count)| count).sum::<u128>() == 0 {
            for (_, count) in &mut left {
                *count = 1;
            }
        }
        let total: u128 = left.iter().map(|(_, count)| count).sum();
        let round = draws.len() as u32;
        let seed = digest(&SHA256, &[previous_hash, &round.to_le_bytes()].concat()).as_ref().to_vec();
        let limit = (1 << 64) / total * total;
        let ticket = key_stream(&seed).map(u128::from).find(|number| *number < limit).unwrap() % total;
        let mut before = 0;
        let winner = left.iter().position(|(_, count)| {
            before += count;
            ticket < before
        });
        let (member, _) = left.remove(winner.unwrap());
        draws.push((seed, total as u64, ticket as u64, member));
    }
    draws
}

/// The ChaCha20 key stream (RFC 8439 with a block counter of 64 bits) as little-endian 64-bit numbers.
fn key_stream(key: &[u8]) -> impl Iterator<Item = u64> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let mut input = [0; 16];
    input[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    for (target, bytes) in input[4..12].iter_mut().zip(key.chunks(4)) {
        *target = word(bytes);
    }
    (0_u64..).flat_map(move |counter| {
        input[12] = counter as u32;
        input[13] = (counter >> 32) as u32;
        let mut state = input;
        for _ in 0..10 {
            for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]] {
                quarter_round(&mut state, a, b, c, d);
            }
            for [a, b, c, d] in [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]] {
                quarter_round(&mut state, a, b, c, d);
            }
        }
        let words: Vec<u64> =
            state.iter().zip(input).map(|(word, start)| u64::from(word.wrapping_add(start))).collect();
        words.chunks(2).map(|pair| pair[0] | pair[1] << 32).collect::<Vec<_>>()
    })
}

fn quarter_round(state: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    for (sum, mixed, turn) in [(a, d, 16), (c, b, 12), (a, d, 8), (c, b, 7)] {
        let other = if sum == a { b } else { d };
        state[sum] = state[sum].wrapping_add(state[other]);
        state[mixed] = (state[mixed] ^ state[sum]).rotate_left(turn);
    }
}
