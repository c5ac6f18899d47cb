//! Runs the server until it is told to end.

use std::error::Error;
use std::net::SocketAddr;

use {{crate}}::{Settings, first_account, program};

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_environment();
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:{{port}}".to_owned());
    let (auth, app) = program(&settings).await?;
    let listener = TcpListener::bind(&listen).await?;
    eprintln!("{{name}} is at {}/mcp", settings.public_url);
    if let Some(link) = first_account(&auth).await {
        eprintln!(
            "There is no account yet. Open this once, within 15 minutes, to make yours:\n\n  {link}\n"
        );
    }
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()) => served?,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    auth.flush().await;
    Ok(())
}
