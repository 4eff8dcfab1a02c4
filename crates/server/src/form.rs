//! Forms with files (`multipart/form-data`), within the server's limits of size and time.

use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use axum::response::Response;
use parasol_core::{Error, ErrorKind};

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

/// What was wrong with a form, with a status where the kind of error has none.
#[derive(Debug)]
pub(crate) struct Wrong(Option<StatusCode>, Error);

impl Wrong {
    /// The answer, in the words of the request's dialect.
    pub(crate) fn answer(self, ctx: &RequestContext) -> Result<Response, Refused> {
        match self {
            Self(Some(status), error) => Ok(ctx.dialect().error_with(status, &error)),
            Self(None, error) => Err(ctx.refuse(error)),
        }
    }
}

fn wrong(message: impl Into<String>) -> Wrong {
    Wrong(None, Error::new(ErrorKind::InvalidRequest, message))
}

impl Form {
    /// Reads a form; the fields that `files` name, perhaps with `[]` behind, are files.
    pub(crate) async fn read(state: &AppState, request: Request, files: &[&str]) -> Result<Self, Wrong> {
        let patience = state.options().body_timeout;
        let read = Self::read_slowly(state, request, files);
        tokio::time::timeout(patience, read).await.unwrap_or_else(|_| {
            let message = format!("the form did not arrive within {} s: send it faster", patience.as_secs());
            Err(Wrong(Some(StatusCode::REQUEST_TIMEOUT), Error::new(ErrorKind::InvalidRequest, message)))
        })
    }

    async fn read_slowly(state: &AppState, request: Request, files: &[&str]) -> Result<Self, Wrong> {
        let limit = state.options().max_body;
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
                    let error = Error::new(ErrorKind::InvalidRequest, message);
                    return Err(Wrong(Some(StatusCode::PAYLOAD_TOO_LARGE), error));
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
