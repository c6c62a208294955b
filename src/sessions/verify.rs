//! `shim sessions verify`: has the service read every checkpoint, and checks that the numbers have no gap and that
//! each checkpoint names its predecessor's hash. Exit code 1 if anything is wrong.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{
    Checkpoint, GetCheckpointRequest, ListCheckpointsRequest, Session,
};
use shim_proto::limits::MAX_PAGE_SIZE;
use shim_proto::reasons::CHECKPOINT_DAMAGED;
use shim_render::figures::count;
use shim_render::text::short_id;
use shim_runtime::service_error;

use super::find;
use super::pages::{SessionFilter, list_all};
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::pages::pages;

/// What to verify.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this session [default: all]
    session: Option<String>,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let sessions = match &args.session {
        Some(typed) => vec![find::session(&mut service, typed).await?],
        None => list_all(&mut service, &SessionFilter::default(), usize::MAX).await?,
    };
    let (mut checked, mut wrong) = (0_u64, 0_u64);
    for session in &sessions {
        let (headers, faults) = faults_of(&mut service, session).await?;
        checked += headers as u64;
        wrong += faults.len() as u64;
        for fault in faults {
            writeln!(out, "{}  {fault}", short_id(&session.id))?;
        }
    }
    let checkpoints = count(checked, "checkpoint");
    let sessions = count(sessions.len() as u64, "session");
    let (found, exit) = match wrong {
        0 => ("all intact".to_owned(), ExitCode::SUCCESS),
        _ => (count(wrong, "fault"), ExitCode::FAILURE),
    };
    writeln!(out, "checked {checkpoints} in {sessions}: {found}")?;
    Ok(exit)
}

/// How many checkpoints a session has, and what is wrong with them.
async fn faults_of(
    service: &mut Checkpoints,
    session: &Session,
) -> Result<(usize, Vec<String>), CliError> {
    let (headers, mut faults) = history(service, session).await?;
    faults.extend(chain_faults(&headers));
    for header in headers.iter().filter(|header| header.thinned_at.is_none()) {
        faults.extend(content_fault(service, header).await?);
    }
    Ok((headers.len(), faults))
}

/// All headers of a session, oldest first, and a fault for each number that the list left out as damaged.
async fn history(
    service: &mut Checkpoints,
    session: &Session,
) -> Result<(Vec<Checkpoint>, Vec<String>), CliError> {
    let mut faults = Vec::new();
    let mut headers = pages(usize::MAX, MAX_PAGE_SIZE, async |size, page_token| {
        let page = ListCheckpointsRequest {
            session_id: session.id.clone(),
            page_size: size.cast_signed(),
            page_token,
        };
        let page = call(service.list_checkpoints(request(page))).await?;
        let damaged = page.damaged_numbers.iter();
        faults.extend(damaged.map(|number| format!("#{number} is damaged")));
        Ok((page.checkpoints, page.next_page_token))
    })
    .await?;
    headers.reverse();
    Ok((headers, faults))
}

/// Breaks of the chain between neighbours: a missing number, or a hash that does not follow.
fn chain_faults(headers: &[Checkpoint]) -> Vec<String> {
    headers
        .windows(2)
        .filter_map(|pair| {
            let [older, newer] = pair else { return None };
            if newer.number != older.number + 1 {
                Some(format!(
                    "#{} is followed by #{}",
                    older.number, newer.number
                ))
            } else if newer.previous_hash != older.hash {
                Some(format!(
                    "#{} does not follow from #{}",
                    newer.number, older.number
                ))
            } else {
                None
            }
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
        assert_eq!(
            chain_faults(&[header(1, "a", ""), header(3, "c", "b")]),
            ["#1 is followed by #3"]
        );
    }
}
