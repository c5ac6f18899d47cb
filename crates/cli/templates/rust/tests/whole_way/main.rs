//! The whole way of a real MCP client: refused, discovers, registers, has its person sign in and consent, reads, is
//! refused again, steps up, writes, and deletes once its person has approved the call.

mod person;

use std::error::Error;
use std::net::SocketAddr;

use {{crate}}::{Settings, program};

use person::Person;
use portcullis::admin::Command;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Client = RunningService<RoleClient, ()>;

const PASSWORD: &str = "correct horse battery staple";
/// Nobody has to listen there: our person reads the answer off the address.
const CALLBACK: &str = "http://127.0.0.1:1/callback";

#[tokio::test]
async fn a_client_walks_the_whole_way() -> Outcome<()> {
    let place = tempfile::tempdir()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let public_url = format!("http://{}", listener.local_addr()?);
    let database = format!("sqlite:{}/test.db", place.path().display());
    let (auth, app) = program(&Settings {
        public_url: public_url.clone(),
        database,
    })
    .await?;
    let add = Command::UserAdd {
        name: "alex".to_owned(),
        password: PASSWORD.to_owned(),
        admin: false,
    };
    auth.administer(add)
        .await
        .map_err(|error| format!("{error:?}"))?;
    tokio::spawn(async {
        axum::serve(
            listener,
            app.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .await
    });

    let url = format!("{public_url}/mcp");
    let mut alex = Person::new(&public_url, "alex", PASSWORD)?;
    let challenge = match ().serve(StreamableHttpClientTransport::from_uri(url.as_str())).await {
        Ok(_) => return Err("a client without a token was let in".into()),
        Err(refused) => refused
            .auth_challenge()
            .ok_or("the refusal does not say where to sign in")?
            .to_owned(),
    };

    let reader = connect(&url, &challenge, &mut alex, &[]).await?;
    let tools: Vec<_> = reader
        .list_all_tools()
        .await?
        .into_iter()
        .map(|tool| tool.name)
        .collect();
    assert!(tools.iter().any(|tool| tool == "list_notes"), "{tools:?}");
    assert_eq!(
        call(&reader, "list_notes", None).await?,
        (String::new(), false)
    );
    let refused = reader.call_tool(request("add_note", Some("milk"))).await;
    let challenge = match refused {
        Err(refused @ ServiceError::TransportSend(_)) => refused
            .auth_challenge()
            .ok_or("the refusal names no scope")?
            .to_owned(),
        other => return Err(format!("writing without its scope came to {other:?}").into()),
    };
    assert!(challenge.contains("insufficient_scope"), "{challenge}");

    let writer = connect(&url, &challenge, &mut alex, &[{{crate}}::WRITE]).await?;
    assert_eq!(
        call(&writer, "add_note", Some("milk")).await?,
        ("added".to_owned(), false)
    );
    let (asked, waits) = call(&writer, "delete_note", Some("milk")).await?;
    assert!(
        waits,
        "a note was deleted without a word of its person: {asked}"
    );
    let page = asked
        .split_whitespace()
        .find(|word| word.contains("/approve?"))
        .ok_or("no page to approve it on")?;
    alex.approve(page).await?;
    assert_eq!(
        call(&writer, "delete_note", Some("milk")).await?,
        ("deleted".to_owned(), false)
    );
    let (_, waits) = call(&writer, "delete_note", Some("milk")).await?;
    assert!(waits, "one word was good for two calls");
    Ok(())
}

/// Registers, signs in, consents with `ticked` besides what is offered, and connects.
async fn connect(
    url: &str,
    challenge: &str,
    person: &mut Person,
    ticked: &[&str],
) -> Outcome<Client> {
    let mut state = OAuthState::new(url, None).await?;
    let wish = AuthorizationRequest::new(CALLBACK)
        .with_client_name("Test")
        .with_challenge(challenge);
    state.start_authorization(wish).await?;
    let answer = person
        .consent(&state.get_authorization_url().await?, ticked)
        .await?;
    state.handle_callback_url(&answer).await?;
    let manager = state
        .into_authorization_manager()
        .ok_or("the code was not redeemed")?;
    let client = AuthClient::new(reqwest::Client::new(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    Ok(
        ().serve(StreamableHttpClientTransport::with_client(client, config))
            .await?,
    )
}

fn request(tool: &'static str, text: Option<&str>) -> CallToolRequestParams {
    let arguments = text
        .map(|text| ("text".to_owned(), text.into()))
        .into_iter()
        .collect();
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

/// Calls a tool: what it says, and whether that is a refusal.
async fn call(client: &Client, tool: &'static str, text: Option<&str>) -> Outcome<(String, bool)> {
    let result = client.call_tool(request(tool, text)).await?;
    let said = result
        .content
        .iter()
        .filter_map(|part| part.as_text().map(|text| text.text.as_str()))
        .collect();
    Ok((said, result.is_error.unwrap_or(false)))
}
