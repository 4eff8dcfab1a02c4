//! What the processor can do, as values that only detection can make: whoever holds an [`Avx512Vnni`] may run AVX-512
//! code, so a kernel that asks for the token cannot meet a processor without it.

use std::fmt;

/// Proof of AVX-512 F, BW, DQ, VL, VNNI and VBMI (Ice Lake, Zen 4 and later).
#[derive(Debug, Clone, Copy)]
pub struct Avx512Vnni(());

/// Proof of AVX2, FMA, F16C, BMI1 and BMI2 (Haswell, Zen and later).
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

/// Plain Rust that runs everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

/// The instruction set that kernels run on.
#[derive(Debug, Clone, Copy)]
pub enum Isa {
    /// 512-bit vectors, int8 dot products in one instruction.
    Avx512Vnni(Avx512Vnni),
    /// 256-bit vectors, int8 dot products in two instructions.
    Avx2(Avx2),
    /// What the compiler makes of plain loops.
    Portable(Portable),
}

/// `PARASOL_ISA` asked for something that this processor or this build does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsaError {
    asked: String,
    known: bool,
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
        let problem = if self.known { "this processor does not have it" } else { "no kernels of that name" };
        write!(f, "PARASOL_ISA={}: {problem}; use one of: {}", self.asked, names.join(", "))
    }
}

impl std::error::Error for IsaError {}

impl Avx512Vnni {
    /// The token, where the processor and the operating system support all of it.
    #[cfg(target_arch = "x86_64")]
    pub fn detect() -> Option<Self> {
        use std::arch::is_x86_feature_detected as has;
        (has!("avx512f")
            && has!("avx512bw")
            && has!("avx512dq")
            && has!("avx512vl")
            && has!("avx512vnni")
            && has!("avx512vbmi")
            && has!("fma")
            && has!("bmi2"))
        .then_some(Self(()))
    }

    /// Never, on this architecture.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn detect() -> Option<Self> {
        None
    }
}

impl Avx2 {
    /// The token, where the processor and the operating system support all of it.
    #[cfg(target_arch = "x86_64")]
    pub fn detect() -> Option<Self> {
        use std::arch::is_x86_feature_detected as has;
        (has!("avx2") && has!("fma") && has!("f16c") && has!("bmi1") && has!("bmi2")).then_some(Self(()))
    }

    /// Never, on this architecture.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn detect() -> Option<Self> {
        None
    }
}

impl Isa {
    /// All that this processor can run, the fastest first.
    pub fn available() -> Vec<Isa> {
        let mut all = Vec::with_capacity(3);
        all.extend(Avx512Vnni::detect().map(Isa::Avx512Vnni));
        all.extend(Avx2::detect().map(Isa::Avx2));
        all.push(Isa::Portable(Portable));
        all
    }

    /// The fastest that this processor can run.
    pub fn detect() -> Isa {
        Self::available()[0] // never empty: `Portable` is always there
    }

    /// The one that `PARASOL_ISA` names (`avx512`, `avx2`, `portable`), else the fastest.
    ///
    /// # Errors
    /// When the variable names something else, or something that this processor lacks.
    pub fn from_env_or_detect() -> Result<Isa, IsaError> {
        match std::env::var("PARASOL_ISA") {
            Ok(name) if !name.is_empty() => Self::by_name(&name),
            _ => Ok(Self::detect()),
        }
    }

    /// The one called `name` in any case.
    ///
    /// # Errors
    /// When there is no such instruction set, or the processor lacks it.
    pub fn by_name(name: &str) -> Result<Isa, IsaError> {
        Self::available().into_iter().find(|i| i.name().eq_ignore_ascii_case(name)).ok_or_else(|| IsaError {
            asked: name.to_owned(),
            known: ["avx512", "avx2"].iter().any(|k| k.eq_ignore_ascii_case(name)),
        })
    }

    /// `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512Vnni(_) => "avx512",
            Isa::Avx2(_) => "avx2",
            Isa::Portable(_) => "portable",
        }
    }
}
