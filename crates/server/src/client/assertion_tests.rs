//! Assertions signed with real keys, inline and behind a `jwks_uri`.

use std::time::Duration;

use portcullis_fetch::FetchError;
use portcullis_jose::key::{Alg, Jwks, SigningKey};
use portcullis_rules::machine::assertion_digest;
use portcullis_rules::model::Client;
use portcullis_rules::proof::{ClientProof, prove};
use portcullis_rules::refusal::Refusal;
use portcullis_wire::base64url;
use portcullis_wire::resource::Issuer;
use portcullis_wire::time::UnixTime;
use serde_json::{Value, json};

use super::assertion::{AssertionFault, assertion_client_id, assertion_proof};
use super::document::DOCUMENT_FRESH_LEAST;
use super::fault::DocumentFault;
use super::keys::UNKNOWN_KEY_PAUSE;
use super::testsite::{SOURCE, Site, World};

const ISSUER: &str = "https://auth.example";
const TOKEN: &str = "https://auth.example/token";
const JWT: &str = "JWT";
const REFUSED: Result<(), AssertionFault> = Err(AssertionFault::Refused(Refusal::ClientUnproven));

fn key_set(keys: &[&SigningKey]) -> String {
    serde_json::to_string(&Jwks { keys: keys.iter().map(|key| key.public_jwk()).collect() }).unwrap()
}

struct Party {
    site: Site,
    world: World,
    client: Client,
}

impl Party {
    /// A client with its keys in its document.
    async fn inline(keys: &[&SigningKey]) -> Self {
        Self::new(&format!(r#""jwks":{},"#, key_set(keys)), |_| {}).await
    }

    /// A client whose keys are at `/keys`.
    async fn remote(prepare: impl FnOnce(&Site)) -> Self {
        Self::new("", prepare).await
    }

    async fn new(keys: &str, prepare: impl FnOnce(&Site)) -> Self {
        let (site, world) = (Site::start().await, World::new());
        let place = format!(r#""jwks_uri":"{}","#, site.url("/keys"));
        let keys = if keys.is_empty() { &place } else { keys };
        site.serves_client("/a", &format!(r#""token_endpoint_auth_method":"private_key_jwt",{keys}"#));
        prepare(&site);
        let client = world.client(&site.id("/a")).await.unwrap();
        Self { site, world, client }
    }

    fn claims(&self) -> Value {
        let (id, now) = (self.client.id.as_str(), self.world.now().seconds());
        json!({"iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 120, "jti": "one"})
    }

    fn with(&self, member: &str, value: Value) -> Value {
        let mut claims = self.claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(member),
            value => claims.as_object_mut().unwrap().insert(member.to_owned(), value),
        };
        claims
    }

    async fn proof(&self, assertion: &str) -> Result<ClientProof, AssertionFault> {
        let issuer = Issuer::parse(ISSUER).unwrap();
        let documents = &self.world.documents;
        assertion_proof(documents, &self.client, assertion, &issuer, TOKEN, SOURCE, self.world.now()).await
    }

    async fn judge(&self, assertion: &str) -> Result<(), AssertionFault> {
        self.proof(assertion).await.map(|_| ())
    }
}

/// A compact JWS whose header is as given, signed by nobody who matters.
fn forged(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    format!("{}.{}.{}", part(header), part(claims), base64url::encode(b"nothing"))
}

#[tokio::test]
async fn x03_each_algorithm_proves_its_client_and_the_proof_fits_the_registered_keys() {
    for alg in Alg::ALL {
        let key = SigningKey::generate(alg).unwrap();
        let party = Party::inline(&[&key]).await;
        let claims = party.claims();
        let proof = party.proof(&key.sign(JWT, &claims).unwrap()).await.unwrap();
        let exp = UnixTime::from_seconds(claims["exp"].as_i64().unwrap());
        let ClientProof::Assertion { spend, until, keys } = &proof else { panic!("{proof:?}") };
        assert_eq!(*spend, assertion_digest(party.client.id.as_str(), "one"));
        assert_eq!(*until, exp + Duration::from_secs(60), "{alg}");
        assert!(keys.is_some());
        assert!(prove(Some(&party.client), &proof, false).is_ok());
        assert_eq!(prove(Some(&party.client), &proof, true).err(), Some(Refusal::AssertionReplayed));
        let mut rotated = party.client.clone();
        rotated.metadata.jwks = Some(r#"{"keys":[]}"#.to_owned());
        assert_eq!(prove(Some(&rotated), &proof, false).err(), Some(Refusal::ClientUnproven));
    }
}

#[tokio::test]
async fn x03_rfc7523_3_each_flipped_claim_is_invalid_client() {
    let (key, other) = (SigningKey::generate(Alg::Es256).unwrap(), SigningKey::generate(Alg::Es256).unwrap());
    let party = Party::inline(&[&key]).await;
    let now = party.world.now().seconds();
    assert_eq!(party.judge(&key.sign(JWT, &party.claims()).unwrap()).await, Ok(()));
    for (name, member, value) in [
        ("another issuer", "iss", json!("https://evil.example/a")),
        ("no issuer", "iss", Value::Null),
        ("another subject", "sub", json!("https://evil.example/a")),
        ("no subject", "sub", Value::Null),
        ("no audience", "aud", Value::Null),
        ("expired", "exp", json!(now - 61)),
        ("no end", "exp", Value::Null),
        ("an end in words", "exp", json!("soon")),
        ("from the future", "iat", json!(now + 61)),
        ("not yet", "nbf", json!(now + 61)),
        ("no jti", "jti", Value::Null),
        ("an empty jti", "jti", json!("")),
        ("a jti that is a number", "jti", json!(7)),
    ] {
        let assertion = key.sign(JWT, &party.with(member, value)).unwrap();
        assert_eq!(party.judge(&assertion).await, REFUSED, "{name}");
    }
    let stranger = other.sign(JWT, &party.claims()).unwrap();
    assert_eq!(party.judge(&stranger).await, REFUSED, "another's key");
    let good = key.sign(JWT, &party.claims()).unwrap();
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, foreign) = stranger.rsplit_once('.').unwrap();
    assert_eq!(party.judge(&format!("{signed}.{foreign}")).await, REFUSED, "another's signature");
    assert_eq!(Refusal::from(party.judge("x.y.z").await.unwrap_err()).code().as_str(), "invalid_client");
}

#[tokio::test]
async fn x03_no_algorithm_but_the_keys_own() {
    let key = SigningKey::generate(Alg::Rs256).unwrap();
    let party = Party::inline(&[&key]).await;
    for alg in ["none", "HS256", "ES256", "PS256", "RS384", "rs256"] {
        let assertion = forged(&json!({"alg": alg, "typ": JWT, "kid": key.kid()}), &party.claims());
        assert_eq!(party.judge(&assertion).await, REFUSED, "{alg}");
    }
}

#[tokio::test]
async fn x04_one_audience_and_only_ours() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let party = Party::inline(&[&key]).await;
    for (name, aud, expected) in [
        ("issuer", json!(ISSUER), Ok(())),
        ("issuer with a slash", json!("https://auth.example/"), Ok(())),
        ("issuer, alone in a list", json!([ISSUER]), Ok(())),
        ("token endpoint", json!(TOKEN), Ok(())),
        ("two slashes", json!("https://auth.example//"), REFUSED),
        ("another path", json!("https://auth.example/register"), REFUSED),
        ("another issuer", json!("https://evil.example"), REFUSED),
        ("two of them", json!([ISSUER, "https://evil.example"]), REFUSED),
        ("ours twice over", json!([ISSUER, TOKEN]), REFUSED),
        ("none in the list", json!([]), REFUSED),
        ("empty", json!(""), REFUSED),
        ("another case", json!("https://AUTH.example"), REFUSED),
    ] {
        let assertion = key.sign(JWT, &party.with("aud", aud)).unwrap();
        assert_eq!(party.judge(&assertion).await, expected, "{name}");
    }
}

#[tokio::test]
async fn x05_an_assertion_lives_five_minutes_at_most() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let party = Party::inline(&[&key]).await;
    let now = party.world.now().seconds();
    for (exp, expected) in [
        (now + 300, Ok(())),
        (now + 360, Ok(())),
        (now + 361, REFUSED),
        (now + 86_400, REFUSED),
        (i64::MAX, REFUSED),
    ] {
        let assertion = key.sign(JWT, &party.with("exp", json!(exp))).unwrap();
        assert_eq!(party.judge(&assertion).await, expected, "{exp}");
    }
}

#[tokio::test]
async fn x06_only_types_that_nothing_else_has() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let party = Party::inline(&[&key]).await;
    for (typ, expected) in [
        ("JWT", Ok(())),
        ("jwt", Ok(())),
        ("client-authentication+jwt", Ok(())),
        ("application/client-authentication+jwt", Ok(())),
        ("at+jwt", REFUSED),
        ("application/at+jwt", REFUSED),
        ("oauth-id-jag+jwt", REFUSED),
        ("dpop+jwt", REFUSED),
        ("logout+jwt", REFUSED),
    ] {
        assert_eq!(party.judge(&key.sign(typ, &party.claims()).unwrap()).await, expected, "{typ}");
    }
}

#[tokio::test]
async fn x07_the_assertion_can_name_its_client() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let party = Party::inline(&[&key]).await;
    let assertion = key.sign(JWT, &party.claims()).unwrap();
    assert_eq!(assertion_client_id(&assertion).as_ref(), Some(&party.client.id));
    let header = json!({"alg": "ES256"});
    for (name, given) in [
        ("nothing", String::new()),
        ("no JWS", "a.b.c".to_owned()),
        ("no issuer", forged(&header, &json!({"sub": "a"}))),
        ("an issuer that no client can have", forged(&header, &json!({"iss": "a b"}))),
        ("too long", forged(&header, &json!({"iss": "a".repeat(600)}))),
    ] {
        assert_eq!(assertion_client_id(&given), None, "{name}");
    }
}

#[tokio::test]
async fn x03_a_client_of_another_method_proves_nothing_by_an_assertion() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let mut party = Party::inline(&[&key]).await;
    party.client.metadata.auth_method = portcullis_wire::register::AuthMethod::None;
    let assertion = key.sign(JWT, &party.claims()).unwrap();
    assert_eq!(party.judge(&assertion).await, Err(AssertionFault::Refused(Refusal::MethodMismatch)));
}

#[tokio::test]
async fn c11_c16_keys_at_a_jwks_uri_are_kept_and_fetched_anew_for_an_unknown_key() {
    let (old, new) = (SigningKey::generate(Alg::Es256).unwrap(), SigningKey::generate(Alg::Es256).unwrap());
    let party = Party::remote(|site| {
        site.answers("/keys", "200 OK\r\ncontent-type: application/jwk-set+json", &key_set(&[&old]));
        site.serves("/keys", &key_set(&[&new]));
    })
    .await;
    let (by_old, by_new) = (old.sign(JWT, &party.claims()).unwrap(), new.sign(JWT, &party.claims()).unwrap());
    let before = party.site.hits();
    let proof = party.proof(&by_old).await.unwrap();
    assert!(matches!(proof, ClientProof::Assertion { keys: Some(_), .. }));
    assert!(prove(Some(&party.client), &proof, false).is_ok());
    assert_eq!(party.judge(&by_old).await, Ok(()));
    assert_eq!(party.site.hits() - before, 1);
    assert_eq!(party.judge(&by_new).await, REFUSED, "the keys were fetched just now");
    assert_eq!(party.site.hits() - before, 1);
    party.world.clock.pass(UNKNOWN_KEY_PAUSE);
    assert_eq!(party.judge(&by_new).await, Ok(()));
    assert_eq!(party.judge(&by_old).await, REFUSED, "a key that was taken back no longer counts");
    assert_eq!(party.site.hits() - before, 2);
}

#[tokio::test]
async fn c09_a_key_set_goes_stale_and_a_bad_one_is_not_kept() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let party = Party::remote(|site| {
        site.answers("/keys", "503 Later", "");
        site.serves("/keys", r#"{"keys":[{"kty":"oct","k":"AA"}]}"#);
        site.serves("/keys", r#"{"keys":[]}"#);
        site.serves("/keys", &key_set(&[&key]));
    })
    .await;
    let assertion = key.sign(JWT, &party.claims()).unwrap();
    let first = party.judge(&assertion).await;
    assert_eq!(first, Err(AssertionFault::Keys(DocumentFault::Fetch(FetchError::Status(503)))));
    assert_eq!(Refusal::from(first.unwrap_err()), Refusal::ClientUnproven);
    for _ in 0..2 {
        let got = party.judge(&assertion).await;
        assert!(matches!(got, Err(AssertionFault::Keys(DocumentFault::Invalid(_)))), "{got:?}");
    }
    assert_eq!(party.judge(&assertion).await, Ok(()));
    let before = party.site.hits();
    party.world.clock.pass(DOCUMENT_FRESH_LEAST);
    let later = key.sign(JWT, &party.claims()).unwrap();
    assert_eq!(party.judge(&later).await, Ok(()));
    assert_eq!(party.site.hits() - before, 1);
}

#[tokio::test]
async fn c15_an_assertion_of_somebody_else_causes_no_fetch() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let party = Party::remote(|site| site.serves("/keys", &key_set(&[&key]))).await;
    let before = party.site.hits();
    for assertion in
        ["", "a.b.c", &key.sign(JWT, &party.with("iss", json!("https://other.example/a"))).unwrap()]
    {
        assert_eq!(party.judge(assertion).await, REFUSED);
    }
    assert_eq!(party.site.hits(), before);
}

#[tokio::test]
async fn c07_t_ssrf_a_jwks_uri_on_a_special_use_address_is_not_asked_for() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let mut party = Party::remote(|_| {}).await;
    for host in ["10.0.0.1", "169.254.169.254", "[fd00::1]", "0.0.0.0"] {
        party.client.metadata.jwks_uri = Some(format!("https://{host}/keys"));
        let got = party.judge(&key.sign(JWT, &party.claims()).unwrap()).await;
        let is_refused =
            matches!(got, Err(AssertionFault::Keys(DocumentFault::Fetch(FetchError::Address(_)))));
        assert!(is_refused, "{host}: {got:?}");
    }
}
