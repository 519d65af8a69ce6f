//! The model's versions, and where `live` leads.

use super::{Known, Model, Step};

/// What becomes of versions, and of where `live` leads.
pub(super) fn led(model: &mut Model, step: &Step) -> (u16, Option<Known>) {
    let (Step::Publish { path, .. } | Step::Rollback { path, .. } | Step::RestoreVersion { path, .. }) = step
    else {
        panic!("no step of versions");
    };
    let Some(agent) = model.agents.get_mut(path) else {
        return (404, None);
    };
    let status = match step {
        Step::Publish { rev, .. } if rev.is_some_and(|rev| rev != agent.rev) => return (412, None),
        Step::RestoreVersion { version, .. } => match agent.versions.get(version).cloned() {
            None => return (404, None),
            Some(name) if name == agent.name => 200,
            Some(_) if agent.is_archived => return (409, None),
            Some(name) => {
                agent.name = name;
                agent.rev += 1;
                200
            }
        },
        _ if agent.is_archived => return (409, None),
        Step::Publish { .. } => match agent.published_as() {
            Some(number) if agent.live == Some(number) => 200,
            Some(number) => {
                agent.lead_to(number);
                200
            }
            None => {
                let number = agent.rev;
                agent.versions.insert(number, agent.name.clone());
                agent.lead_to(number);
                201
            }
        },
        Step::Rollback { version, .. } => {
            let Some(live) = agent.live else {
                return (409, None);
            };
            let target = match version {
                Some(version) if agent.versions.contains_key(version) => *version,
                Some(_) => return (422, None),
                None => match agent.versions.range(..live).next_back() {
                    Some((number, _)) => *number,
                    None => return (409, None),
                },
            };
            if target != live {
                // A rollback drops no version: the next publication does.
                agent.live = Some(target);
                agent.rev += 1;
            }
            200
        }
        _ => panic!("no step of versions"),
    };
    (status, Some(agent.clone()))
}
