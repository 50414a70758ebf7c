//! `Dice`: chance by seed. Knows nothing else.

/// Chance by seed: the same seed, the same numbers (splitmix64). No randomness comes from outside.
///
/// ```
/// use switchboard_testkit::Dice;
///
/// let (mut one, mut other) = (Dice(7), Dice(7));
/// assert_eq!(one.roll(6), other.roll(6));
/// ```
#[derive(Clone, Debug)]
pub struct Dice(
    /// The seed; afterwards whatever is left of it.
    pub u64,
);

impl Dice {
    /// A number from 0 to below `sides`; 0 for no sides.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides.max(1) as u64) as usize
    }
}
