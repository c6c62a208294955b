//! What one loader was told, and whether Redis has it.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::Status;

use super::OutagesVerdict;
use crate::calls::request_id;
use shim_proto::coordination::v1::ReceiveMessagesRequest;

use crate::coordination::{CoordinationClients, NAMESPACE, count, inbox, proto_duration};

/// The shortest there is.
const VISIBILITY: Duration = Duration::from_secs(1);

/// The acknowledgements of one loader.
#[derive(Debug)]
pub(super) struct LoaderAcks {
    /// The entry that only this loader writes.
    pub(super) key: String,
    /// The inbox that only this loader fills.
    pub(super) inbox: String,
    /// Acknowledged writes: the number and version of the last one.
    pub(super) last_write: Option<(u64, u64)>,
    /// Acknowledged writes and messages.
    pub(super) acknowledged: u64,
    /// Acknowledged messages.
    pub(super) sent: Vec<String>,
    /// What was taken from the inbox, by message id.
    received: BTreeMap<String, String>,
    /// Taken, and to be acknowledged with the next look.
    to_acknowledge: Vec<String>,
    /// The longest that a call took to be answered.
    pub(super) slowest: Duration,
}

impl LoaderAcks {
    pub(super) fn new() -> Self {
        let id = request_id();
        Self {
            key: format!("load-{id}"),
            inbox: id,
            last_write: None,
            acknowledged: 0,
            sent: Vec::new(),
            received: BTreeMap::new(),
            to_acknowledge: Vec::new(),
            slowest: Duration::ZERO,
        }
    }

    /// Takes what is in the inbox and acknowledges it, so that the inbox never fills. If `to_the_last`, it waits for
    /// what was given out in an answer that never came.
    ///
    /// # Errors
    /// As the service says. What was taken is noted all the same.
    pub(super) async fn empty_inbox(
        &mut self,
        clients: &mut CoordinationClients,
        to_the_last: bool,
    ) -> Result<(), Status> {
        let mut wait = None;
        loop {
            let request = ReceiveMessagesRequest {
                ack_ids: self.to_acknowledge.clone(),
                visibility: proto_duration(VISIBILITY),
                wait,
                ..inbox(&self.inbox)
            };
            let page = clients.bus.receive_messages(request).await?.into_inner();
            self.to_acknowledge.clear();
            if page.messages.is_empty() && (page.remaining == 0 || !to_the_last) {
                return Ok(());
            }
            wait = proto_duration(VISIBILITY).filter(|_| page.messages.is_empty());
            for message in page.messages {
                self.to_acknowledge.push(message.message_id.clone());
                self.received.insert(message.message_id, message.text);
            }
        }
    }

    /// Counts what is not there, and what is there twice.
    pub(super) async fn compare(
        &mut self,
        clients: &mut CoordinationClients,
        verdict: &mut OutagesVerdict,
    ) {
        verdict.acknowledged += self.acknowledged;
        let there = clients.get(NAMESPACE, &self.key).await;
        let there = there
            .ok()
            .and_then(|entry| Some((count(&entry)?, entry.version)));
        if there != self.last_write {
            eprintln!(
                "{}: {there:?} is there, {:?} was acknowledged",
                self.key, self.last_write
            );
            verdict.lost += 1;
        }
        let emptied = self.empty_inbox(clients, true).await;
        emptied.expect("an inbox can be read when all is well");
        let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, text) in &self.received {
            found.entry(text).or_default().push(id);
        }
        for text in &self.sent {
            verdict.lost += u64::from(!found.contains_key(text.as_str()));
        }
        for (text, ids) in found.iter().filter(|(_, ids)| ids.len() > 1) {
            eprintln!("{text} is there as {ids:?}");
            verdict.doubled += 1;
        }
    }
}
