//! Forms with files (`multipart/form-data`), within the server's limits of size and time.

use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use parasol_core::{Error, ErrorKind, Result as Outcome};

/// The longest field that is no file.
const LONGEST_FIELD: usize = 64 << 10;
/// Fields and files of a form, at most.
const MOST_FIELDS: usize = 256;

/// A form that has been read.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// Fields that are no files, in order.
    pub(crate) fields: Vec<(String, String)>,
    /// The bytes of the files, with the names of their fields, in order.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

impl Form {
    /// Reads a form; the fields that `files` name, perhaps with `[]` behind, are files.
    pub(crate) async fn read(
        state: &AppState,
        ctx: &RequestContext,
        request: Request,
        files: &[&str],
    ) -> Result<Self, Refused> {
        let patience = state.options().body_timeout;
        let read = Self::read_slowly(state, ctx, request, files);
        tokio::time::timeout(patience, read).await.unwrap_or_else(|_| {
            let message = format!("the form did not arrive within {} s: send it faster", patience.as_secs());
            Err(ctx.refuse(wrong(message)).with_status(StatusCode::REQUEST_TIMEOUT))
        })
    }

    /// The one file of a form that takes one, in the field `name`.
    pub(crate) fn file(&mut self, name: &str) -> Outcome<Vec<u8>> {
        if self.files.len() > 1 {
            return Err(wrong(format!("{name}: the form has {} files: send one", self.files.len())));
        }
        let missing = || wrong(format!("{name} is missing: send the sound in a field of that name"));
        self.files.pop().map(|(_, bytes)| bytes).ok_or_else(missing)
    }

    async fn read_slowly(
        state: &AppState,
        ctx: &RequestContext,
        request: Request,
        files: &[&str],
    ) -> Result<Self, Refused> {
        let limit = state.options().max_body;
        let wrong = |message: String| ctx.refuse(wrong(message));
        let mut form = Multipart::from_request(request, state)
            .await
            .map_err(|e| wrong(format!("the request is no form with a file (multipart/form-data): {e}")))?;
        let (mut read, mut size) = (Self::default(), 0_usize);
        let broken = |e: MultipartError| wrong(format!("the form is damaged: {}", e.body_text()));
        while let Some(mut field) = form.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            let is_file = files.contains(&name.trim_end_matches("[]"));
            let most = if is_file { limit } else { LONGEST_FIELD };
            if read.fields.len() + read.files.len() >= MOST_FIELDS {
                return Err(wrong(format!("the form has more than {MOST_FIELDS} fields: send fewer")));
            }
            let mut bytes = Vec::new();
            while let Some(piece) = field.chunk().await.map_err(broken)? {
                size = size.saturating_add(piece.len());
                if bytes.len() + piece.len() > most || size > limit {
                    let message = format!(
                        "the field {name} is larger than the {} bytes that the server takes: send less or raise its --max-body",
                        most.min(limit)
                    );
                    return Err(wrong(message).with_status(StatusCode::PAYLOAD_TOO_LARGE));
                }
                bytes.extend_from_slice(&piece);
            }
            if is_file {
                read.files.push((name, bytes));
            } else {
                let text =
                    String::from_utf8(bytes).map_err(|_| wrong(format!("the field {name} is no UTF-8")))?;
                read.fields.push((name, text));
            }
        }
        Ok(read)
    }
}
