//! Weight formats: how many values a block holds and how many bytes it takes. The layouts are those of ggml
//! (`ggml-common.h`), whose type numbers GGUF files carry.

/// A storage format of weights. Quantised formats store rows as whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    IQ4NL,
    IQ4XS,
}

impl Format {
    /// Every format, for tests and tables.
    pub const ALL: [Format; 15] = [
        Format::F32,
        Format::F16,
        Format::BF16,
        Format::Q4_0,
        Format::Q4_1,
        Format::Q5_0,
        Format::Q5_1,
        Format::Q8_0,
        Format::Q2K,
        Format::Q3K,
        Format::Q4K,
        Format::Q5K,
        Format::Q6K,
        Format::IQ4NL,
        Format::IQ4XS,
    ];

    /// (ggml type number, name, values per block, bytes per block)
    const fn row(self) -> (u32, &'static str, usize, usize) {
        match self {
            Format::F32 => (0, "F32", 1, 4),
            Format::F16 => (1, "F16", 1, 2),
            Format::Q4_0 => (2, "Q4_0", 32, 18),
            Format::Q4_1 => (3, "Q4_1", 32, 20),
            Format::Q5_0 => (6, "Q5_0", 32, 22),
            Format::Q5_1 => (7, "Q5_1", 32, 24),
            Format::Q8_0 => (8, "Q8_0", 32, 34),
            Format::Q2K => (10, "Q2_K", 256, 84),
            Format::Q3K => (11, "Q3_K", 256, 110),
            Format::Q4K => (12, "Q4_K", 256, 144),
            Format::Q5K => (13, "Q5_K", 256, 176),
            Format::Q6K => (14, "Q6_K", 256, 210),
            Format::IQ4NL => (20, "IQ4_NL", 32, 18),
            Format::IQ4XS => (23, "IQ4_XS", 256, 136),
            Format::BF16 => (30, "BF16", 1, 2),
        }
    }

    /// The format of a ggml type number, if it is one of ours.
    pub fn from_ggml(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.row().0 == number)
    }

    /// The format of a name as [`Format::name`] gives it, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.row().1.eq_ignore_ascii_case(name))
    }

    /// The name that the field uses: `Q4_K`, `IQ4_NL` …
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// Blocks store a minimum beside their scale.
    pub const fn has_minimums(self) -> bool {
        matches!(self, Format::Q4_1 | Format::Q5_1 | Format::Q2K | Format::Q4K | Format::Q5K)
    }

    /// Values in a block.
    pub const fn block_len(self) -> usize {
        self.row().2
    }

    /// Bytes in a block.
    pub const fn block_bytes(self) -> usize {
        self.row().3
    }

    /// Bytes of a row of `cols` values; `None` when the row is not whole blocks or too large to count.
    pub const fn row_bytes(self, cols: usize) -> Option<usize> {
        let (len, bytes) = (self.block_len(), self.block_bytes());
        if !cols.is_multiple_of(len) {
            return None;
        }
        (cols / len).checked_mul(bytes)
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
