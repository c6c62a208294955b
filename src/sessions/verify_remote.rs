//! Verifying sessions through a service whose database is elsewhere: their checkpoints, as its RPCs answer them.

use std::collections::BTreeSet;

use shim_checkpoint::{Fault, SealVerdict, VerifyReport};
use shim_proto::checkpoint::v1::{
    Checkpoint, GetCheckpointRequest, ListCheckpointsRequest, Session,
};
use shim_proto::limits::MAX_PAGE_SIZE;
use shim_proto::reasons::{CHECKPOINT_DAMAGED, CHECKPOINT_NOT_FOUND};
use shim_runtime::service_error;

use super::gaps::ranges;
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::pages::pages;

/// What the service says of the checkpoints of these sessions.
pub(super) async fn verify(
    service: &mut Checkpoints,
    sessions: &[Session],
) -> Result<VerifyReport, CliError> {
    let (mut checkpoints, mut faults) = (0, Vec::new());
    for session in sessions {
        let (headers, found) = faults_of(service, session).await?;
        checkpoints += headers as u64;
        faults.extend(found.into_iter().map(|what| Fault {
            session: session.id.clone(),
            what,
        }));
    }
    Ok(VerifyReport {
        sessions: sessions.len() as u64,
        checkpoints,
        signals: 0,
        other_rows: 0,
        fault_count: faults.len() as u64,
        faults,
        is_complete: true,
        seals: SealVerdict::None,
        sealed_since: None,
    })
}

/// How many checkpoints a session has, and what is wrong with them.
async fn faults_of(
    service: &mut Checkpoints,
    session: &Session,
) -> Result<(usize, Vec<String>), CliError> {
    let (headers, damaged) = history(service, session).await?;
    let damaged_faults = damaged.iter().map(|number| format!("#{number} is damaged"));
    let mut faults: Vec<String> = damaged_faults.collect();
    faults.extend(missing_fault(&headers, &damaged, session.head_number));
    faults.extend(chain_faults(&headers));
    for header in headers.iter().filter(|header| header.thinned_at.is_none()) {
        faults.extend(content_fault(service, header).await?);
    }
    Ok((headers.len(), faults))
}

/// All headers of a session, oldest first, and the numbers that the list left out as damaged.
async fn history(
    service: &mut Checkpoints,
    session: &Session,
) -> Result<(Vec<Checkpoint>, Vec<u64>), CliError> {
    let mut damaged = Vec::new();
    let mut headers = pages(usize::MAX, MAX_PAGE_SIZE, async |size, page_token| {
        let page = ListCheckpointsRequest {
            session_id: session.id.clone(),
            page_size: size.cast_signed(),
            page_token,
        };
        let page = call(service.list_checkpoints(request(page))).await?;
        damaged.extend(page.damaged_numbers);
        Ok((page.checkpoints, page.next_page_token))
    })
    .await?;
    headers.reverse();
    Ok((headers, damaged))
}

/// The numbers up to the session's newest that are neither there nor damaged: its first and its last ones, too.
fn missing_fault(headers: &[Checkpoint], damaged: &[u64], head: u64) -> Option<String> {
    let present: BTreeSet<u64> = headers
        .iter()
        .map(|header| header.number)
        .chain(damaged.iter().copied())
        .collect();
    let last = head.max(present.last().copied().unwrap_or_default());
    let missing: Vec<u64> = (1..=last)
        .filter(|number| !present.contains(number))
        .collect();
    let verb = if missing.len() == 1 { "is" } else { "are" };
    (!missing.is_empty()).then(|| format!("{} {verb} missing", ranges(&missing)))
}

/// Breaks of the chain between neighbours: a hash that does not follow.
fn chain_faults(headers: &[Checkpoint]) -> Vec<String> {
    headers
        .windows(2)
        .filter_map(|pair| {
            let [older, newer] = pair else { return None };
            let are_neighbours = newer.number == older.number + 1;
            (are_neighbours && newer.previous_hash != older.hash)
                .then(|| format!("#{} does not follow from #{}", newer.number, older.number))
        })
        .collect()
}

async fn content_fault(
    service: &mut Checkpoints,
    header: &Checkpoint,
) -> Result<Option<String>, CliError> {
    let asked = GetCheckpointRequest {
        checkpoint_id: header.id.clone(),
        ..GetCheckpointRequest::default()
    };
    match service.get_checkpoint(request(asked)).await {
        Ok(_) => Ok(None),
        Err(status) if service_error::decode(&status).reason == CHECKPOINT_DAMAGED => {
            Ok(Some(format!("#{} is damaged", header.number)))
        }
        // Its id leads nowhere, or it was deleted meanwhile.
        Err(status) if service_error::decode(&status).reason == CHECKPOINT_NOT_FOUND => {
            Ok(Some(format!("#{} is not found by its id", header.number)))
        }
        Err(status) => Err(status.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_broken_links_are_found() {
        let header = |number: u64, hash: &str, previous: &str| Checkpoint {
            number,
            hash: hash.into(),
            previous_hash: previous.into(),
            ..Checkpoint::default()
        };
        assert!(chain_faults(&[header(1, "a", ""), header(2, "b", "a")]).is_empty());
        assert_eq!(
            chain_faults(&[header(1, "a", ""), header(2, "b", "x")]),
            ["#2 does not follow from #1"]
        );
        let headers = [
            header(3, "c", "b"),
            header(4, "d", "c"),
            header(7, "g", "f"),
        ];
        assert!(
            chain_faults(&headers).is_empty(),
            "what is missing has no neighbour"
        );
        assert_eq!(
            missing_fault(&headers, &[5], 9).as_deref(),
            Some("#1, #2, #6, #8, #9 are missing")
        );
        assert_eq!(missing_fault(&headers[..2], &[1, 2], 4), None);
        assert_eq!(missing_fault(&[], &[], 1).as_deref(), Some("#1 is missing"));
        assert_eq!(missing_fault(&[], &[], 0), None);
    }
}
