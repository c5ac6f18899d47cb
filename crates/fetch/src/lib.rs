//! The one hardened outbound client: checked address is dialled address.
