//! `shim messages read`: the messages of an inbox. Without `--ack` it is a look, of which the inbox's reader notices nothing.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use shim_proto::coordination::v1::{
    AckMessagesRequest, Message, ReceiveMessagesRequest, ReceiveMessagesResponse,
};
use shim_proto::reasons::{SESSION_NOT_FOUND, WORKER_NOT_FOUND};
use shim_render::text::{one_line, quoted, title};

use super::recipients::{session_id, worker_id};
use crate::config::Config;
use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::json;
use crate::output::lines::block;
use crate::output::time::{ago, proto_duration};

/// What to read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session or worker
    inbox: String,
    /// Take them out of the inbox
    #[arg(long)]
    ack: bool,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=100))]
    limit: i32,
    /// How long to wait for the first, up to 25s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    /// Print canonical proto JSON (a ReceiveMessagesResponse)
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
    let receive = ReceiveMessagesRequest {
        inbox: inbox.clone(),
        max_messages: args.limit,
        wait: args.wait.map(proto_duration).transpose()?,
        // Messages that will be acknowledged are hidden from other readers for the default time.
        visibility: None,
        ack_ids: Vec::new(),
        peek: !args.ack,
    };
    let received = call(service.bus.receive_messages(request(receive))).await?;
    emit(args.json, &received, out, |out| print(&received, out))?;
    out.flush()?;
    if args.ack && !received.messages.is_empty() {
        let ack = AckMessagesRequest {
            inbox,
            message_ids: received
                .messages
                .into_iter()
                .map(|message| message.message_id)
                .collect(),
        };
        service.bus.ack_messages(request(ack)).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A whole id is taken as it is; part of one names a worker or a session.
pub(super) async fn inbox(
    config: &Config,
    service: &mut Coordination,
    typed: &str,
) -> Result<String, CliError> {
    let worker = match worker_id(service, typed).await {
        Err(none) if none.is_for(WORKER_NOT_FOUND) => None,
        found => Some(found?),
    };
    let session = match session_id(config, typed).await {
        Err(none) if none.is_for(SESSION_NOT_FOUND) => None,
        // Where there are no sessions, a worker's inbox can be read all the same.
        Err(_) if worker.is_some() => None,
        found => Some(found?),
    };
    let shown = one_line(typed, 60);
    match (worker, session) {
        (Some(worker), Some(session)) if worker != session => Err(CliError::new(format!(
            "a worker and a session are meant by {shown}"
        ))
        .hint(format!(
            "name one of them: the worker {worker}, or the session {session}"
        ))),
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err(CliError::new(format!(
            "\"{shown}\" is the inbox of no worker and no session"
        ))
        .hint("give an id or its last eight digits; see `shim sessions list` and `shim workers list --all`")),
    }
}

pub(super) fn print(received: &ReceiveMessagesResponse, out: &mut dyn Write) -> io::Result<()> {
    for message in &received.messages {
        print_one(message, out)?;
    }
    match (received.messages.len(), received.remaining) {
        (0, 0) => writeln!(out, "no messages"),
        (0, in_flight) => writeln!(
            out,
            "no messages; {in_flight} were given to a reader and may come back"
        ),
        (_, 0) => Ok(()),
        (_, more) => writeln!(out, "{more} more"),
    }
}

fn print_one(message: &Message, out: &mut dyn Write) -> io::Result<()> {
    let sender = match message.sender.as_str() {
        "" => "someone".to_owned(),
        name => title(name, 200),
    };
    let sent = ago(message.sent_at.as_ref());
    writeln!(
        out,
        "{sender}, {sent} ({})",
        one_line(&message.message_id, 100)
    )?;
    block(out, quoted(&message.text, "  "))?;
    if let Some(data) = &message.data {
        writeln!(out, "  {}", json::free_form(data))?;
    }
    Ok(())
}
