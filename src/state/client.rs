//! The service of the shared state, and the namespace that a command means.

use shim_proto::coordination::v1::{ListStateRequest, StateEntry};
use shim_proto::limits::MAX_PAGE_SIZE;
use tonic::Status;

use crate::config::Config;
use crate::connection::{self, Coordination, call, request};
use crate::error::CliError;
use crate::pages::pages;
use crate::remedies::{Placeholder, shell_word};
use crate::workspace_args::NamespaceArgs;

/// Which entries of the namespace.
#[derive(Debug, clap::Args)]
pub(super) struct KeyArgs {
    /// Only keys that begin so
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) prefix: String,
}

/// The service and the namespace.
pub(super) struct StateClient {
    pub(super) service: Coordination,
    pub(super) namespace: String,
}

impl StateClient {
    /// Finds the namespace, then the service.
    pub(super) async fn connect(args: &NamespaceArgs, config: &Config) -> Result<Self, CliError> {
        let namespace = args.resolve(config)?;
        let service = connection::coordination(config).await?;
        Ok(Self { service, namespace })
    }

    /// The entries whose keys begin so, `limit` at most.
    pub(super) async fn entries(
        &mut self,
        keys: &KeyArgs,
        limit: usize,
    ) -> Result<Vec<StateEntry>, CliError> {
        pages(limit, MAX_PAGE_SIZE, async |size, page_token| {
            let page = ListStateRequest {
                namespace: self.namespace.clone(),
                key_prefix: keys.prefix.clone(),
                page_size: size.cast_signed(),
                page_token,
            };
            let page = call(self.service.state.list_state(request(page))).await?;
            Ok((page.entries, page.next_page_token))
        })
        .await
    }
}

/// The refusal of a call about an entry.
pub(super) fn refusal(status: Status, key: &str, args: &NamespaceArgs) -> CliError {
    CliError::from(status)
        .about(Placeholder::Key, shell_word(key))
        .about(Placeholder::Namespace, args.flag())
}
