//! A cell of the course's matrix: equal stakes, every node sends its file.

use super::{Cell, Lab, Plan, files, usual_stake};
use crate::error::LoadError;
use crate::network::StakePlan;
use crate::report::schema::Run;
use crate::run::{Fired, measure};
use std::collections::BTreeMap;

pub async fn run(lab: &mut Lab<'_>, plan: &Plan, cell: &Cell, files: &files::Files) -> Result<Run, LoadError> {
    fire(lab, plan, cell, files, &usual_stake()).await.map(|fired| fired.run)
}

/// Sets stakes and fires the files.
pub async fn fire(
    lab: &mut Lab<'_>,
    plan: &Plan,
    cell: &Cell,
    files: &files::Files,
    stakes: &StakePlan,
) -> Result<Fired, LoadError> {
    lab.stake(stakes).await?;
    let none = BTreeMap::new();
    let plans = crate::fire::plan(&lab.network, files.get(&cell.nodes).unwrap_or(&none));
    let planned = plans.iter().map(|plan| plan.sends.len() as u64).sum();
    lab.progress.begin(lab.label, planned);
    measure(&lab.network, plans, plan.policy, lab.progress).await
}
