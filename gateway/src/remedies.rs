//! The remedy of each refusal in the words of the tools. Services word theirs in terms of RPCs, which no tool has.

use shim_proto::reasons;

/// A step for a refusal, as it is without a session in question, and with one: `{id}` stands for it.
struct Remedy {
    reason: &'static str,
    step: &'static str,
    session_step: Option<&'static str>,
}

const fn of_session(
    reason: &'static str,
    step: &'static str,
    session_step: &'static str,
) -> Remedy {
    Remedy {
        reason,
        step,
        session_step: Some(session_step),
    }
}

const fn always(reason: &'static str, step: &'static str) -> Remedy {
    Remedy {
        reason,
        step,
        session_step: None,
    }
}

const SESSIONS: &str = "shim_session_status view=sessions lists the sessions there are";
const WORKERS: &str = "shim_session_status view=workers lists those that live";

const REMEDIES: &[Remedy] = &[
    always(reasons::SESSION_NOT_FOUND, SESSIONS),
    of_session(
        reasons::CHECKPOINT_NOT_FOUND,
        SESSIONS,
        "shim_session_status view=session session_id={id} lists its checkpoints",
    ),
    of_session(
        reasons::STALE_OWNER,
        SESSIONS,
        "go on in the client that restored it, or start another session here with shim_auto_checkpoint session_id=new; \
         once that client is closed, shim_check_recovery action=restore session_id={id} takes the session back",
    ),
    of_session(
        reasons::SESSION_OWNED,
        SESSIONS,
        "end what holds it, or the user can free it with `shim sessions restore {id} --take-over`; then \
         shim_check_recovery action=restore session_id={id} brings it here. shim_auto_checkpoint session_id=new starts \
         another session instead",
    ),
    of_session(
        reasons::SESSION_ENDED,
        SESSIONS,
        "shim_auto_checkpoint session_id=new starts another session; if this one has checkpoints, shim_check_recovery \
         action=restore session_id={id} opens it again",
    ),
    always(
        reasons::NOT_INTERRUPTED,
        "shim_check_recovery action=detect lists the sessions that can be dismissed",
    ),
    always(
        reasons::EPOCH_CHANGED,
        "another client was faster: look again with shim_check_recovery action=detect",
    ),
    of_session(
        reasons::CHECKPOINT_THINNED,
        SESSIONS,
        "leave checkpoint_id out: shim_check_recovery action=restore session_id={id} takes the newest one that has content",
    ),
    of_session(
        reasons::CHECKPOINT_DAMAGED,
        SESSIONS,
        "use an older checkpoint: shim_session_status view=session session_id={id} lists them",
    ),
    always(
        reasons::DATABASE_REPLACED,
        "nothing was saved: tell the user, who can run `shim doctor`, which names both ways on; then call the tool again",
    ),
    always(reasons::WORKER_NOT_FOUND, WORKERS),
    always(reasons::NO_RECIPIENTS, WORKERS),
    always(
        reasons::STALE_WORKER,
        "shim_worker_task action=register makes this session a worker again",
    ),
    always(
        reasons::TASK_NOT_FOUND,
        "shim_session_status view=tasks lists the jobs; finished ones are forgotten after a while",
    ),
    always(
        reasons::TASK_NOT_AWAITING_APPROVAL,
        "shim_coordinate_task action=status with the task_id tells where it is",
    ),
    always(
        reasons::REQUEST_ID_REUSED,
        "call the tool again; nothing was done",
    ),
];

/// The step for a refusal that may be about a session; `None` if the service's own will do.
pub(crate) fn step(reason: &str, session_id: Option<&str>) -> Option<String> {
    let remedy = REMEDIES.iter().find(|remedy| remedy.reason == reason)?;
    Some(match remedy.session_step.zip(session_id) {
        Some((step, session_id)) => step.replace("{id}", session_id),
        None => remedy.step.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remedy_is_of_a_reason_of_the_contract_and_names_its_session() {
        for remedy in REMEDIES {
            assert!(reasons::ALL.contains(&remedy.reason), "{}", remedy.reason);
            assert!(!remedy.step.contains('{'), "{}", remedy.step);
            let with_session = step(remedy.reason, Some("7")).unwrap_or_default();
            assert!(!with_session.contains('{'), "{with_session}");
        }
    }

    #[test]
    fn no_remedy_speaks_of_an_rpc_or_of_its_fields() {
        let is_rpc = |word: &str| {
            let capitals = word.chars().filter(char::is_ascii_uppercase).count();
            capitals > 1 && word.chars().any(|c| c.is_ascii_lowercase())
        };
        for remedy in REMEDIES {
            for step in [Some(remedy.step), remedy.session_step]
                .into_iter()
                .flatten()
            {
                let mut words = step.split(|c: char| !c.is_ascii_alphanumeric());
                assert!(!words.any(is_rpc) && !step.contains("take_over"), "{step}");
            }
        }
    }
}
