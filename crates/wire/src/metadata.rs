//! The two discovery documents: RFC 8414 for the authorization server, RFC 9728 for a guarded resource.
//!
//! Lists that would be empty are left out (RFC 8414 §3.2), and nothing is named that does not answer.

use serde::{Deserialize, Serialize};

use crate::resource::{Issuer, Resource};
use crate::scope::{OFFLINE_ACCESS, Scopes};

/// Authorization server metadata (RFC 8414 §2).
#[derive(Clone, Debug, Serialize)]
pub struct ServerMetadata {
    /// Byte for byte the issuer.
    pub issuer: String,
    /// `/authorize`.
    pub authorization_endpoint: String,
    /// `/token`.
    pub token_endpoint: String,
    /// `/register`.
    pub registration_endpoint: String,
    /// `/revoke`.
    pub revocation_endpoint: String,
    /// `/introspect`.
    pub introspection_endpoint: String,
    /// The keys.
    pub jwks_uri: String,
    /// Scopes that can be had.
    pub scopes_supported: Vec<String>,
    /// `code` alone.
    pub response_types_supported: Vec<&'static str>,
    /// `query` alone.
    pub response_modes_supported: Vec<&'static str>,
    /// The grants.
    pub grant_types_supported: Vec<&'static str>,
    /// `none` first: some clients look for it before they use a metadata document.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// For `private_key_jwt`.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// As at the token endpoint.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// For `private_key_jwt`.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// Confidential clients only.
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// For `private_key_jwt`.
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// `S256` alone.
    pub code_challenge_methods_supported: Vec<&'static str>,
    /// We always send `iss` (RFC 9207 §3).
    pub authorization_response_iss_parameter_supported: bool,
    /// A URL can be a `client_id`.
    pub client_id_metadata_document_supported: bool,
    /// The guarded resources (RFC 9728 §4).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
}

const ASSERTION_ALGS: [&str; 4] = ["ES256", "RS256", "PS256", "EdDSA"];
const METHODS: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

impl ServerMetadata {
    /// The document of `issuer`, whose endpoints lie under `base` (the issuer itself unless they were moved).
    pub fn new(issuer: &Issuer, base: &str, scopes: &Scopes, resources: &[Resource]) -> Self {
        let at = |path: &str| format!("{base}{path}");
        let mut scopes_supported: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        scopes_supported.push(OFFLINE_ACCESS.to_owned());
        Self {
            issuer: issuer.to_string(),
            authorization_endpoint: at("/authorize"),
            token_endpoint: at("/token"),
            registration_endpoint: at("/register"),
            revocation_endpoint: at("/revoke"),
            introspection_endpoint: at("/introspect"),
            jwks_uri: issuer.join("/.well-known/jwks.json"),
            scopes_supported,
            response_types_supported: vec!["code"],
            response_modes_supported: vec!["query"],
            grant_types_supported: vec!["authorization_code", "refresh_token", "client_credentials"],
            token_endpoint_auth_methods_supported: METHODS.to_vec(),
            token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGS.to_vec(),
            revocation_endpoint_auth_methods_supported: METHODS.to_vec(),
            revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGS.to_vec(),
            introspection_endpoint_auth_methods_supported: METHODS[1..].to_vec(),
            introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGS.to_vec(),
            code_challenge_methods_supported: vec!["S256"],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: true,
            protected_resources: resources.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Protected resource metadata (RFC 9728 §2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResourceMetadata {
    /// Byte for byte the URL people configure.
    pub resource: String,
    /// Our issuer; most clients use the first only.
    pub authorization_servers: Vec<String>,
    /// The least useful set, never `offline_access`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scopes_supported: Vec<String>,
    /// The header alone: a token in a URL is refused.
    pub bearer_methods_supported: Vec<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource_name: Option<String>,
}

impl ResourceMetadata {
    /// The document of `resource`, whose tokens come from `issuer`.
    pub fn new(resource: &Resource, issuer: &Issuer, scopes: &Scopes, name: Option<&str>) -> Self {
        Self {
            resource: resource.to_string(),
            authorization_servers: vec![issuer.to_string()],
            scopes_supported: scopes.without(OFFLINE_ACCESS).iter().map(ToString::to_string).collect(),
            bearer_methods_supported: vec!["header".to_owned()],
            resource_name: name.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d04_to_d10_the_document_is_complete_and_honest() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let json = serde_json::to_value(ServerMetadata::new(
            &issuer,
            "https://h.example",
            &Scopes::parse("a").unwrap(),
            &[],
        ))
        .unwrap();
        assert_eq!(json["issuer"], "https://h.example");
        assert_eq!(json["code_challenge_methods_supported"], serde_json::json!(["S256"]));
        assert_eq!(json["token_endpoint_auth_methods_supported"][0], "none");
        assert_eq!(json["scopes_supported"], serde_json::json!(["a", "offline_access"]));
        assert_eq!(json["authorization_response_iss_parameter_supported"], true);
        assert_eq!(json["client_id_metadata_document_supported"], true);
        assert!(
            json.get("protected_resources").is_none_or(|list| list != &serde_json::json!([])),
            "D08: no empty list"
        );
    }

    #[test]
    fn r04_offline_access_is_no_business_of_a_resource() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let resource = Resource::parse("https://h.example/mcp").unwrap();
        let document =
            ResourceMetadata::new(&resource, &issuer, &Scopes::parse("a offline_access").unwrap(), None);
        assert_eq!(document.scopes_supported, ["a"]);
        assert_eq!(document.resource, "https://h.example/mcp");
    }
}
