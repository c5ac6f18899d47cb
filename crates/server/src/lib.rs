//! Routes and pages of the authorization server; the only place where rules meet the store.
