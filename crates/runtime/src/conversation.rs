//! Which clients are one conversation: a client process that starts its gateway again is no other client.

use shim_proto::checkpoint::v1::ClientInfo;

/// Whether both have the same name of a conversation, on the same machine. A client without such a name may have many
/// conversations at once, so it is never known to be the same.
#[must_use]
pub fn is_same(one: &ClientInfo, other: &ClientInfo) -> bool {
    !one.conversation.is_empty()
        && one.conversation == other.conversation
        && one.hostname == other.hostname
}

/// Whether both are the same conversation in the same client process: then one of them is an older gateway of the
/// other's client. A second process that went on with a conversation is not the same client.
#[must_use]
pub fn is_same_client(one: &ClientInfo, other: &ClientInfo) -> bool {
    let process = |client: &ClientInfo| client.client_process.filter(|process| process.pid != 0);
    is_same(one, other)
        && one.boot_id == other.boot_id
        && process(one).is_some_and(|process_of_one| Some(process_of_one) == process(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::checkpoint::v1::ProcessIdentity;

    fn client() -> ClientInfo {
        ClientInfo {
            hostname: "box".into(),
            boot_id: "b".into(),
            conversation: "c".into(),
            client_process: Some(ProcessIdentity {
                pid: 7,
                start_ticks: 70,
            }),
            gateway_process: Some(ProcessIdentity {
                pid: 8,
                start_ticks: 80,
            }),
            ..ClientInfo::default()
        }
    }

    #[test]
    fn an_older_gateway_of_the_client_is_the_same_and_all_else_is_not() {
        let older = ClientInfo {
            name: "under another name".into(),
            gateway_process: Some(ProcessIdentity {
                pid: 6,
                start_ticks: 60,
            }),
            ..client()
        };
        assert!(is_same_client(&client(), &older));
        let later_pid = Some(ProcessIdentity {
            pid: 7,
            start_ticks: 71,
        });
        let others = [
            (
                "conversation",
                ClientInfo {
                    conversation: "d".into(),
                    ..client()
                },
                false,
            ),
            (
                "none",
                ClientInfo {
                    conversation: String::new(),
                    ..client()
                },
                false,
            ),
            (
                "host",
                ClientInfo {
                    hostname: "elsewhere".into(),
                    ..client()
                },
                false,
            ),
            (
                "boot",
                ClientInfo {
                    boot_id: "later".into(),
                    ..client()
                },
                true,
            ),
            (
                "process",
                ClientInfo {
                    client_process: later_pid,
                    ..client()
                },
                true,
            ),
            (
                "no process",
                ClientInfo {
                    client_process: None,
                    ..client()
                },
                true,
            ),
        ];
        for (what, other, is_same_conversation) in others {
            assert!(!is_same_client(&client(), &other), "{what}");
            assert_eq!(is_same(&client(), &other), is_same_conversation, "{what}");
        }
        let unnamed = ClientInfo {
            conversation: String::new(),
            ..client()
        };
        assert!(!is_same_client(&unnamed, &unnamed.clone()));
    }
}
