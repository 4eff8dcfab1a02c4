//! Models behind other addresses: health, weights, retries and fail-over, spoken through `parasol-wire`.
