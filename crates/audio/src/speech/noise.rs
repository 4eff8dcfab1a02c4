//! Normal deviates that are those of NumPy's `default_rng(seed).standard_normal(dtype=float32)`, number for number, so that a
//! seed sounds here as it does in the voice's reference program: `SeedSequence` (O'Neill's seed_seq), PCG64 (O'Neill, 2014,
//! XSL-RR output) and the ziggurat (Marsaglia and Tsang, 2000) with 256 layers.

use std::sync::LazyLock;

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
/// Where the ziggurat's tail begins, and the area of a layer.
const TAIL: f64 = 3.654_152_885_361_009;
const AREA: f64 = 0.004_928_673_233_974_652;

/// The stream of one seed.
pub(super) struct Noise {
    state: u128,
    increment: u128,
    /// The upper half of the last output, while it is not used.
    half: Option<u32>,
}

struct Layers {
    /// Below this a draw lies inside the layer for sure.
    inside: [u32; 256],
    width: [f32; 256],
    height: [f32; 256],
}

static LAYERS: LazyLock<Layers> = LazyLock::new(|| {
    let steps = f64::from(1 << 23);
    let density = |x: f64| (-0.5 * x * x).exp();
    let base = AREA / density(TAIL);
    let mut layers = Layers { inside: [0; 256], width: [0.0; 256], height: [0.0; 256] };
    layers.inside[0] = (TAIL / base * steps) as u32;
    layers.width[0] = (base / steps) as f32;
    layers.width[255] = (TAIL / steps) as f32;
    layers.height[0] = 1.0;
    layers.height[255] = density(TAIL) as f32;
    let (mut x, mut above) = (TAIL, TAIL);
    for i in (1..255).rev() {
        x = (-2.0 * (AREA / x + density(x)).ln()).sqrt();
        layers.inside[i + 1] = (x / above * steps) as u32;
        above = x;
        layers.height[i] = density(x) as f32;
        layers.width[i] = (x / steps) as f32;
    }
    layers
});

impl Noise {
    /// The stream that begins with this seed.
    pub(super) fn new(seed: u64) -> Self {
        let [a, b, c, d] = expand(seed);
        let increment = (u128::from(c) << 64 | u128::from(d)) << 1 | 1;
        let mut noise = Self { state: 0, increment, half: None };
        noise.step();
        noise.state = noise.state.wrapping_add(u128::from(a) << 64 | u128::from(b));
        noise.step();
        noise
    }

    /// Fills `out`.
    pub(super) fn fill(&mut self, out: &mut [f32]) {
        let layers = &*LAYERS;
        out.iter_mut().for_each(|x| *x = self.normal(layers));
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    fn next(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        let output = folded.rotate_right((self.state >> 122) as u32);
        self.half = Some((output >> 32) as u32);
        output as u32
    }

    fn uniform(&mut self) -> f32 {
        (self.next() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    fn normal(&mut self, layers: &Layers) -> f32 {
        loop {
            let bits = self.next();
            let (layer, steps) = ((bits & 255) as usize, bits >> 9);
            let size = steps as f32 * layers.width[layer];
            let x = if bits & 256 == 0 { size } else { -size };
            if steps < layers.inside[layer] {
                return x;
            }
            if layer == 0 {
                return self.tail(steps);
            }
            let (above, below) = (layers.height[layer - 1], layers.height[layer]);
            if f64::from((above - below) * self.uniform() + below) < f64::from(-0.5 * x * x).exp() {
                return x;
            }
        }
    }

    fn tail(&mut self, steps: u32) -> f32 {
        loop {
            let x = -(1.0 / TAIL) as f32 * (-self.uniform()).ln_1p();
            let y = -(-self.uniform()).ln_1p();
            if y + y > x * x {
                let far = TAIL as f32 + x;
                return if steps >> 8 & 1 == 0 { far } else { -far };
            }
        }
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn expand(seed: u64) -> [u64; 4] {
    let entropy = [seed as u32, (seed >> 32) as u32];
    let mut constant = 0x43b0_d7e5u32;
    let mut hash = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(constant);
        value ^ value >> 16
    };
    let mut pool = [0u32; 4];
    for (i, place) in pool.iter_mut().enumerate() {
        *place = hash(entropy.get(i).copied().unwrap_or(0));
    }
    for from in 0..4 {
        for to in 0..4 {
            if from != to {
                let mixed = 0xca01_f9ddu32
                    .wrapping_mul(pool[to])
                    .wrapping_sub(0x4973_f715u32.wrapping_mul(hash(pool[from])));
                pool[to] = mixed ^ mixed >> 16;
            }
        }
    }
    let mut constant = 0x8b51_f9ddu32;
    let mut word = |i: usize| {
        let value = pool[i % 4] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let value = value.wrapping_mul(constant);
        u64::from(value ^ value >> 16)
    };
    let mut words = [0; 8];
    words.iter_mut().enumerate().for_each(|(i, w)| *w = word(i));
    std::array::from_fn(|i| words[2 * i] | words[2 * i + 1] << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviates_are_numpys() {
        // numpy.random.default_rng(seed).standard_normal(n, dtype=numpy.float32): the first, and the sum of many, by which
        // every layer and the tail have been met.
        for (seed, first, at, sum) in EXPECTED {
            let mut all = vec![0.0; 300_000];
            Noise::new(seed).fill(&mut all);
            assert_eq!(all[..3], first, "seed {seed}");
            assert_eq!(all[299_999], at, "seed {seed}");
            let total: f64 = all.iter().map(|x| f64::from(*x)).sum();
            assert!((total - sum).abs() < 1e-6, "seed {seed}: {total}");
        }
    }
    const EXPECTED: [(u64, [f32; 3], f32, f64); 3] = [
        (0, [1.117622, -1.3871249, -0.4265716], 0.33855692, 291.8267348705521),
        (7, [1.5219693, -1.1441058, 1.1501616], 0.69092256, -849.0936309556382),
        (123456789012345, [1.7953469, -0.7035145, -1.3962845], 2.2043583, 53.55316656252057),
    ];
}
