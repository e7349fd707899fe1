//! Whole nodes that found and join a network, with real listeners and data folders.

mod machines;

use std::collections::BTreeSet;

use axum::http::StatusCode;
use blockchat_ledger::{Parameters, PublicKey, founding_id};

use super::joiner::{Failed, PeerClient};
use super::wire::*;
use super::*;
use crate::peer::testing::{consensus_key, wallet};

use machines::*;

#[tokio::test]
async fn five_nodes_found_a_network_ids_in_order_of_arrival() {
    let mut machines = vec![Machine::new(0, 5, None).await];
    for index in 1..5 {
        machines.push(Machine::new(index, 5, Some(&machines[0])).await);
    }
    let mut processes = vec![machines[0].start().await];
    let order = [3u16, 1, 4, 2];
    for (expected, index) in (1..).zip(order) {
        let mut process = machines[usize::from(index)].start().await;
        let arrived = move |phase: &Phase| registered_as(expected)(phase) || matches!(phase, Phase::Joined { .. });
        process.reaches(arrived).await;
        processes.push(process);
    }
    let mut chains = BTreeSet::new();
    let mut networks = Vec::new();
    for (expected, process) in (0..).zip(&mut processes) {
        let (membership, peers) = process.outcome().await.unwrap();
        assert_eq!(membership.me, expected);
        assert_eq!(process.phase.borrow().to_string(), format!("joined as member {expected}"));
        chains.insert(membership.ring.chain_id());
        assert_eq!(membership.genesis.hash(), membership.ring.descriptor().descriptor.genesis_hash);
        assert_eq!(membership.genesis_state.total_supply(), membership.ring.parameters().supply());
        networks.push((membership, peers));
    }
    assert_eq!(chains.len(), 1);
    let wallets: Vec<&PublicKey> = networks[0].0.ring.members().iter().map(|member| &member.wallet).collect();
    let expected: Vec<PublicKey> =
        [0, 3, 1, 4, 2].into_iter().map(|index| wallet(index).public_key().clone()).collect();
    assert_eq!(wallets, expected.iter().collect::<Vec<_>>());
    // All find each other, and each learns the others' own records.
    tokio::time::timeout(PATIENCE, async {
        while networks.iter().any(|(m, peers)| peers.connected() < 4 || m.urls.newest().0.len() < 5) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert!(!machines[0].registered());
}

#[tokio::test]
async fn joiners_wait_for_a_bootstrap_node_that_comes_later() {
    let bootstrap = Machine::new(0, 2, None).await;
    let joiner = Machine::new(1, 2, Some(&bootstrap)).await;
    let mut waiting = joiner.start().await;
    let phase = waiting.reaches(|phase| matches!(phase, Phase::WaitingForBootstrap { .. })).await;
    assert!(phase.to_string().contains(&bootstrap.url()), "{phase}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut founding = bootstrap.start().await;
    assert_eq!((founding.joined().await.me, waiting.joined().await.me), (0, 1));
}

#[tokio::test]
async fn a_network_of_one_is_founded_at_once_and_only_once() {
    let machine = Machine::new(0, 1, None).await;
    let mut first = machine.start().await;
    let chain = first.joined().await.ring.chain_id();
    first.kill().await;
    let mut second = machine.start().await;
    assert_eq!(second.joined().await.ring.chain_id(), chain);
}

#[tokio::test]
async fn registrations_survive_a_restart_of_the_bootstrap_node() {
    let bootstrap = Machine::new(0, 4, None).await;
    let founding = bootstrap.start().await;
    let (third, first) = (Machine::new(3, 4, Some(&bootstrap)).await, Machine::new(1, 4, Some(&bootstrap)).await);
    let mut early = third.start().await;
    early.reaches(registered_as(1)).await;
    let mut middle = first.start().await;
    middle.reaches(registered_as(2)).await;
    founding.kill().await;
    assert!(bootstrap.registered());
    early.reaches(|phase| matches!(phase, Phase::WaitingForBootstrap { .. })).await;
    let mut founding = bootstrap.start().await;
    let mut late = Machine::new(2, 4, Some(&bootstrap)).await.start().await;
    let ids = (founding.joined().await.me, early.joined().await.me, middle.joined().await.me, late.joined().await.me);
    assert_eq!(ids, (0, 1, 2, 3));
}

#[tokio::test]
async fn one_that_died_before_the_ring_closed_frees_its_id() {
    let bootstrap = Machine::new(0, 3, None).await;
    let mut founding = bootstrap.start().await;
    let mut dying = Machine::new(1, 3, Some(&bootstrap)).await.start().await;
    dying.reaches(registered_as(1)).await;
    dying.kill().await;
    tokio::time::sleep(timing().lease).await;
    let mut second = Machine::new(2, 3, Some(&bootstrap)).await.start().await;
    second.reaches(registered_as(1)).await;
    let mut third = Machine::new(3, 3, Some(&bootstrap)).await.start().await;
    assert_eq!((second.joined().await.me, third.joined().await.me), (1, 2));
    assert_eq!(founding.joined().await.ring.members().len(), 3);
}

#[tokio::test]
async fn a_full_network_refuses_and_the_joiner_says_so() {
    let (machines, _processes, _) = network(2).await;
    let hand = Hand::new(2, &machines[0]).await;
    let refusal = hand.refusal(|_| {}).await;
    assert_eq!(refusal, (409, "network_full".to_owned(), "network is full".to_owned()));
    let text = hand.machine.start().await.failed().await;
    assert!(text.contains("network is full (network_full)"), "{text}");
}

#[tokio::test]
async fn proofs_that_prove_nothing_are_refused() {
    let bootstrap = Machine::new(0, 3, None).await;
    let process = bootstrap.start().await;
    let hand = Hand::new(1, &bootstrap).await;
    let other = Hand::new(2, &bootstrap).await;
    let foreign = other.request().await;
    let is = |refusal: (u16, String, String), status: u16, code: &str| {
        assert_eq!((refusal.0, refusal.1.as_str()), (status, code), "{}", refusal.2);
    };
    is(hand.refusal(|r| r.proof = foreign.proof.clone()).await, 403, "bad_proof");
    is(hand.refusal(|r| r.certification = foreign.certification.clone()).await, 403, "bad_proof");
    is(hand.refusal(|r| r.url = "http://elsewhere:1".to_owned()).await, 403, "bad_proof");
    is(hand.refusal(|r| r.consensus_key = foreign.consensus_key).await, 403, "bad_proof");
    is(hand.refusal(|r| r.wallet = foreign.wallet.clone()).await, 403, "bad_proof");
    is(hand.refusal(|r| r.challenge = Hash([1; 32])).await, 403, "stale_challenge");
    is(hand.refusal(|r| r.wallet = "AAAA".to_owned()).await, 400, "bad_registration");
    is(hand.refusal(|r| r.proof = "%".to_owned()).await, 400, "bad_registration");
    is(hand.refusal(|r| r.url = "ftp://x".to_owned()).await, 400, "bad_registration");
    // A registration that was accepted cannot be sent again by somebody who overheard it.
    let request = hand.request().await;
    assert_eq!(hand.send(&request).await.unwrap().id, 1);
    assert_eq!(hand.send(&request).await.unwrap_err().code, "stale_challenge");
    assert_eq!(process.joining.inner.phase.borrow().to_string(), "joining as member 0: 1 of 2 joiners are live");
}

#[tokio::test]
async fn other_parameters_are_refused_naming_the_first_difference() {
    let bootstrap = Machine::new(0, 3, None).await;
    let _process = bootstrap.start().await;
    let hand = Hand::new(1, &bootstrap).await;
    let refusal = hand.refusal(|request| request.parameters.capacity = 5).await;
    let expected = "capacity: yours 5, network 10";
    assert_eq!(refusal, (409, "parameters_differ".to_owned(), expected.to_owned()));
    let mut machine = Machine::new(1, 3, Some(&bootstrap)).await;
    machine.settings.parameters.capacity = 5;
    let text = machine.start().await.failed().await;
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn two_processes_with_one_wallet_do_not_both_join() {
    let bootstrap = Machine::new(0, 3, None).await;
    let _founding = bootstrap.start().await;
    let first = Machine::new(1, 3, Some(&bootstrap)).await;
    let mut living = first.start().await;
    living.reaches(registered_as(1)).await;
    let text = Machine::new(1, 3, Some(&bootstrap)).await.start().await.failed().await;
    assert!(text.contains("key_in_use") && text.contains(&first.url()), "{text}");
    let mut thief = Machine::new(2, 3, Some(&bootstrap)).await;
    thief.key = first.key.clone();
    let text = thief.start().await.failed().await;
    assert!(text.contains("consensus_key_taken"), "{text}");
    let mut own = Machine::new(0, 3, Some(&bootstrap)).await;
    own.key = consensus_key(5);
    assert!(own.start().await.failed().await.contains("bootstrap_key"));
}

#[tokio::test]
async fn the_join_token_is_asked_for() {
    let mut bootstrap = Machine::new(0, 2, None).await;
    bootstrap.settings.join_token = Some("right\n".to_owned());
    let mut founding = bootstrap.start().await;
    for token in [None, Some("wrong"), Some("right-and-more"), Some("righ")] {
        let mut machine = Machine::new(1, 2, Some(&bootstrap)).await;
        machine.settings.join_token = token.map(str::to_owned);
        let text = machine.start().await.failed().await;
        assert!(text.contains("JOIN_TOKEN_FILE") && text.contains("bad_join_token"), "{text}");
    }
    let mut machine = Machine::new(1, 2, Some(&bootstrap)).await;
    machine.settings.join_token = Some("right".to_owned());
    assert_eq!(machine.start().await.joined().await.me, 1);
    founding.joined().await;
    for path in [FOUNDING_PATH, DESCRIPTOR_PATH] {
        let answer = reqwest::get(format!("{}{path}", bootstrap.url())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED.as_u16());
    }
}

#[tokio::test]
async fn a_member_starts_with_its_descriptor_when_the_bootstrap_node_is_gone() {
    let (machines, mut processes, members) = network(3).await;
    let chain = members[0].ring.chain_id();
    for process in processes.drain(..) {
        process.kill().await;
    }
    let mut one = machines[1].start().await;
    let mut two = machines[2].start().await;
    let (one, two) = (one.outcome().await.unwrap(), two.outcome().await.unwrap());
    assert_eq!((one.0.ring.chain_id(), two.0.ring.chain_id()), (chain, chain));
    tokio::time::timeout(PATIENCE, async {
        while !one.1.is_connected(2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_wiped_bootstrap_node_learns_its_network_from_members() {
    let (mut machines, mut processes, members) = network(3).await;
    processes.remove(0).kill().await;
    machines[0].wipe();
    let mut wiped = machines[0].start().await;
    let (again, peers) = wiped.outcome().await.unwrap();
    assert_eq!(again.ring, members[0].ring);
    assert_eq!(again.genesis, members[0].genesis);
    tokio::time::timeout(PATIENCE, async {
        while peers.connected() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_bootstrap_node_that_lost_its_key_too_stops() {
    let (mut machines, mut processes, members) = network(2).await;
    processes.remove(0).kill().await;
    machines[0].wipe();
    machines[0].index = 5;
    let text = machines[0].start().await.failed().await;
    assert!(text.contains(&members[0].ring.chain_id().to_string()) && text.contains("WALLET_FILE"), "{text}");
    // Members of a network that merely once had a node at this address do not stop it.
    let stranger = Machine::new(5, 3, None).await;
    let mut founding = stranger.start().await;
    let told = PeerClient::new(&stranger.settings).unwrap();
    let package = processes[0].joining.known().unwrap().package();
    let answer = told.post::<Told>(&stranger.url(), DESCRIPTOR_PATH, &package).await;
    assert!(matches!(answer, Err(Failed::Refused(problem)) if problem.code == "other_network"));
    founding.reaches(registered_as(0)).await;
    assert!(founding.joining.known().is_none() && lock(&founding.joining.inner.fatal).is_none());
}

#[tokio::test]
async fn a_joiner_does_not_follow_a_bootstrap_node_that_changes_its_wallet() {
    let mut bootstrap = Machine::new(0, 3, None).await;
    let founding = bootstrap.start().await;
    let mut waiting = Machine::new(1, 3, Some(&bootstrap)).await.start().await;
    waiting.reaches(registered_as(1)).await;
    founding.kill().await;
    bootstrap.wipe();
    bootstrap.index = 5;
    let _other = bootstrap.start().await;
    let text = waiting.failed().await;
    assert!(text.contains("bootstrap_changed"), "{text}");
}

#[tokio::test]
async fn a_wiped_joiner_is_told_its_id_by_the_bootstrap_node() {
    let (mut machines, mut processes, members) = network(2).await;
    processes.remove(1).kill().await;
    machines[1].wipe();
    let again = machines[1].start().await.joined().await;
    assert_eq!((again.me, &again.ring), (1, &members[0].ring));
}

#[tokio::test]
async fn a_wiped_joiner_is_told_by_members_when_the_bootstrap_node_is_gone() {
    let (mut machines, mut processes, members) = network(3).await;
    processes.remove(2).kill().await;
    processes.remove(0).kill().await;
    machines[2].wipe();
    let again = machines[2].start().await.joined().await;
    assert_eq!((again.me, &again.ring), (2, &members[0].ring));
}

#[tokio::test]
async fn a_member_without_its_consensus_key_is_told_to_restore_it() {
    let (mut machines, mut processes, _) = network(2).await;
    processes.remove(1).kill().await;
    machines[1].wipe();
    machines[1].key = consensus_key(6);
    let text = machines[1].start().await.failed().await;
    assert!(text.contains("consensus key"), "{text}");
}

#[tokio::test]
async fn a_member_that_moved_is_found_again() {
    let (mut machines, mut processes, _) = network(3).await;
    // Member 0 dials nobody: the others can only learn from it where it is now.
    processes.remove(0).kill().await;
    machines[0].address = free_address().await;
    machines[0].settings.advertise_url = format!("http://{}", machines[0].address);
    let mut moved = machines[0].start().await;
    let (membership, peers) = moved.outcome().await.unwrap();
    tokio::time::timeout(PATIENCE, async {
        while peers.connected() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(membership.urls.newest().0[0].sequence, 2);
}

#[tokio::test]
async fn a_second_process_with_a_members_wallet_is_refused_while_the_member_is_connected() {
    let (machines, _processes, _) = network(2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let hand = Hand::new(1, &machines[0]).await;
    let (status, code, _) = hand.refusal(|_| {}).await;
    assert_eq!((status, code.as_str()), (409, "key_in_use"));
}

#[tokio::test]
async fn a_node_does_not_start_with_settings_that_contradict_its_network() {
    let (mut machines, mut processes, _) = network(2).await;
    for process in processes.drain(..) {
        process.kill().await;
    }
    let open = |machine: &Machine| Joining::open(machine.settings.clone(), machine.identity());
    machines[1].settings.parameters.ttl_blocks = 7;
    let text = open(&machines[1]).unwrap_err().to_string();
    assert!(text.contains("ttl_blocks: yours 7, network 10000"), "{text}");
    machines[1].settings.parameters.ttl_blocks = 10_000;
    machines[1].settings.is_bootstrap = true;
    assert!(open(&machines[1]).unwrap_err().to_string().contains("--bootstrap"));
    machines[1].settings.is_bootstrap = false;
    machines[1].index = 4;
    assert!(open(&machines[1]).unwrap_err().to_string().contains("not a member"));
    machines[0].settings.is_bootstrap = false;
    machines[0].settings.bootstrap_url = Some(machines[1].url());
    assert!(open(&machines[0]).unwrap_err().to_string().contains("--bootstrap"));
    std::fs::write(machines[0].folder.path().join("network"), b"damaged").unwrap();
    assert!(open(&machines[0]).unwrap_err().to_string().contains("DATA_DIR"));
}

#[tokio::test]
async fn settings_are_checked_and_named() {
    let machine = Machine::new(0, 3, None).await;
    let text = |change: &dyn Fn(&mut JoinSettings)| {
        let mut settings = machine.settings.clone();
        change(&mut settings);
        Joining::open(settings, machine.identity()).unwrap_err().to_string()
    };
    assert!(text(&|s| s.parameters.nodes = 0).starts_with("NODES: "));
    assert!(text(&|s| s.parameters.capacity = 0).starts_with("CAPACITY: "));
    assert!(text(&|s| s.advertise_url = "node".to_owned()).starts_with("ADVERTISE_URL: "));
    assert!(text(&|s| s.is_bootstrap = false).starts_with("BOOTSTRAP_URL: "));
    assert!(text(&|s| s.bootstrap_url = Some("https://x".to_owned())).starts_with("BOOTSTRAP_URL: "));
    assert!(text(&|s| s.join_token = Some(" \n".to_owned())).starts_with("JOIN_TOKEN_FILE: "));
}

#[tokio::test]
async fn a_false_network_is_not_taken() {
    let (_machines, processes, _) = network(2).await;
    let package = processes[0].joining.known().unwrap().package();
    let bootstrap = Machine::new(3, 2, None).await;
    let fresh = Machine::new(1, 2, Some(&bootstrap)).await;
    let _waiting = fresh.start().await;
    let client = PeerClient::new(&fresh.settings).unwrap();
    let tell = async |package: NetworkPackage| match client.post::<Told>(&fresh.url(), DESCRIPTOR_PATH, &package).await
    {
        Err(Failed::Refused(problem)) => problem.detail,
        Err(Failed::Unreachable(reason)) => panic!("{reason}"),
        Ok(_) => "taken".to_owned(),
    };
    let spoilt = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = from_base64(&package.descriptor).unwrap();
        change(&mut bytes);
        NetworkPackage { descriptor: to_base64(&bytes), ..package.clone() }
    };
    assert!(tell(spoilt(&|bytes| *bytes.last_mut().unwrap() ^= 1)).await.contains("signature"));
    assert!(tell(spoilt(&|bytes| bytes.push(0))).await.contains("malformed"));
    let mut other_genesis = package.clone();
    let parameters = Parameters::assignment(2, 10);
    let (block, _) = blockchat_ledger::genesis(&parameters, wallet(0).public_key(), 12345).unwrap();
    other_genesis.chain = vec![to_base64(&block.encode())];
    assert!(tell(other_genesis).await.contains("genesis"));
    assert!(tell(NetworkPackage { chain: Vec::new(), ..package.clone() }).await.contains("chain"));
    assert_eq!(tell(package.clone()).await, "taken");
    // Once the bootstrap node has shown another founding, that one counts.
    let _founding = bootstrap.start().await;
    let mut other = Machine::new(1, 2, Some(&bootstrap)).await;
    other.settings.bootstrap_url = Some(bootstrap.url());
    let shown = other.start().await;
    let founding = founding_id(&parameters, wallet(3).public_key());
    tokio::time::timeout(PATIENCE, async {
        while shown.joining.inner.founding_seen.get() != Some(&founding) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let answer = client.post::<Told>(&other.url(), DESCRIPTOR_PATH, &package).await;
    assert!(matches!(answer, Err(Failed::Refused(problem)) if problem.code == "other_network"));
}
