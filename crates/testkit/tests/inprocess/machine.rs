//! Clients that an administrator enters, and what they send.

use portcullis_server::admin::Command;

use super::{Answer, Ask, NOTES, Place};

/// The id and the secret of a client that an administrator enters.
pub fn credentials(rows: &[serde_json::Value]) -> (String, String) {
    let find = |name: &str| rows.iter().find_map(|row| row[name].as_str()).unwrap().to_owned();
    (find("client_id"), find("client_secret"))
}

/// An `Authorization` header for a secret.
pub fn basic(client: &str, secret: &str) -> String {
    let text = format!("{client}:{secret}");
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(ALPHABET[(word >> (18 - 6 * place) & 63) as usize] as char);
        }
        out.push_str(&"=".repeat(3 - chunk.len()));
    }
    format!("Basic {out}")
}

impl Place {
    /// A machine with a secret, at the notes resource.
    pub async fn machine(&self, scope: &str) -> (String, String) {
        let command = Command::ClientAdd {
            name: "Robot".to_owned(),
            scope: Some(scope.to_owned()),
            resource: Some(NOTES.to_owned()),
            jwks: None,
            redirect_uris: Vec::new(),
            introspects: None,
        };
        credentials(&self.administer(command).await)
    }

    /// A resource server that may introspect the tokens of `resource`.
    pub async fn asker(&self, resource: &str) -> (String, String) {
        let command = Command::ClientAdd {
            name: "Asker".to_owned(),
            scope: None,
            resource: None,
            jwks: None,
            redirect_uris: Vec::new(),
            introspects: Some(resource.to_owned()),
        };
        credentials(&self.administer(command).await)
    }

    /// What introspection says of a token.
    pub async fn introspect(&self, asker: &(String, String), token: &str) -> Answer {
        let ask = Ask::post("/introspect").form(&[("token", token)]);
        self.send(ask.header("authorization", &basic(&asker.0, &asker.1))).await
    }

    /// A machine's token.
    pub async fn machine_token(&self, machine: &(String, String), scope: &str) -> Answer {
        let mut form = vec![("grant_type", "client_credentials"), ("resource", NOTES)];
        if !scope.is_empty() {
            form.push(("scope", scope));
        }
        self.send(Ask::post("/token").form(&form).header("authorization", &basic(&machine.0, &machine.1)))
            .await
    }
}
