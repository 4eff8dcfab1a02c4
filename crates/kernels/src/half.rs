//! The two 16-bit floats that weight files hold, to and from f32: IEEE 754 binary16 and bfloat16. Portable, safe, one
//! value at a time; converting many at once is the business of the kernels.

/// The value of a binary16 bit pattern. Exact: every binary16 value, subnormals and infinities too, is an f32; a NaN
/// keeps its sign and payload.
#[inline]
pub const fn f16_to_f32(bits: u16) -> f32 {
    let sign = ((bits as u32) & 0x8000) << 16;
    let exponent = ((bits as u32) >> 10) & 0x1f;
    let fraction = (bits as u32) & 0x3ff;
    let magnitude = match exponent {
        0 => {
            // fraction · 2⁻²⁴: both factors and the product are exact in f32.
            let value = fraction as f32 * f32::from_bits(0x3380_0000);
            value.to_bits()
        }
        31 => 0x7f80_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

/// The binary16 bit pattern nearest to `value`, ties to even. Values of 65 520 and above in magnitude become infinity;
/// a NaN stays a (quiet) NaN with its sign.
#[inline]
pub const fn f32_to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00 | ((magnitude >> 13) & 0x3ff) as u16;
    }
    if magnitude >= 0x4780_0000 {
        return sign | 0x7c00;
    }
    if magnitude < 0x3880_0000 {
        // Below 2⁻¹⁴ the spacing of binary16 is 2⁻²⁴, which is the spacing of f32 in [0.5, 1): the addition rounds.
        let rounded = f32::from_bits(magnitude) + 0.5;
        return sign | rounded.to_bits().wrapping_sub(0x3f00_0000) as u16;
    }
    // Rebias the exponent, then round to even on the 13 bits that go; a carry runs into the exponent, as it should.
    let rebased = magnitude - (112 << 23);
    let rounded = rebased + 0x0fff + ((rebased >> 13) & 1);
    sign | (rounded >> 13) as u16
}

/// The value of a bfloat16 bit pattern (exact).
#[inline]
pub const fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// The bfloat16 bit pattern nearest to `value`, ties to even; a NaN stays a (quiet) NaN.
#[inline]
pub const fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return (bits >> 16) as u16 | 0x40;
    }
    // The largest finite pattern plus the rounding stays below 2³².
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An independent definition of binary16's values: sign · 2^(e−25) · (1024 + fraction), or the subnormal form.
    fn value_of(bits: u16) -> f64 {
        let (e, m) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
        let magnitude = if e == 0 { m * 2f64.powi(-24) } else { (1024.0 + m) * 2f64.powi(e - 25) };
        if bits & 0x8000 != 0 { -magnitude } else { magnitude }
    }

    #[test]
    fn every_binary16_pattern_has_its_value_and_comes_back() {
        for bits in 0..=u16::MAX {
            let value = f16_to_f32(bits);
            if bits & 0x7fff > 0x7c00 {
                assert!(value.is_nan(), "{bits:#x}");
                assert_eq!(f32_to_f16(value), bits | 0x200, "{bits:#x}");
                continue;
            }
            if bits & 0x7fff == 0x7c00 {
                assert_eq!(value, if bits == 0x7c00 { f32::INFINITY } else { f32::NEG_INFINITY });
            } else {
                assert_eq!(f64::from(value), value_of(bits), "{bits:#x}");
                assert_eq!(value.is_sign_negative(), bits & 0x8000 != 0);
            }
            assert_eq!(f32_to_f16(value), bits, "{bits:#x}");
        }
    }

    #[test]
    fn between_two_binary16_values_the_nearer_wins_and_a_tie_goes_to_even() {
        for low in 0..0x7bffu16 {
            let (a, b) = (value_of(low), value_of(low + 1));
            let middle = ((a + b) / 2.0) as f32;
            let even = if low & 1 == 0 { low } else { low + 1 };
            assert_eq!(f32_to_f16(middle), even, "{low:#x}");
            assert_eq!(f32_to_f16(middle.next_down()), low);
            assert_eq!(f32_to_f16(middle.next_up()), low + 1);
            assert_eq!(f32_to_f16(-middle), even | 0x8000);
        }
        assert_eq!(f32_to_f16(65519.996), 0x7bff);
        assert_eq!(f32_to_f16(65520.0), 0x7c00);
        for large in [65536.0, 70_000.0, 131_071.0, 1e9, f32::MAX] {
            assert_eq!(f32_to_f16(large), 0x7c00, "{large}");
        }
        assert_eq!(f32_to_f16(-1e-45), 0x8000);
    }

    #[test]
    fn bfloat16_rounds_to_even_and_keeps_what_is_not_finite() {
        for bits in (0..=u16::MAX).filter(|b| b & 0x7fff <= 0x7f80) {
            assert_eq!(f32_to_bf16(bf16_to_f32(bits)), bits);
        }
        assert_eq!(f32_to_bf16(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(f32_to_bf16(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(f32_to_bf16(f32::from_bits(0x3f80_8001)), 0x3f81);
        assert_eq!(f32_to_bf16(f32::MAX), 0x7f80);
        assert!(bf16_to_f32(f32_to_bf16(f32::from_bits(0x7f80_0001))).is_nan());
    }
}
