//! Answers of real providers, as they came: pysaml2's and SimpleSAMLphp's (`tests/saml/real`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_wire::time::UnixTime;
use serde_json::json;

use super::world::{at_once, provider_with};
use crate::saml::{Kept, Names, Settings, Source};
use crate::{Fault, Identity};

/// One recorded answer: the metadata, the answer, and what was asked.
pub(super) struct Recorded {
    pub(super) metadata: String,
    pub(super) response: String,
    notes: BTreeMap<String, String>,
}

pub(super) fn recorded(name: &str) -> Recorded {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/saml/real").join(name);
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let notes = read("notes.txt");
    let notes = notes.lines().filter_map(|line| line.split_once('='));
    Recorded {
        metadata: read("metadata.xml"),
        response: read("response.xml"),
        notes: notes.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

impl Recorded {
    fn settings(&self) -> Settings {
        Settings {
            entity_id: self.notes["entity_id"].clone(),
            acs: self.notes["acs"].clone(),
            issuer: Some(self.notes["idp"].clone()),
            idp: Source::Metadata(self.metadata.clone().into_bytes()),
            names: Names::PersistentOnly,
            private_network: true,
        }
    }

    /// Hands `response` in at the moment it was made.
    pub(super) fn judge(&self, response: &str) -> Result<Identity, Fault> {
        let now = UnixTime::from_seconds(self.notes["made_at"].parse().unwrap());
        let request_id = self.notes["request_id"].trim_start_matches('_').to_owned();
        let kept = Kept { request_id, again_since: None };
        at_once(provider_with(self.settings()).finish(&STANDARD.encode(response), &kept, now))
    }
}

#[test]
fn answers_of_pysaml2_and_simplesamlphp_are_read() {
    for name in ["pysaml2", "simplesamlphp"] {
        let recorded = recorded(name);
        let identity = recorded.judge(&recorded.response).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        assert_eq!(identity.issuer, recorded.notes["idp"], "{name}");
        let said = serde_json::to_string(&identity.claims).unwrap();
        assert!(said.contains(r#"["alex@acme.example"]"#), "{name}: {said}");
        let groups = identity.claims.values().any(|values| *values == json!(["mcp-users", "mcp-admins"]));
        assert!(groups, "{name}: {said}");
    }
}

#[test]
fn every_answer_of_pysaml2_that_is_wrong_is_refused_by_its_name() {
    for (name, code) in [
        ("pysaml2-altered", "saml_digest"),
        ("pysaml2-audience", "saml_audience"),
        ("pysaml2-late", "saml_clock"),
        ("pysaml2-recipient", "saml_recipient"),
        ("pysaml2-sha1", "saml_sha1"),
        ("pysaml2-transient", "saml_transient"),
        ("pysaml2-unknown-request", "saml_in_response_to"),
        ("pysaml2-unsigned", "saml_no_signature"),
    ] {
        let recorded = recorded(name);
        let outcome = recorded.judge(&recorded.response);
        assert_eq!(outcome.map_err(|fault| fault.code).err(), Some(code), "{name}");
    }
}
