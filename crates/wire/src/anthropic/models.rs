//! Models as `GET /v1/models` lists them.
//!
//! Spec: <https://docs.anthropic.com/en/api/models-list>.

use crate::fields::invalid;
use parasol_core::Result;
use serde_json::{Value, json};

/// A model as clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// What to ask for.
    pub id: String,
    /// Its name for people.
    pub display_name: String,
    /// When it was made or fetched, RFC 3339.
    pub created_at: String,
    /// Tokens that its context holds.
    pub context: Option<usize>,
}

impl Model {
    /// The object of one model.
    #[must_use]
    pub fn object(&self) -> Value {
        json!({
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "created_at": self.created_at,
            "lifecycle": "active",
            "max_input_tokens": self.context,
            "max_tokens": self.context,
        })
    }
}

/// Which page of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    limit: Option<usize>,
    after: Option<String>,
    before: Option<String>,
}

impl Page {
    /// Reads the query's parameters.
    ///
    /// # Errors
    /// `InvalidRequest` that names a parameter that is wrong or not known.
    pub fn parse<'a>(query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut page = Self::default();
        for (name, value) in query {
            match name {
                "limit" => match value.parse() {
                    Ok(n @ 1..=1000) => page.limit = Some(n),
                    _ => return Err(invalid("limit", "must be a whole number between 1 and 1000")),
                },
                "after_id" => page.after = Some(value.to_owned()),
                "before_id" => page.before = Some(value.to_owned()),
                // Every model is in this stage; the beta marker changes nothing.
                "beta" => {}
                "lifecycle" | "lifecycle[]" if value == "active" => {}
                other => return Err(invalid(other, "is not a parameter that Parasol honours: leave it out")),
            }
        }
        Ok(page)
    }

    /// The list's page.
    ///
    /// # Errors
    /// `InvalidRequest` when the page is to begin at a model that is not there.
    pub fn of(&self, models: &[Model]) -> Result<Value> {
        let find = |id: &str, field: &str| {
            let found = models.iter().position(|m| m.id == id);
            found.ok_or_else(|| invalid(field, format_args!("no model is named {id:?}")))
        };
        let limit = self.limit.unwrap_or(20);
        let (from, to, more) = match (&self.after, &self.before) {
            (_, Some(before)) => {
                let to = find(before, "before_id")?;
                let from = to.saturating_sub(limit);
                (from, to, from > 0)
            }
            (after, None) => {
                let from = match after {
                    Some(after) => find(after, "after_id")?.saturating_add(1),
                    None => 0,
                };
                let to = from.saturating_add(limit).min(models.len());
                (from, to, to < models.len())
            }
        };
        let page = models.get(from..to).unwrap_or_default();
        Ok(json!({
            "data": page.iter().map(Model::object).collect::<Vec<_>>(),
            "has_more": more,
            "first_id": page.first().map(|m| &m.id),
            "last_id": page.last().map(|m| &m.id),
        }))
    }
}
