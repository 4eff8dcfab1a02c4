//! Presets: settings of a conversation under a name.

use super::kinds::Parameters;
use super::rows::text;
use super::schema::prepare;
use rusqlite::types::Type;
use rusqlite::{Connection, params};
use schemars::JsonSchema;
use serde::Serialize;

/// Settings that a conversation can begin with.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Preset {
    pub(in crate::studio) name: String,
    pub(in crate::studio) model: Option<String>,
    pub(in crate::studio) system: Option<String>,
    pub(in crate::studio) parameters: Parameters,
}

/// An owner's presets by name.
pub(in crate::studio) fn presets(db: &Connection, owner: &str) -> rusqlite::Result<Vec<Preset>> {
    prepare(db)?;
    let ask = "SELECT name, model, system, parameters FROM preset WHERE owner = ?1 ORDER BY name";
    let preset = |row: &rusqlite::Row<'_>| {
        let parameters: String = row.get(3)?;
        let parameters = serde_json::from_str(&parameters)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(3, Type::Text, e.into()))?;
        Ok(Preset { name: row.get(0)?, model: row.get(1)?, system: row.get(2)?, parameters })
    };
    db.prepare_cached(ask)?.query_map([owner], preset)?.collect()
}

/// Keeps a preset in place of any of its name.
pub(in crate::studio) fn preset_keep(db: &Connection, owner: &str, it: &Preset) -> rusqlite::Result<()> {
    prepare(db)?;
    db.execute(
        "INSERT OR REPLACE INTO preset (owner, name, model, system, parameters) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![owner, it.name, it.model, it.system, text(&it.parameters)?],
    )?;
    Ok(())
}

/// Removes a preset. Whether there was one.
pub(in crate::studio) fn preset_delete(db: &Connection, owner: &str, name: &str) -> rusqlite::Result<bool> {
    prepare(db)?;
    Ok(db.execute("DELETE FROM preset WHERE owner = ?1 AND name = ?2", [owner, name])? > 0)
}
