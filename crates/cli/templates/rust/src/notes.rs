//! The MCP server itself: tools over a list of notes in memory. It knows nothing of OAuth; what each tool needs is said
//! in `lib.rs`, and a call that lacks it never gets here.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

/// Notes are kept until this many.
const MOST: usize = 1000;

/// The server; its clones share their notes.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Note {
    /// What the note says.
    text: String,
}

#[tool_router]
impl Notes {
    #[tool(
        description = "List all notes.",
        annotations(title = "List notes", read_only_hint = true)
    )]
    async fn list_notes(&self) -> String {
        self.with(|notes| notes.join("\n"))
    }

    #[tool(
        description = "Add a note.",
        annotations(title = "Add a note", destructive_hint = false)
    )]
    async fn add_note(&self, Parameters(note): Parameters<Note>) -> String {
        self.with(|notes| {
            if notes.len() >= MOST {
                return "not added: there are too many notes".to_owned();
            }
            notes.push(note.text);
            "added".to_owned()
        })
    }

    #[tool(
        description = "Delete a note.",
        annotations(title = "Delete a note", destructive_hint = true)
    )]
    async fn delete_note(&self, Parameters(note): Parameters<Note>) -> String {
        self.with(|notes| {
            let before = notes.len();
            notes.retain(|text| *text != note.text);
            if notes.len() < before {
                "deleted"
            } else {
                "there is no such note"
            }
            .to_owned()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<String>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[tool_handler]
impl ServerHandler for Notes {}
