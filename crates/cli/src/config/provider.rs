//! `[[provider]]`: where people sign in who do not sign in here, and what is made of what is said of them there.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_rules::federation::{Joining, PROOF_LASTS};
use portcullis_rules::groups::Group;
use portcullis_server::{ProviderKind, ProviderSettings};
use portcullis_sso::oidc::{self, Preset};
use portcullis_sso::{ClaimPath, EmailTrust, Mapping, saml};
use portcullis_wire::token::Sealed;
use url::Url;

use super::fault::Fault;
use super::reader::{At, nearest};
use super::secret::Written;

pub(crate) use file::ProviderFile;

/// Longest name of a provider: it stands in addresses.
const NAME: usize = 40;
/// What `kind` may say, beside the presets.
const SAML: &str = "saml";
/// Stands in `[provider.groups]` for every group that is not named there.
const OTHERS: &str = "*";
/// What it may say.
const KEEP: &str = "keep";
/// A proof that counts for less would end agents while their people work, and one that counts for more proves nothing.
const PROOF: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60 * 60)..=Duration::from_secs(3650 * 24 * 60 * 60);

/// All of them.
pub(super) fn resolve_all(files: &[ProviderFile], faults: &mut Vec<Fault>) -> Vec<ProviderSettings> {
    let mut all: Vec<ProviderSettings> = Vec::new();
    let mut issuers: BTreeMap<String, String> = BTreeMap::new();
    for file in files {
        let Some(settings) = resolve(file, faults) else { continue };
        if all.iter().any(|other| other.name == settings.name) {
            let line = file.name.as_ref().map(|at| at.line);
            faults.push(
                file.fault(line, "name", format!("two providers are called `{}`", settings.name))
                    .advise("the name stands in the addresses entered there: give each its own"),
            );
        }
        for domain in &settings.domains {
            if let Some(other) = all.iter().find(|other| other.domains.contains(domain)) {
                let line = file.domains.iter().flatten().find(|at| at.value.to_ascii_lowercase() == *domain);
                faults.push(
                    file.fault(
                        line.map(|at| at.line),
                        "domains",
                        format!("`{domain}` leads to `{}` already", other.name),
                    )
                    .advise("a work address leads to one provider"),
                );
            }
        }
        match settings.kind.known_as() {
            Ok(issuer) => {
                if let Some(other) = issuers.insert(issuer, settings.name.clone()) {
                    faults.push(
                        file.fault(None, "issuer", format!("`{other}` is this very provider"))
                            .advise("people are known by issuer and subject: name each provider once"),
                    );
                }
            }
            Err(fault) => {
                let (key, line) = file.known_by();
                faults.push(file.fault(line, key, fault.to_string()).advise(fault.fix));
            }
        }
        all.push(settings);
    }
    all
}

fn resolve(file: &ProviderFile, faults: &mut Vec<Fault>) -> Option<ProviderSettings> {
    let before = faults.len();
    let name = name(file, faults)?;
    let label = file.label.as_ref().map_or_else(|| name.clone(), |at| at.value.clone());
    if label.trim().is_empty() || label.chars().count() > NAME {
        let line = file.label.as_ref().map(|at| at.line);
        faults.push(file.fault(line, "label", format!("a label has 1 to {NAME} characters")));
    }
    let domains = lower(file.domains.as_ref());
    let kind = kind(file, &domains, faults);
    let mapping = match &kind {
        Some(ProviderKind::Oidc(oidc)) => oidc.preset.mapping(),
        _ => Mapping::saml(),
    };
    let mapping = mapped(file, mapping, faults);
    let joining = joining(file, faults);
    if let Some(ProviderKind::Oidc(oidc)) = &kind {
        open_to_all(file, oidc.preset, faults);
    }
    let kind = kind.filter(|_| faults.len() == before)?;
    Some(ProviderSettings { name, label, kind, mapping, joining, domains })
}

fn name(file: &ProviderFile, faults: &mut Vec<Fault>) -> Option<String> {
    let Some(At { value, line }) = &file.name else {
        faults.push(
            file.fault(None, "name", "what is it called?")
                .advise("a short name that stands in addresses, such as name = \"acme\""),
        );
        return None;
    };
    let fits = !value.is_empty()
        && value.len() <= NAME
        && !value.starts_with('-')
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        faults.push(
            file.fault(Some(*line), "name", format!("`{value}` cannot stand in an address"))
                .advise("use small letters, digits and `-`; what people read is `label`"),
        );
    }
    fits.then(|| value.clone())
}

fn lower(written: Option<&Vec<At<String>>>) -> Vec<String> {
    written.into_iter().flatten().map(|at| at.value.trim_start_matches('@').to_ascii_lowercase()).collect()
}

fn kind(file: &ProviderFile, domains: &[String], faults: &mut Vec<Fault>) -> Option<ProviderKind> {
    let (word, line) = file.kind.as_ref().map_or(("oidc", file.line), |at| (at.value.as_str(), at.line));
    if word == SAML {
        return of_saml(file, faults).map(|saml| ProviderKind::Saml(Box::new(saml)));
    }
    let Some(preset) = Preset::parse(word) else {
        let known: Vec<&str> = Preset::ALL.iter().map(|preset| preset.as_str()).chain([SAML]).collect();
        let fault = file.fault(Some(line), "kind", format!("`{word}` is no kind of provider"));
        faults.push(match nearest(word, known.iter().copied()) {
            Some(near) => fault.advise(format!("did you mean \"{near}\"?")),
            None => fault.advise(format!("write one of: {}", known.join(", "))),
        });
        return None;
    };
    of_oidc(file, preset, domains, faults).map(|oidc| ProviderKind::Oidc(Box::new(oidc)))
}

fn of_oidc(
    file: &ProviderFile,
    preset: Preset,
    domains: &[String],
    faults: &mut Vec<Fault>,
) -> Option<oidc::Settings> {
    let before = faults.len();
    let word = preset.as_str();
    misplaced(
        file,
        word,
        &[
            ("metadata_file", file.metadata_file.as_ref().map(|at| at.line)),
            ("metadata_url", file.metadata_url.as_ref().map(|at| at.line)),
            ("metadata_fingerprint", file.metadata_fingerprint.as_ref().map(|at| at.line)),
            ("reassignable_names", file.reassignable_names.as_ref().map(|at| at.line)),
            ("tenant", file.tenant.as_ref().filter(|_| preset != Preset::Entra).map(|at| at.line)),
        ],
        faults,
    );
    let issuer = match (preset, &file.issuer, &file.tenant) {
        (Preset::Entra, None, Some(tenant)) => match oidc::entra_issuer(&tenant.value) {
            Ok(issuer) => issuer,
            Err(cause) => {
                let told = format!("{}: {}", cause.what, cause.why);
                faults.push(file.fault(Some(tenant.line), "tenant", told).advise(cause.fix));
                return None;
            }
        },
        (Preset::Entra, None, None) => {
            faults.push(
                file.fault(None, "tenant", "whose directory is it?")
                    .advise("write the Directory (tenant) ID that the Entra admin center shows"),
            );
            return None;
        }
        (Preset::Entra, Some(at), _) => {
            faults.push(
                file.fault(Some(at.line), "issuer", "the issuer follows from the tenant")
                    .advise("write `tenant` and leave `issuer` out"),
            );
            return None;
        }
        (Preset::Google, Some(at), _) => {
            faults.push(
                file.fault(Some(at.line), "issuer", "Google has one issuer for everybody")
                    .advise("leave it out"),
            );
            return None;
        }
        (_, Some(at), _) => at.value.clone(),
        (_, None, _) if preset.known_issuer().is_some() => String::new(),
        (_, None, _) => {
            faults.push(
                file.fault(None, "issuer", "where is it?")
                    .advise("write its issuer, such as issuer = \"https://login.acme.com\""),
            );
            return None;
        }
    };
    let Some(client_id) = &file.client_id else {
        faults.push(
            file.fault(None, "client_id", "what is this server called there?")
                .advise("register it there as a web application, and write the client id it is given"),
        );
        return None;
    };
    let mut settings = oidc::Settings::new(preset, issuer, &client_id.value);
    let written = Written {
        key: "provider.client_secret",
        line: file.line,
        file: file.client_secret_file.as_ref(),
        env: file.client_secret_env.as_ref(),
    };
    settings.client_secret = written.optional(faults).map(Sealed::new);
    if let Some(at) = &file.client_auth {
        settings.auth = match at.value.as_str() {
            "basic" => oidc::ClientAuth::Basic,
            "post" => oidc::ClientAuth::Post,
            "none" => oidc::ClientAuth::None,
            other => {
                faults.push(
                    file.fault(Some(at.line), "client_auth", format!("`{other}` is no choice"))
                        .advise("write \"basic\", \"post\" or \"none\", or leave it out"),
                );
                oidc::ClientAuth::default()
            }
        };
    }
    settings.scopes = file.scopes.iter().flatten().map(|at| at.value.clone()).collect();
    settings.private_network = file.private_network.as_ref().is_some_and(|at| at.value);
    if preset == Preset::Google {
        settings.hosted_domains = domains.to_vec();
    }
    (faults.len() == before).then_some(settings)
}

fn of_saml(file: &ProviderFile, faults: &mut Vec<Fault>) -> Option<saml::Settings> {
    let before = faults.len();
    misplaced(
        file,
        SAML,
        &[
            ("tenant", file.tenant.as_ref().map(|at| at.line)),
            ("client_id", file.client_id.as_ref().map(|at| at.line)),
            ("client_secret_file", file.client_secret_file.as_ref().map(|at| at.line)),
            ("client_secret_env", file.client_secret_env.as_ref().map(|at| at.line)),
            ("client_auth", file.client_auth.as_ref().map(|at| at.line)),
            ("scopes", file.scopes.as_ref().map(|all| all.first().map_or(file.line, |at| at.line))),
        ],
        faults,
    );
    let source = match (&file.metadata_file, &file.metadata_url) {
        (Some(at), None) => match std::fs::read(&at.value) {
            Ok(bytes) => Some(saml::Source::Metadata(bytes)),
            Err(error) => {
                let told = format!("`{}`: {error}", at.value.display());
                faults.push(file.fault(Some(at.line), "metadata_file", told));
                None
            }
        },
        (None, Some(at)) => match Url::parse(&at.value) {
            Ok(url) => Some(saml::Source::Url { url, fingerprint: fingerprint(file, faults) }),
            Err(error) => {
                let told = format!("`{}`: {error}", at.value);
                faults.push(file.fault(Some(at.line), "metadata_url", told));
                None
            }
        },
        _ => {
            faults.push(file.fault(None, "metadata_file", "where is the provider's metadata?").advise(
                "export it there, and write metadata_file = \"idp.xml\"; or write metadata_url, not both",
            ));
            None
        }
    };
    let names = match file.reassignable_names.as_ref().is_some_and(|at| at.value) {
        true => saml::Names::AlsoReassignable,
        false => saml::Names::PersistentOnly,
    };
    let idp = source.filter(|_| faults.len() == before)?;
    // The server fills in its own addresses.
    Some(saml::Settings {
        entity_id: String::new(),
        acs: String::new(),
        issuer: file.issuer.as_ref().map(|at| at.value.clone()),
        idp,
        names,
        private_network: file.private_network.as_ref().is_some_and(|at| at.value),
    })
}

/// SHA-256 of a certificate, in hexadecimal, colons or not.
fn fingerprint(file: &ProviderFile, faults: &mut Vec<Fault>) -> Option<[u8; 32]> {
    let at = file.metadata_fingerprint.as_ref()?;
    let digits: String = at.value.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let read = bytes.and_then(|bytes| bytes.try_into().ok());
    if read.is_none() {
        faults.push(
            file.fault(Some(at.line), "metadata_fingerprint", "this is no SHA-256 fingerprint")
                .advise("openssl x509 -in cert.pem -noout -fingerprint -sha256"),
        );
    }
    read
}

/// Settings that mean nothing for this kind.
fn misplaced(file: &ProviderFile, kind: &str, settings: &[(&str, Option<usize>)], faults: &mut Vec<Fault>) {
    for (key, line) in settings {
        if let Some(line) = line {
            faults.push(
                file.fault(Some(*line), key, format!("it means nothing for a provider of kind \"{kind}\""))
                    .advise("leave it out"),
            );
        }
    }
}

fn mapped(file: &ProviderFile, mut mapping: Mapping, faults: &mut Vec<Fault>) -> Mapping {
    if let Some(at) = &file.name_claim {
        mapping.name = vec![ClaimPath::new(&at.value)];
    }
    if let Some(at) = &file.email_claim {
        mapping.email = ClaimPath::new(&at.value);
    }
    if file.trust_email.as_ref().is_some_and(|at| at.value) {
        mapping.email_trust = EmailTrust::Administrator;
    }
    if let Some(claims) = &file.groups_claim {
        mapping.groups = claims.iter().map(|at| ClaimPath::new(&at.value)).collect();
    }
    let mut names = BTreeMap::new();
    for (theirs, ours) in file.groups.iter().flatten() {
        if theirs == OTHERS {
            mapping.keep_other_groups = ours.value == KEEP;
            if ours.value != KEEP {
                faults.push(
                    file.fault(Some(ours.line), "groups.*", format!("`{}` is no choice", ours.value))
                        .advise("write \"keep\": groups without a line of their own keep their names"),
                );
            }
            continue;
        }
        match Group::parse(&ours.value) {
            Some(group) => drop(names.insert(theirs.clone(), group.as_str().to_owned())),
            None => faults.push(
                file.fault(Some(ours.line), "groups", format!("`{}` is no name of a group", ours.value))
                    .advise("use letters, digits, `-`, `_`, `.` and `@`"),
            ),
        }
    }
    mapping.group_names = names;
    mapping
}

/// Providers where anybody may have an account, and where anybody may make a group.
fn open_to_all(file: &ProviderFile, preset: Preset, faults: &mut Vec<Fault>) {
    if preset.known_issuer().is_none() {
        return;
    }
    let who = if preset == Preset::Google { "Google" } else { "GitHub" };
    let names = |list: &Option<Vec<At<String>>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let is_bounded = (preset == Preset::Google && names(&file.domains))
        || names(&file.account_domains)
        || names(&file.account_groups);
    if file.accounts.is_none() && !is_bounded {
        let bound = if preset == Preset::Google { "domains" } else { "account_groups" };
        faults.push(
            file.fault(None, "accounts", format!("anybody with an account at {who} would get one here")).advise(
                format!("name `{bound}`, or write accounts = \"known\"; accounts = \"create\" if you mean everybody"),
            ),
        );
    }
    if preset == Preset::GitHub
        && let Some((_, kept)) = file.groups.iter().flatten().find(|(theirs, _)| theirs == OTHERS)
    {
        faults.push(
            file.fault(Some(kept.line), "groups.*", "anybody can make an organisation of any name at GitHub")
                .advise("name each organisation that means something here"),
        );
    }
}

fn joining(file: &ProviderFile, faults: &mut Vec<Fault>) -> Joining {
    let is_set = |at: &Option<At<bool>>| at.as_ref().is_some_and(|at| at.value);
    let create = match file.accounts.as_ref().map(|at| (at.value.as_str(), at.line)) {
        None | Some(("create", _)) => true,
        Some(("known", _)) => false,
        Some((other, line)) => {
            faults.push(
                file.fault(Some(line), "accounts", format!("`{other}` is no choice"))
                    .advise("write \"create\" or \"known\""),
            );
            false
        }
    };
    let mut groups = BTreeSet::new();
    for At { value, line } in file.account_groups.iter().flatten() {
        match Group::parse(value) {
            Some(group) => drop(groups.insert(group)),
            None => faults.push(file.fault(
                Some(*line),
                "account_groups",
                format!("`{value}` is no name of a group"),
            )),
        }
    }
    if !groups.is_empty() && file.groups.is_none() {
        faults.push(
            file.fault(None, "account_groups", "no group is taken from this provider")
                .advise("say under [provider.groups] what its groups mean here"),
        );
    }
    let lasts = match &file.proof_lasts {
        None => PROOF_LASTS,
        Some(at) if PROOF.contains(&at.value) => at.value,
        Some(at) => {
            faults.push(file.fault(
                Some(at.line),
                "proof_lasts",
                "a sign-in counts for an hour at least, ten years at most",
            ));
            PROOF_LASTS
        }
    };
    Joining {
        create,
        domains: lower(file.account_domains.as_ref()).into_iter().collect(),
        groups,
        link_by_email: is_set(&file.link_by_email),
        lasts,
    }
}
