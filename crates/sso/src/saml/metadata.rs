//! What we say of ourselves (SAML Metadata §2.4.4): our name, where answers go, what we want signed.

use super::request::escape;
use super::{Names, name};

/// Our metadata.
pub(crate) fn document(entity_id: &str, acs: &str, names: Names) -> String {
    let formats: &[&str] = match names {
        Names::PersistentOnly => &[name::PERSISTENT],
        Names::AlsoReassignable => &[name::PERSISTENT, name::EMAIL_ADDRESS, name::UNSPECIFIED],
    };
    let formats: String =
        formats.iter().map(|format| format!("    <md:NameIDFormat>{format}</md:NameIDFormat>\n")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <md:EntityDescriptor xmlns:md=\"{md}\" entityID=\"{entity_id}\">\n  \
         <md:SPSSODescriptor protocolSupportEnumeration=\"{samlp}\" AuthnRequestsSigned=\"false\" \
         WantAssertionsSigned=\"true\">\n{formats}    \
         <md:AssertionConsumerService Binding=\"{post}\" Location=\"{acs}\" index=\"0\" isDefault=\"true\"/>\n  \
         </md:SPSSODescriptor>\n</md:EntityDescriptor>\n",
        md = name::METADATA,
        samlp = name::SAMLP,
        post = name::POST,
        entity_id = escape(entity_id),
        acs = escape(acs),
    )
}
