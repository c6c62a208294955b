//! What of a resume prompt was compared with the present, in words.

use shim_proto::checkpoint::v1::{Claim, ClaimKind, ClaimVerdict as Verdict};

use crate::text;

const MAX_SUBJECT: usize = 300;
const MAX_DETAIL: usize = 250;

/// What was compared and how it stands: no more than that is claimed.
pub(crate) fn verdict_sentence(claims: &[Claim]) -> String {
    let count = |wanted: fn(&Claim) -> bool| claims.iter().filter(|claim| wanted(claim)).count();
    let moved = count(has_moved);
    let unchanged = count(|claim| claim.verdict() == Verdict::Unchanged);
    let unchecked = match count(|claim| claim.verdict() == Verdict::Unchecked) {
        0 => String::new(),
        unchecked => format!("; {unchecked} could not be checked"),
    };
    match (moved, unchanged) {
        (0, 0) if unchecked.is_empty() => {
            "Nothing was checked: the checkpoint names no file and no commit to compare.".to_owned()
        }
        (0, 0) => format!("Nothing was compared{unchecked}."),
        (0, same) => format!(
            "Of what the checkpoint recorded, {same} thing(s) were compared and are as they were{unchecked}. Nothing \
             else was looked at."
        ),
        (moved, _) => format!(
            "{moved} thing(s) moved since the checkpoint{unchecked}: read them again before relying on them."
        ),
    }
}

fn has_moved(claim: &Claim) -> bool {
    matches!(claim.verdict(), Verdict::Changed | Verdict::Missing)
}

/// The steps that are open.
pub(crate) fn open_steps(claims: &[Claim]) -> Vec<&str> {
    let open = |claim: &&Claim| claim.kind() == ClaimKind::Step && claim.verdict() == Verdict::Open;
    let open = claims.iter().filter(open);
    open.map(|claim| claim.subject.as_str()).collect()
}

/// Files and git with their verdicts: first what moved, then what is unchecked, then what is unchanged.
pub(crate) fn checked_items(claims: &[Claim]) -> Vec<String> {
    let rank = |claim: &Claim| match claim.verdict() {
        Verdict::Changed | Verdict::Missing => Some(0),
        Verdict::Unchecked => Some(1),
        Verdict::Unchanged => Some(2),
        Verdict::Unspecified | Verdict::Done | Verdict::Open => None,
    };
    let checked = claims
        .iter()
        .filter(|claim| claim.kind() != ClaimKind::Step);
    let mut ranked: Vec<(u8, &Claim)> = checked
        .filter_map(|claim| Some((rank(claim)?, claim)))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked
        .into_iter()
        .map(|(_, claim)| checked_item(claim))
        .collect()
}

fn checked_item(claim: &Claim) -> String {
    let verdict = verdict_phrase(claim.verdict());
    let subject = text::name(&claim.subject, MAX_SUBJECT);
    match claim.detail.as_str() {
        "" => format!("{subject}: {verdict}"),
        detail => format!(
            "{subject}: {verdict} ({})",
            text::one_line(detail, MAX_DETAIL)
        ),
    }
}

/// A verdict for the prompt; capitals where the reader must look.
fn verdict_phrase(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unspecified | Verdict::Unchecked => "unchecked",
        Verdict::Unchanged => "unchanged",
        Verdict::Changed => "CHANGED",
        Verdict::Missing => "MISSING",
        Verdict::Done => "done",
        Verdict::Open => "open",
    }
}
