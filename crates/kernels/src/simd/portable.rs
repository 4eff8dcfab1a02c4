//! [`Simd`] in plain Rust: eight lanes as arrays, for processors without kernels of their own. It is also the check
//! that kernels do not depend on one instruction set.

use super::{Op, Simd};
use crate::half::{f16_to_f32, f32_to_f16};
use crate::isa::Portable;

type F = [f32; 8];
type I = [i32; 8];

#[inline(always)]
fn map2(a: F, b: F, f: impl Fn(f32, f32) -> f32) -> F {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    const LANES: usize = 8;
    const TILE: usize = 3;
    const WIDE_OFFSET: i32 = 0;
    type F = F;
    type I = I;

    #[inline(always)]
    unsafe fn enter<O: Op<Self>>(self, op: O) -> O::Out {
        op.run(self)
    }

    #[inline(always)]
    unsafe fn splat(self, x: f32) -> F {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F {
        p.cast::<F>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: F) {
        p.cast::<F>().write_unaligned(x);
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> F {
        let mut x = [0.0; 8];
        std::ptr::copy_nonoverlapping(p, x.as_mut_ptr(), n);
        x
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, x: F) {
        std::ptr::copy_nonoverlapping(x.as_ptr(), p, n);
    }
    #[inline(always)]
    unsafe fn add(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn fma(self, a: F, b: F, c: F) -> F {
        // Not `mul_add`: without the instruction that is a slow library call.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn max(self, a: F, b: F) -> F {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, a: F, b: F) -> F {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn abs(self, a: F) -> F {
        a.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn sum(self, a: F) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    unsafe fn sum4(self, a: [Self::F; 4]) -> [f32; 4] {
        a.map(|a| self.sum(a))
    }
    #[inline(always)]
    unsafe fn largest(self, a: F) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    unsafe fn round(self, a: F) -> F {
        // Adding 1.5 · 2²³ leaves no bits below one; exact for |a| < 2²², which is all that kernels ask for.
        a.map(|x| (x + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn times_pow2(self, a: F, n: F) -> F {
        map2(a, n, |a, n| a * f32::from_bits(((n as i32 + 127) << 23) as u32))
    }
    #[inline(always)]
    unsafe fn fraction(self, a: F) -> F {
        a.map(|a| a - a.floor())
    }
    #[inline(always)]
    unsafe fn times_pow2_floor(self, a: F, n: F) -> F {
        self.times_pow2(a, n.map(|n| n.max(-126.0).floor()))
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> F {
        p.cast::<[u16; 8]>().read_unaligned().map(f16_to_f32)
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16, x: F) {
        p.cast::<[u16; 8]>().write_unaligned(x.map(f32_to_f16));
    }
    #[inline(always)]
    unsafe fn load_i8(self, p: *const i8) -> F {
        p.cast::<[i8; 8]>().read_unaligned().map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> F {
        p.cast::<[u16; 8]>().read_unaligned().map(|x| f32::from_bits(u32::from(x) << 16))
    }
    #[inline(always)]
    unsafe fn load_each4(self, p: *const f32) -> F {
        let (a, b) = (*p, *p.add(1));
        [a, a, a, a, b, b, b, b]
    }

    #[inline(always)]
    unsafe fn zero_i(self) -> I {
        [0; 8]
    }
    #[inline(always)]
    unsafe fn splat_i(self, x: i32) -> I {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const u8) -> I {
        p.cast::<I>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut u8, x: I) {
        p.cast::<I>().write_unaligned(x);
    }
    #[inline(always)]
    unsafe fn splat_bytes(self, p: *const i8) -> I {
        [p.cast::<i32>().read_unaligned(); 8]
    }
    #[inline(always)]
    unsafe fn add_i(self, a: I, b: I) -> I {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    unsafe fn mul_i(self, a: I, b: I) -> I {
        std::array::from_fn(|i| a[i].wrapping_mul(b[i]))
    }
    #[inline(always)]
    unsafe fn to_float(self, a: I) -> F {
        a.map(|x| x as f32)
    }
    #[inline(always)]
    unsafe fn store_i8(self, p: *mut i8, x: F) {
        p.cast::<[i8; 8]>().write_unaligned(self.round(x).map(|x| x as i8));
    }
    #[inline(always)]
    unsafe fn pack_bytes(self, x: [F; 4]) -> I {
        let x = x.map(|x| self.round(x));
        std::array::from_fn(|i| i32::from_ne_bytes(std::array::from_fn(|k| x[k][i] as u8)))
    }
    #[inline(always)]
    unsafe fn dot(self, acc: I, u: I, s: I) -> I {
        std::array::from_fn(|i| {
            let (u, s) = (u[i].to_ne_bytes(), s[i].to_ne_bytes());
            (0..4).fold(acc[i], |sum, k| sum + i32::from(u[k]) * i32::from(s[k] as i8))
        })
    }
    #[inline(always)]
    unsafe fn dot_any(self, acc: I, u: I, s: I) -> I {
        std::array::from_fn(|i| {
            let (u, s) = (u[i].to_ne_bytes(), s[i].to_ne_bytes());
            (0..4).fold(acc[i], |sum, k| sum + i32::from(u[k]) * i32::from(s[k] as i8))
        })
    }
    #[inline(always)]
    unsafe fn dot_wide(self, acc: I, w: I, s: I) -> I {
        std::array::from_fn(|i| {
            let (w, s) = (w[i].to_ne_bytes(), s[i].to_ne_bytes());
            (0..4).fold(acc[i], |sum, k| sum + i32::from(w[k] as i8) * i32::from(s[k] as i8))
        })
    }
    #[inline(always)]
    unsafe fn dot_wide_panel(self, acc: I, a: I, w: I) -> I {
        std::array::from_fn(|i| {
            let (a, w) = (a[i].to_ne_bytes(), w[i].to_ne_bytes());
            (0..4).fold(acc[i], |sum, k| sum + (i32::from(a[k]) - 128) * i32::from(w[k] as i8))
        })
    }
    #[inline(always)]
    unsafe fn sub_bytes(self, a: I, b: I) -> I {
        std::array::from_fn(|i| {
            let (a, b) = (a[i].to_ne_bytes(), b[i].to_ne_bytes());
            i32::from_ne_bytes(std::array::from_fn(|k| a[k].wrapping_sub(b[k])))
        })
    }
    #[inline(always)]
    unsafe fn splat_byte(self, x: i8) -> I {
        [i32::from_ne_bytes([x as u8; 4]); 8]
    }

    #[inline(always)]
    unsafe fn transpose(self, rows: *const u8, stride: usize, out: *mut u8, group: usize, block: usize) {
        for row in 0..8 {
            let groups = self.load_i(rows.add(row * stride));
            for (g, value) in groups.into_iter().enumerate() {
                out.add(g / 4 * block + g % 4 * group + row * 4).cast::<i32>().write_unaligned(value);
            }
        }
    }
}
