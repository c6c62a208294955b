//! `shim messages send`: puts a message into the inbox of a session or worker, or of all workers with a capability.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::SendMessageRequest;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_render::figures::count;

use super::recipients::{session_recipient, worker_id};
use crate::config::Config;
use crate::connection::{Coordination, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::workspace_args;

/// What to send, and to whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    to: To,
    /// The message, at most 16 KiB
    text: String,
    /// Who sends [default: you, as USER@HOST]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// Print canonical proto JSON (a SendMessageResponse)
    #[arg(long)]
    json: bool,
}

/// Who is to read it.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// The session that is to read it
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// The worker that is to read it
    #[arg(long, value_name = "WORKER")]
    worker: Option<String>,
    /// Every living worker with this capability
    #[arg(long, value_name = "CAPABILITY")]
    capability: Option<String>,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let send = SendMessageRequest {
        request_id: request_id(),
        recipient: recipient(&args.to, config, &mut service).await?,
        sender: args
            .from
            .clone()
            .unwrap_or_else(workspace_args::user_at_host),
        text: args.text.clone(),
        data: None,
    };
    let sent = call(service.bus.send_message(request(send))).await?;
    emit(args.json, &sent, out, |out| {
        let number = count(u64::from(sent.recipients), "recipient");
        writeln!(out, "sent to {number}")
    })
}

async fn recipient(
    to: &To,
    config: &Config,
    service: &mut Coordination,
) -> Result<Option<Recipient>, CliError> {
    if let Some(typed) = &to.session {
        return session_recipient(config, service, typed).await.map(Some);
    }
    if let Some(typed) = &to.worker {
        return Ok(Some(Recipient::WorkerId(worker_id(service, typed).await?)));
    }
    Ok(to.capability.clone().map(Recipient::Capability))
}
