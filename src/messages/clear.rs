//! `shim messages clear`: takes every message out of an inbox, given out or not.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{
    AckMessagesRequest, AckMessagesResponse, ReceiveMessagesRequest,
};
use shim_render::figures::count;

use super::read::inbox;
use crate::config::Config;
use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::output::emit::emit;

/// Messages taken out at a time.
const AT_ONCE: i32 = 100;

/// Which inbox.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session or worker
    inbox: String,
    /// Print canonical proto JSON (an AckMessagesResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let inbox = inbox(config, &mut service, &args.inbox).await?;
    let mut cleared = AckMessagesResponse::default();
    loop {
        let peek = ReceiveMessagesRequest {
            inbox: inbox.clone(),
            max_messages: AT_ONCE,
            peek: true,
            ..ReceiveMessagesRequest::default()
        };
        let found = call(service.bus.receive_messages(request(peek))).await?;
        if found.messages.is_empty() {
            break;
        }
        let ids = found.messages.into_iter();
        let ack = AckMessagesRequest {
            inbox: inbox.clone(),
            message_ids: ids.map(|message| message.message_id).collect(),
        };
        cleared.acknowledged += call(service.bus.ack_messages(request(ack)))
            .await?
            .acknowledged;
    }
    emit(args.json, &cleared, out, |out| {
        let gone = count(cleared.acknowledged.into(), "message");
        writeln!(out, "{gone} taken out of the inbox of {inbox}")
    })
}
