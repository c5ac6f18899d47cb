//! One connection: signed in when the server asks for it, stepped up when it says that more is needed.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ErrorData, Implementation, ProtocolVersion,
    UrlElicitationCapability,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RequestContext, RunningService,
    ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, OAuthState,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{Outcome, Talk};

/// How often one call may be stopped by a missing scope.
const STEPS: usize = 3;

/// What the client answers to the server's own requests.
struct Hands {
    talk: Talk,
    info: ClientConfig,
}

impl ClientHandler for Hands {
    fn get_info(&self) -> ClientConfig {
        self.info.clone()
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::UrlElicitationParams { message, url, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        self.talk.say(&json!({ "kind": "elicit", "url": url, "message": message }));
        let answer =
            self.talk.hear().await.map_err(|why| ErrorData::internal_error(why.to_string(), None))?;
        Ok(ElicitResult::new(match answer["action"].as_str() {
            Some("accept") => ElicitationAction::Accept,
            Some("cancel") => ElicitationAction::Cancel,
            _ => ElicitationAction::Decline,
        }))
    }
}

pub(crate) struct Session {
    talk: Talk,
    manager: Arc<Mutex<AuthorizationManager>>,
    service: RunningService<RoleClient, Hands>,
}

impl Session {
    /// Connects; the first refusal says where to sign in.
    pub(crate) async fn open(
        url: &str,
        callback: &str,
        name: &str,
        newest: bool,
        talk: &Talk,
    ) -> Outcome<Self> {
        let bare = StreamableHttpClientTransport::with_client(
            reqwest::Client::new(),
            StreamableHttpClientTransportConfig::with_uri(url),
        );
        let challenge = match connect(bare, name, newest, talk).await {
            Ok(_) => return Err("the server let in a client without a token".into()),
            Err(why) => why.auth_challenge().ok_or_else(|| format!("no challenge but {why}"))?.to_owned(),
        };
        let mut state = OAuthState::new(url, None).await?;
        let wish = AuthorizationRequest::new(callback).with_client_name(name).with_challenge(challenge);
        state.start_authorization(wish).await?;
        let arrival = authorize(talk, &state.get_authorization_url().await?).await?;
        state.handle_callback_url(&arrival).await?;
        let manager = state.into_authorization_manager().ok_or("the code was not redeemed")?;
        let client = AuthClient::new(reqwest::Client::new(), manager);
        let manager = Arc::clone(&client.auth_manager);
        let transport = StreamableHttpClientTransport::with_client(
            client,
            StreamableHttpClientTransportConfig::with_uri(url),
        );
        let service = connect(transport, name, newest, talk).await?;
        Ok(Self { talk: talk.clone(), manager, service })
    }

    /// The revision that both sides speak.
    pub(crate) fn protocol(&self) -> Value {
        self.service.peer_info().map_or(Value::Null, |info| json!(info.protocol_version))
    }

    pub(crate) async fn tools(&self) -> Outcome<Value> {
        let tools = self.service.list_all_tools().await?;
        Ok(
            json!({ "kind": "tools", "tools": tools.iter().map(|tool| tool.name.as_ref()).collect::<Vec<_>>() }),
        )
    }

    /// Calls a tool; a refusal that names scopes leads to the person and back, then the call is made again.
    pub(crate) async fn call(&self, wish: &Value) -> Outcome<Value> {
        let name = wish["name"].as_str().ok_or("no name")?.to_owned();
        let arguments = wish["arguments"].as_object().cloned().unwrap_or_default();
        for _ in 0..STEPS {
            let params = CallToolRequestParams::new(name.clone()).with_arguments(arguments.clone());
            match self.service.call_tool(params).await {
                Ok(result) => {
                    let text: String = result
                        .content
                        .iter()
                        .filter_map(|part| part.as_text().map(|text| text.text.as_str()))
                        .collect();
                    return Ok(
                        json!({ "kind": "called", "text": text, "error": result.is_error.unwrap_or(false) }),
                    );
                }
                Err(ServiceError::McpError(error)) => {
                    return Ok(
                        json!({ "kind": "refused", "code": error.code, "message": error.message, "data": error.data }),
                    );
                }
                Err(why) => {
                    let Some(challenge) = why.auth_challenge() else { return Err(why.into()) };
                    let Some(scope) = missing_scope(challenge) else {
                        return Ok(json!({ "kind": "unauthorized", "challenge": challenge }));
                    };
                    self.step_up(&scope).await?;
                }
            }
        }
        Err("refused again and again".into())
    }

    async fn step_up(&self, scope: &str) -> Outcome<()> {
        let manager = self.manager.lock().await;
        let url = manager.request_scope_upgrade(scope).await?;
        let arrival = AuthorizationCallback::from_redirect_url(&authorize(&self.talk, &url).await?)?;
        manager
            .exchange_code_for_token_with_issuer(
                &arrival.code,
                &arrival.csrf_token,
                arrival.issuer.as_deref(),
            )
            .await?;
        Ok(())
    }

    pub(crate) async fn refresh(&self) -> Outcome<Value> {
        let manager = self.manager.lock().await;
        let before = manager.get_access_token().await?;
        manager.refresh_token().await?;
        let renewed = before != manager.get_access_token().await?;
        Ok(json!({ "kind": "refreshed", "renewed": renewed }))
    }
}

/// Connects over `transport` in the older way, or in the newest.
async fn connect<C>(
    transport: StreamableHttpClientTransport<C>,
    name: &str,
    newest: bool,
    talk: &Talk,
) -> Result<RunningService<RoleClient, Hands>, ClientInitializeError>
where
    C: rmcp::transport::streamable_http_client::StreamableHttpClient + Send + Sync,
{
    let mut capabilities = ClientCapabilities::default();
    capabilities.elicitation = Some(ElicitationCapability::new().with_url(UrlElicitationCapability::new()));
    let mut info = ClientConfig::default();
    info.capabilities = capabilities;
    info.client_info = Implementation::new(name, "1.0.0");
    info.protocol_version = ProtocolVersion::V_2025_11_25;
    let lifecycle = if newest {
        ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        }
    } else {
        ClientLifecycleMode::Initialize
    };
    Hands { talk: talk.clone(), info }.serve_with_lifecycle(transport, lifecycle).await
}

/// Has the person decide at `url`; returns the URL that the browser was sent back to.
async fn authorize(talk: &Talk, url: &str) -> Outcome<String> {
    talk.say(&json!({ "kind": "authorize", "url": url }));
    let answer = talk.hear().await?;
    Ok(answer["url"].as_str().ok_or("no URL")?.to_owned())
}

/// The scopes that a challenge asks for, if it is about scopes.
fn missing_scope(challenge: &str) -> Option<String> {
    if !challenge.contains("insufficient_scope") {
        return None;
    }
    let (_, after) = challenge.split_once("scope=\"")?;
    after.split_once('"').map(|(scope, _)| scope.to_owned())
}
