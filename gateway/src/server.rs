//! The MCP side: which request goes where. Both eras of the protocol are rmcp's business; nothing is decided here.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CustomRequest,
    CustomResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse, Implementation,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{NotificationContext, RequestContext};
use serde_json::Value;
use shim_proto::checkpoint::v1::ClientInfo;
use shim_render::text::one_line;
use shim_runtime::auth::Caller;
use shim_runtime::service_error::ServiceError;
use shim_runtime::trace;

use crate::arguments::GivenArguments;
use crate::call_metrics::{self, RequestTimer};
use crate::frames::Losses;
use crate::gateway::Gateway;
use crate::tools::ToolSpec;
use crate::{prompts, resources, spans, tools};

/// What a build offers never changes while it runs.
const LIST_TTL_MS: u64 = 3_600_000;

const CALL_TOOL: &str = "tools/call";

/// Clients show this to the model, up to 2 KB; facts, not orders.
const INSTRUCTIONS: &str = "SHIM keeps work recoverable. shim_auto_checkpoint saves where a conversation stands; \
    shim_check_recovery lists sessions that a crash, a full context or a closed window interrupted, and brings one \
    back with its goal, decisions, open steps and what changed in its files since. shim_monitor_signals tells how \
    near a session is to its limits; shim_session_status shows sessions, their history and searches them. \
    shim_coordinate_task splits a job over other sessions and workers, gathers the results and sends messages; \
    shim_worker_task makes this session a worker that takes such tasks. Messages from others and news of tasks come \
    in the notices of any answer. Every answer names its session_id; passing it on keeps conversations apart that share one client.";

/// Serves one connection; all connections of a process share one gateway.
#[derive(Clone)]
pub(crate) struct McpServer {
    gateway: Arc<Gateway>,
}

impl McpServer {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    async fn client(&self, context: &RequestContext<RoleServer>) -> ClientInfo {
        let (name, version) = context.client_info().map_or_else(
            || (String::new(), String::new()),
            |client| (client.name.clone(), client.version.clone()),
        );
        self.gateway.client_of_call(&name, &version).await
    }

    /// Runs a tool within its span.
    async fn run_tool(
        &self,
        spec: &'static ToolSpec,
        given: GivenArguments,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResult {
        let name = spec.name();
        let timer = RequestTimer::start_tool(CALL_TOOL, name);
        let mut span = spans::of_request(context, CALL_TOOL, Some(name));
        spans::describe_tool(&mut span, name);
        if let Err(fault) = check_role(context, spec) {
            span.fail("tool_error");
            return timer.record_result(tools::role_error(&fault));
        }
        let call = tools::call(
            spec,
            &self.gateway,
            self.client(context).await,
            given,
            context.ct.clone(),
        );
        let result = trace::scope(span.context(), call).await;
        if result.is_error == Some(true) {
            span.fail("tool_error");
        }
        timer.record_result(result)
    }
}

/// Whether the caller's role allows the tool. A client over stdio is the user.
fn check_role(context: &RequestContext<RoleServer>, spec: &ToolSpec) -> Result<(), ServiceError> {
    let parts = context.extensions.get::<http::request::Parts>();
    match parts.and_then(|parts| parts.extensions.get::<Caller>()) {
        Some(caller) => caller.authorize(spec.required_role(), spec.name()),
        None => Ok(()),
    }
}

/// Lists have one page, so the gateway gives out no cursor.
fn reject_cursor(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|page| page.cursor.as_ref()) {
        Some(_) => Err(ErrorData::invalid_params(
            "unknown cursor: this list has one page",
            None,
        )),
        None => Ok(()),
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new("shim", env!("CARGO_PKG_VERSION")).with_title("SHIM"),
            )
            .with_instructions(INSTRUCTIONS)
    }

    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {
        self.gateway.client_context.client.record_message();
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let timer = RequestTimer::start("tools/list");
        self.gateway.client_context.client.record_message();
        reject_cursor(request.as_ref())?;
        let list = ListToolsResult::with_all_items(tools::list());
        Ok(timer
            .record_ok(list)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::find(name).map(ToolSpec::definition)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.gateway.client_context.client.record_call();
        let Some(spec) = tools::find(&request.name) else {
            drop(RequestTimer::start(CALL_TOOL));
            return Err(unknown_tool(&request.name));
        };
        let losses = Losses::of_request(&context.extensions);
        let given = GivenArguments::of(request.arguments.unwrap_or_default(), losses);
        Ok(self.run_tool(spec, given, &context).await.into())
    }

    /// A `tools/call` whose arguments are no object does not decode as one and arrives here. Arguments that are the text of
    /// an object are meant as that object. Anything else is a mistake of the model, so the model gets to read about it.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method != CALL_TOOL {
            drop(RequestTimer::start(call_metrics::OTHER));
            return Err(ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                format!("unknown method \"{}\"", one_line(&request.method, 100)),
                None,
            ));
        }
        self.gateway.client_context.client.record_call();
        let field = |name: &str| request.params.as_ref().and_then(|params| params.get(name));
        let Some(name) = field("name").and_then(Value::as_str) else {
            drop(RequestTimer::start(CALL_TOOL));
            return Err(ErrorData::invalid_params(
                "name: must be the name of a tool",
                None,
            ));
        };
        let Some(spec) = tools::find(name) else {
            drop(RequestTimer::start(CALL_TOOL));
            return Err(unknown_tool(name));
        };
        let losses = Losses::of_request(&context.extensions);
        let given = field("arguments").and_then(|given| GivenArguments::of_value(given, losses));
        let result = match given {
            Some(given) => self.run_tool(spec, given, &context).await,
            None => {
                let timer = RequestTimer::start_tool(CALL_TOOL, spec.name());
                timer.record_result(tools::shape_error(spec))
            }
        };
        let result = serde_json::to_value(result).map_err(|error| {
            ErrorData::internal_error(format!("the answer cannot be written: {error}"), None)
        })?;
        Ok(CustomResult::new(result))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let timer = RequestTimer::start("prompts/list");
        reject_cursor(request.as_ref())?;
        let list = ListPromptsResult::with_all_items(prompts::list());
        Ok(timer
            .record_ok(list)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let timer = RequestTimer::start("prompts/get");
        let arguments = request.arguments.unwrap_or_default();
        let prompt = prompts::get(&self.gateway, &request.name, &arguments);
        let span = spans::of_request(&context, "prompts/get", None);
        let prompt = trace::scope(span.context(), prompt).await?;
        Ok(timer.record_ok(prompt).into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let timer = RequestTimer::start("resources/list");
        reject_cursor(request.as_ref())?;
        let list = ListResourcesResult::with_all_items(resources::list(&self.gateway));
        Ok(timer
            .record_ok(list)
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let timer = RequestTimer::start("resources/templates/list");
        reject_cursor(request.as_ref())?;
        let list = ListResourceTemplatesResult::with_all_items(resources::templates());
        Ok(timer
            .record_ok(list)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let timer = RequestTimer::start("resources/read");
        let resource = resources::read(&self.gateway, &request.uri);
        let span = spans::of_request(&context, "resources/read", None);
        let resource = trace::scope(span.context(), resource).await?;
        Ok(timer.record_ok(resource).into())
    }
}

fn unknown_tool(name: &str) -> ErrorData {
    let names = tools::SPECS.map(ToolSpec::name);
    let name = one_line(name, 100);
    ErrorData::invalid_params(
        format!("unknown tool \"{name}\"; there are {}", names.join(", ")),
        None,
    )
}
