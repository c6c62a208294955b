//! A small seeded source of chance (xorshift64*, Vigna 2016), so that a failing run can be played again from its seed.

use std::ops::Range;
use std::time::Duration;

/// The source. Clones go on alike.
#[derive(Debug, Clone)]
pub struct SeededRng(u64);

impl SeededRng {
    /// The source that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Spreads small seeds over all bits; the state must never be zero.
        Self((seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number of `range`, which must not be empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next_u64() % (range.end - range.start)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.within(0..n) == 0
    }

    /// A span of `range`, in microseconds.
    pub fn micros(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.within(range))
    }

    /// One of `items`, which must not be empty.
    ///
    /// # Panics
    /// If `items` is empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.within(0..items.len() as u64)).expect("an index fits");
        &items[index]
    }
}
