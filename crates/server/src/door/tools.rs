//! What is known of each server's tools, in memory as it is in the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use portcullis_gateway::ports::{BoxFuture, ToolBook, Unavailable};
use portcullis_policy::KnownTools;
use portcullis_rules::facts;
use portcullis_rules::tools::{self, Listed, Listing, NewTools};
use portcullis_store::{Store, StoreError};
use portcullis_wire::resource::Resource;
use serde_json::Value;

use crate::app::App;

/// The books that are open, by their resources.
#[derive(Default)]
pub(crate) struct Books(Mutex<HashMap<Resource, Arc<Page>>>);

/// One resource's.
struct Page {
    store: Arc<dyn Store>,
    resource: Resource,
    new: NewTools,
    known: ArcSwap<KnownTools>,
}

impl Page {
    async fn reread(&self) -> Result<(), StoreError> {
        let book = self.store.tools(self.resource.clone()).await?;
        self.known.store(Arc::new(known(self.new, &book)));
        Ok(())
    }
}

fn known(new: NewTools, book: &facts::ToolBook) -> KnownTools {
    let new = match new {
        NewTools::Hold => portcullis_policy::NewTools::Hold,
        NewTools::Allow => portcullis_policy::NewTools::Allow,
    };
    let known = KnownTools::new(new).complete(book.begun_at.is_some());
    book.tools.iter().fold(known, |known, tool| {
        let known = known.listed(&tool.name, tool.digest);
        match &tool.accepted {
            Some(accepted) => known.accepted(&tool.name, accepted.digest),
            None => known,
        }
    })
}

impl Books {
    /// Reads again what the owner has accepted, where a door is open to the resource.
    pub(crate) async fn reread(&self, resource: &Resource) -> Result<(), StoreError> {
        let page = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(resource).cloned();
        match page {
            Some(page) => page.reread().await,
            None => Ok(()),
        }
    }
}

/// The book of one resource, for its door.
pub(crate) struct Book {
    app: Arc<App>,
    page: Arc<Page>,
}

impl Book {
    pub(crate) async fn open(app: Arc<App>, resource: Resource, new: NewTools) -> Result<Self, StoreError> {
        let page = Arc::new(Page {
            store: Arc::clone(&app.store),
            resource: resource.clone(),
            new,
            known: ArcSwap::default(),
        });
        page.reread().await?;
        let mut books = app.books.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.insert(resource, Arc::clone(&page));
        drop(books);
        Ok(Self { app, page })
    }

    async fn take(&self, listed: &[(String, Value)], whole: bool) -> Result<(), Unavailable> {
        let Page { resource, new, .. } = &*self.page;
        let listed: Vec<Listed> =
            listed.iter().filter_map(|(name, definition)| Listed::of(name, definition)).collect();
        let noted = self
            .app
            .settle(
                |store| store.tools(resource.clone()),
                |book, now| tools::listed(Listing { resource, tools: &listed, whole, new: *new }, book, now),
            )
            .await
            .map_err(|_| Unavailable)?;
        match noted {
            Ok(noted) => {
                if !noted.held.is_empty() {
                    tracing::warn!(
                        %resource,
                        tools = ?noted.held,
                        "the server lists tools that are new or have changed; they are hidden until \
                         `portcullis tools accept`"
                    );
                }
                if noted.beyond > 0 {
                    tracing::warn!(%resource, tools = noted.beyond, "the server lists more tools than are kept");
                }
            }
            Err(refusal) => tracing::error!(?refusal, "a list of tools was refused"),
        }
        self.page.reread().await.map_err(|_| Unavailable)
    }
}

impl ToolBook for Book {
    fn known(&self) -> Arc<KnownTools> {
        self.page.known.load_full()
    }

    fn listed<'a>(
        &'a self,
        tools: &'a [(String, Value)],
        whole: bool,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(self.take(tools, whole))
    }
}
