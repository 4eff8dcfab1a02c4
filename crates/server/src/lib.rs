//! The HTTP door: listens, guards, and speaks the dialects of `parasol-wire` for what `parasol-runtime` serves. It knows
//! protocols and no model.
