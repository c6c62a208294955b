//! What fuzz targets reach of this crate.

use std::io::Cursor;

use rmcp::RoleServer;
use rmcp::transport::Transport;

use crate::frames::StdioTransport;

/// Reads what a client sends over stdio, to its end.
pub fn frames(input: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return;
    };
    let mut transport = StdioTransport::new(Cursor::new(input.to_vec()), tokio::io::sink());
    runtime.block_on(async {
        while Transport::<RoleServer>::receive(&mut transport)
            .await
            .is_some()
        {}
    });
}
