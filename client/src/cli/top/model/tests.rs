use super::super::testing::{CHAIN, answers, block, hash, model, silent, snapshot, stakes, status};
use super::*;
use blockchat_client::api::{PeerItem, Phase};
use std::time::Duration;

fn source(node: usize, height: u64) -> Report {
    Report::Source { node, chain_id: CHAIN, height }
}

/// A model that has seen the blocks 5 to 8 from node 0.
fn at_eight(nodes: usize) -> (Model, Instant) {
    let now = Instant::now();
    let mut model = model(nodes, now);
    model.apply(source(0, 8), now);
    for index in 5..=8 {
        model.apply(block(index, 1), now);
    }
    (model, now)
}

fn agreement(model: &Model, now: Instant) -> (Option<bool>, String) {
    let agreement = model.snapshot(now, 0).agreement;
    (agreement.one_chain, agreement.text)
}

#[test]
fn nodes_at_different_heights_of_one_chain_agree() {
    let (mut model, now) = at_eight(3);
    assert_eq!(agreement(&model, now), (None, "no node answers".to_owned()));
    for (node, height) in [(0, 8), (1, 6), (2, 5)] {
        model.apply(answers(node, status(u16::try_from(node).unwrap(), height)), now);
    }
    assert_eq!(agreement(&model, now), (Some(true), "one chain".to_owned()));
    assert_eq!(model.snapshot(now, 0).height, Some(8));
    // One is ahead of the blocks that were told so far: it keeps its verdict until they are.
    model.apply(answers(2, status(2, 9)), now);
    assert_eq!(agreement(&model, now).0, Some(true));
    model.apply(block(9, 0), now);
    assert_eq!(model.snapshot(now, 0).nodes[2].tip, Tip::Agrees);
}

#[test]
fn a_fork_names_the_nodes_and_the_height() {
    let (mut model, now) = at_eight(3);
    model.apply(answers(0, status(2, 8)), now);
    model.apply(answers(1, StatusAnswer { tip_hash: Some(hash(77)), ..status(0, 7) }), now);
    model.apply(answers(2, status(1, 8)), now);
    assert_eq!(agreement(&model, now), (Some(false), "FORKED: node 0 has another block 7 than node 2".to_owned()));
    // It goes on on its own chain: the height at which it was noticed stays.
    model.apply(answers(1, StatusAnswer { tip_hash: Some(hash(78)), ..status(0, 8) }), now);
    let shown = model.snapshot(now, 0);
    assert_eq!((shown.nodes[1].tip, shown.nodes[1].differs_at), (Tip::Differs, Some(7)));
    // A fork that is not known before the block comes is found when it does.
    model.apply(answers(2, StatusAnswer { tip_hash: Some(hash(79)), ..status(1, 9) }), now);
    assert_eq!(model.snapshot(now, 0).nodes[2].tip, Tip::Agrees, "as far as it is known");
    model.apply(block(9, 0), now);
    let text = agreement(&model, now).1;
    assert!(text.ends_with("node 1 has another block 9 than node 2"), "{text}");
    // Emptied and synchronised again, it is one of them.
    model.apply(answers(1, status(0, 8)), now);
    model.apply(answers(2, status(1, 8)), now);
    assert_eq!(agreement(&model, now), (Some(true), "one chain".to_owned()));
}

#[test]
fn a_node_that_is_far_behind_is_compared_once_its_block_is_known() {
    let (mut model, now) = at_eight(2);
    model.apply(answers(0, status(0, 8)), now);
    model.apply(answers(1, StatusAnswer { phase: Phase::Syncing, ..status(1, 2) }), now);
    assert_eq!(agreement(&model, now), (None, "not compared yet".to_owned()));
    assert_eq!(model.missing(), Some((0, BTreeSet::from([2]))));
    model.apply(Report::Hash { node: 0, height: 2, hash: hash(2) }, now);
    assert_eq!(agreement(&model, now).0, Some(true));
    assert_eq!(model.missing(), Some((0, BTreeSet::new())));
}

#[test]
fn a_node_of_another_network_is_no_fork() {
    let (mut model, now) = at_eight(3);
    for node in [0, 1] {
        model.apply(answers(node, status(u16::try_from(node).unwrap(), 8)), now);
    }
    let stranger = StatusAnswer { chain_id: Some(Hash([3; 32])), tip_hash: Some(hash(1)), ..status(2, 4_000) };
    model.apply(answers(2, stranger), now);
    assert_eq!(agreement(&model, now), (Some(true), "one chain; of another network: node 2".to_owned()));
    assert_eq!(model.snapshot(now, 0).height, Some(8), "its height is none of this chain");
}

#[test]
fn a_node_that_is_away_stays_as_a_row_with_the_reason() {
    let (mut model, now) = at_eight(2);
    model.apply(answers(0, status(0, 8)), now);
    model.apply(answers(1, status(1, 8)), now);
    model.apply(silent(0, "connection refused"), now);
    let shown = model.snapshot(now, 0);
    assert_eq!((shown.nodes_answering, shown.nodes.len()), (1, 2));
    let away = &shown.nodes[0];
    assert_eq!((away.id, away.unreachable.as_deref(), away.height), (Some(0), Some("connection refused"), None));
    assert!(shown.figures.transactions_per_second.is_none(), "old figures are no figures");
    assert!(model.silence().is_none());
    // The next one tells the blocks from where the first one stopped.
    model.apply(source(1, 8), now);
    model.apply(block(9, 0), now);
    let shown = model.snapshot(now, 0);
    assert_eq!((shown.source.unwrap().id, shown.blocks_seen, shown.blocks[0].index), (Some(1), 5, 9));
    assert_eq!(shown.figures.transactions_per_second, Some(812.0));
    model.apply(silent(1, "no answer in time"), now);
    assert_eq!(model.silence(), Some(("http://127.0.0.1:8000".to_owned(), "connection refused".to_owned())));
}

#[test]
fn wins_fees_and_stakes_are_the_members() {
    let (mut model, now) = at_eight(1);
    model.apply(answers(0, status(2, 8)), now);
    model.apply(block(9, 3), now);
    model.apply(stakes(&[0, 30_000_000, 10_000_000, 0]), now);
    let members = model.snapshot(now, 0).members;
    let won: Vec<(u16, u64, Option<f64>)> =
        members.iter().map(|member| (member.id, member.blocks_won, member.blocks_won_percent)).collect();
    assert_eq!(won, [(0, 0, Some(0.0)), (1, 4, Some(80.0)), (2, 0, Some(0.0)), (3, 1, Some(20.0))]);
    assert_eq!((members[1].stake_percent, members[1].fees), (Some(75.0), "2".parse().unwrap()));
    assert_eq!((members[2].connected, members[2].height), (None, Some(8)), "the one that is asked");
    assert_eq!((members[0].connected, members[0].height), (Some(true), Some(8)));
    model.apply(stakes(&[0, 0, 0, 0]), now);
    assert_eq!(model.snapshot(now, 0).members[1].stake_percent, None, "nobody has a stake");
}

#[test]
fn throughput_is_the_nodes_own_and_else_that_of_the_blocks() {
    let (mut model, now) = at_eight(1);
    let old = StatusAnswer { figures: None, ..status(0, 8) };
    model.apply(answers(0, old), now);
    let later = now + Duration::from_millis(500);
    for index in 9..=20 {
        model.apply(block(index, 0), later);
    }
    let shown = model.snapshot(now + Duration::from_secs(4), 0);
    assert_eq!(shown.figures.transactions_per_second, Some(15.0), "60 in 4 s; blocks 5 to 8 are older than our look");
    assert_eq!((shown.figures.extra_rounds, shown.figures.block_interval_mean_us), (None, None));
    assert_eq!(shown.per_second, [60, 0, 0, 0]);
    model.apply(answers(0, status(0, 20)), now);
    assert_eq!(model.snapshot(now, 0).figures.transactions_per_second, Some(812.0));
}

#[test]
fn the_first_snapshot_waits_for_every_node_and_the_blocks() {
    let now = Instant::now();
    let mut model = model(2, now);
    model.apply(silent(1, "connection refused"), now);
    assert!(!model.complete());
    model.apply(answers(0, status(0, 8)), now);
    assert!(!model.complete(), "its blocks are missing");
    model.apply(source(0, 8), now);
    model.apply(block(7, 0), now);
    assert!(!model.complete());
    model.apply(block(8, 0), now);
    assert!(model.complete());
}

#[test]
fn a_network_that_was_founded_anew_begins_anew() {
    let (mut model, now) = at_eight(1);
    model.apply(answers(0, status(0, 8)), now);
    let chain_id = Hash([5; 32]);
    model.apply(Report::Source { node: 0, chain_id, height: 0 }, now);
    let shown = model.snapshot(now, 0);
    assert_eq!((shown.chain_id, shown.blocks_seen, shown.blocks.len()), (Some(chain_id), 0, 0));
    model.apply(block(0, 0), now);
    assert_eq!(model.snapshot(now, 0).blocks[0].validator_id, None, "genesis");
}

#[test]
fn the_json_has_the_documented_fields() {
    let json = serde_json::to_value(snapshot(4)).unwrap();
    let documented = include_str!("../../../../../docs/cli.md");
    let mut names = BTreeSet::new();
    let mut parts = vec![&json];
    while let Some(part) = parts.pop() {
        match part {
            serde_json::Value::Object(fields) => {
                names.extend(fields.keys().cloned());
                parts.extend(fields.values());
            }
            serde_json::Value::Array(items) => parts.extend(items),
            _ => {}
        }
    }
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "{name} is not in docs/cli.md");
    }
    assert_eq!(
        (&json["agreement"]["one_chain"], &json["nodes"][3]["unreachable"]),
        (&true.into(), &"connection refused".into())
    );
    assert_eq!((&json["members"][1]["stake"], &json["nodes"][0]["tip"]), (&"30".into(), &"agrees".into()));
}

#[test]
fn a_node_that_claims_more_members_than_there_can_be_is_cut_short() {
    let now = Instant::now();
    let mut model = model(1, now);
    model.apply(Report::Source { node: 0, chain_id: CHAIN, height: 1 }, now);
    let mut told = status(0, 1);
    let one = told.peers[0].clone();
    told.peers = (0..=u16::MAX).chain(0..=u16::MAX).map(|id| PeerItem { id, ..one.clone() }).collect();
    model.apply(answers(0, told), now);
    model.apply(stakes(&vec![1; 1_000]), now);
    assert_eq!(model.snapshot(now, 1_000).members.len(), 256);
}
