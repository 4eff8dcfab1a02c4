//! What stands on the shelf: models of every kind under one budget. Who holds one holds it as what it is.

use super::shelf::Held;
use crate::model::Model;
use parasol_audio::speech::Speaker;
use parasol_audio::transcription::WhisperModel;
use std::sync::Arc;

/// A loaded model.
pub(super) enum Loaded {
    /// It writes.
    Text(Model),
    /// It listens.
    Ears(Arc<WhisperModel>),
    /// It speaks.
    Voice(Speaker),
}

/// A model of one kind, held. The model goes before its place on the shelf: fields are dropped in order.
pub(super) struct InUse<T> {
    model: T,
    held: Held<Loaded>,
}

/// A language model in use.
pub(super) type Text = InUse<Model>;

/// A speech model in use.
pub(super) type Ears = InUse<Arc<WhisperModel>>;

/// A voice in use.
pub(super) type Speaking = InUse<Speaker>;

impl<T> InUse<T> {
    pub(super) fn model(&self) -> &T {
        &self.model
    }

    pub(super) fn held(&self) -> &Held<Loaded> {
        &self.held
    }
}

impl Text {
    /// `None` for another kind of model.
    pub(super) fn of(held: Held<Loaded>) -> Option<Self> {
        let Loaded::Text(model) = held.value() else { return None };
        Some(Self { model: model.clone(), held })
    }
}

impl Ears {
    /// `None` for another kind of model.
    pub(super) fn of(held: Held<Loaded>) -> Option<Self> {
        let Loaded::Ears(model) = held.value() else { return None };
        Some(Self { model: Arc::clone(model), held })
    }
}

impl Speaking {
    /// `None` for another kind of model.
    pub(super) fn of(held: Held<Loaded>) -> Option<Self> {
        let Loaded::Voice(speaker) = held.value() else { return None };
        Some(Self { model: speaker.clone(), held })
    }
}
