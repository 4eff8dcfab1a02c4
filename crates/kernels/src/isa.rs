//! What the processor can do, as values that only detection can make: whoever holds an [`Avx512Vnni`] may run AVX-512
//! code, so a kernel that asks for the token cannot meet a processor without it.

use std::fmt;

/// Proof of AMX tiles with bfloat16 and int8 products, which the operating system has allowed this process to use, beside
/// AVX-512 with bfloat16 (Sapphire Rapids and later).
#[derive(Debug, Clone, Copy)]
pub struct Amx(Avx512Vnni);

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
    /// Matrix products in tiles, everything else as on AVX-512.
    Amx(Amx),
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
        let problem = if self.known {
            "this processor does not have it, or its system does not allow it"
        } else {
            "no kernels of that name"
        };
        write!(f, "PARASOL_ISA={}: {problem}; use one of: {}", self.asked, names.join(", "))
    }
}

impl std::error::Error for IsaError {}

impl Amx {
    /// The token, where the processor has all of it and Linux lets this process use tiles. Asked once per process.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub fn detect() -> Option<Self> {
        use std::sync::OnceLock;
        static ALLOWED: OnceLock<bool> = OnceLock::new();
        let avx512 = Avx512Vnni::detect().filter(|_| std::arch::is_x86_feature_detected!("avx512bf16"))?;
        ALLOWED.get_or_init(|| tiles_in_processor() && tiles_allowed()).then_some(Self(avx512))
    }

    /// Never, on this system.
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    pub fn detect() -> Option<Self> {
        None
    }

    /// A processor with tiles has AVX-512 too.
    pub fn avx512(self) -> Avx512Vnni {
        self.0
    }
}

/// The processor has tiles with both products, and the system saves them (XCR0). Only where there is AVX-512, and hence `xgetbv`.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn tiles_in_processor() -> bool {
    const BF16_TILE_INT8: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    const CONFIGURATION_AND_DATA: u32 = 1 << 17 | 1 << 18;
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    let saved: u32;
    // SAFETY: the caller has found AVX-512, which systems enable through XCR0, so that `xgetbv` may read it.
    unsafe {
        std::arch::asm!("xgetbv", in("ecx") 0, out("eax") saved, out("edx") _, options(nomem, nostack));
    }
    features & BF16_TILE_INT8 == BF16_TILE_INT8 && saved & CONFIGURATION_AND_DATA == CONFIGURATION_AND_DATA
}

/// Linux gives a process the 8 KiB of tile data in every saved context only when it asks (`Documentation/arch/x86/xstate.rst`).
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn tiles_allowed() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let result: i64;
    // SAFETY: the call takes two integers, touches no memory of ours, and an older system answers with an error; `rcx` and
    // `r11` are what a system call overwrites.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

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
        let mut all = Vec::with_capacity(4);
        all.extend(Amx::detect().map(Isa::Amx));
        all.extend(Avx512Vnni::detect().map(Isa::Avx512Vnni));
        all.extend(Avx2::detect().map(Isa::Avx2));
        all.push(Isa::Portable(Portable));
        all
    }

    /// The fastest that this processor can run.
    pub fn detect() -> Isa {
        Self::available()[0] // never empty: `Portable` is always there
    }

    /// The one that `PARASOL_ISA` names (`amx`, `avx512`, `avx2`, `portable`), else the fastest.
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
            known: ["amx", "avx512", "avx2"].iter().any(|k| k.eq_ignore_ascii_case(name)),
        })
    }

    /// `amx`, `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Amx(_) => "amx",
            Isa::Avx512Vnni(_) => "avx512",
            Isa::Avx2(_) => "avx2",
            Isa::Portable(_) => "portable",
        }
    }
}
