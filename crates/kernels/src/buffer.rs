//! Memory on cache-line boundaries, memory that is taken as it is written, and slices that tasks of one job write
//! disjoint parts of.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A growable buffer of plain numbers whose first one lies on a cache line.
pub(crate) struct Aligned<T: Copy> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Copy> Default for Aligned<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), len: 0, of: PhantomData }
    }
}

/// Numbers for which every bit pattern is a value.
pub(crate) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for i8 {}
impl Plain for u16 {}
impl Plain for i32 {}
impl Plain for f32 {}

impl<T: Plain> Aligned<T> {
    /// Makes room for `len` numbers; what they hold is unspecified, but never uninitialised.
    pub(crate) fn resize(&mut self, len: usize) {
        let lines = (len * size_of::<T>()).div_ceil(64);
        if lines > self.lines.len() {
            self.lines.resize(lines, Line([0; 64]));
        }
        self.len = len;
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: `lines` holds at least `len · size_of::<T>()` initialised bytes, aligned to 64; any bits are a `T`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Numbers that are zero until they are written: large ones cost no memory before. A refusal of the system is an
/// answer and not the end of the process.
pub struct Zeroed {
    start: NonNull<u16>,
    len: usize,
}

// SAFETY: it owns its numbers, as a `Vec` does.
unsafe impl Send for Zeroed {}
// SAFETY: as above.
unsafe impl Sync for Zeroed {}

impl Zeroed {
    /// `len` zeros, or `None` where the system refuses so much.
    pub fn new(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self { start: NonNull::dangling(), len });
        }
        let layout = Layout::array::<u16>(len).ok()?;
        // No trial reservation before: what it frees would be handed out here again, and be zeroed by writing it.
        // SAFETY: the layout is not empty, and zeros are numbers.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?.cast();
        Some(Self { start, len })
    }
}

impl Drop for Zeroed {
    fn drop(&mut self) {
        if let Ok(layout) = Layout::array::<u16>(self.len)
            && self.len > 0
        {
            // SAFETY: `new` took it with this layout, and nothing else frees it.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl Deref for Zeroed {
    type Target = [u16];
    fn deref(&self) -> &[u16] {
        // SAFETY: `len` initialised numbers lie at `start`, or none at a dangling pointer.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Zeroed {
    fn deref_mut(&mut self) -> &mut [u16] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl std::fmt::Debug for Zeroed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Zeroed({} numbers)", self.len)
    }
}

/// A mutable slice that several tasks write at once, each its own part.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    of: PhantomData<&'a mut [T]>,
}

// SAFETY: parts are handed out by `part`, whose contract forbids overlap, so threads never share a `T`.
unsafe impl<T: Send> Send for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), of: PhantomData }
    }

    /// The numbers `at .. at + len`.
    ///
    /// # Safety
    /// No two living parts overlap.
    ///
    /// # Panics
    /// When the range is not inside the slice.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part(&self, at: usize, len: usize) -> &'a mut [T] {
        assert!(at <= self.len && len <= self.len - at);
        std::slice::from_raw_parts_mut(self.start.add(at), len)
    }

    /// All from number `at` on.
    pub(crate) fn part_from(&self, at: usize) -> Self {
        let at = at.min(self.len);
        Self { start: self.start.wrapping_add(at), len: self.len - at, of: PhantomData }
    }

    /// The address of number `at`, for kernels that write with a stride.
    pub(crate) fn pointer(&self, at: usize) -> *mut T {
        self.start.wrapping_add(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Zeroed;

    #[test]
    fn zeroed_memory_is_zero_writable_and_may_be_refused() {
        for len in [0, 1, 1000, 3 << 20] {
            // Twice, so that the second may get what the first has written and freed.
            for _ in 0..2 {
                let mut numbers = Zeroed::new(len).unwrap();
                assert_eq!(numbers.len(), len);
                assert!(numbers.iter().all(|n| *n == 0));
                numbers.fill(7);
                assert!(numbers.iter().all(|n| *n == 7));
            }
        }
        assert!(Zeroed::new(usize::MAX / 4).is_none());
        assert!(Zeroed::new(usize::MAX).is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn zeroed_memory_is_not_taken_before_it_is_written() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/statm").unwrap();
            status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        let before = resident();
        let kept: Vec<_> = (0..8).map(|_| Zeroed::new(16 << 20).unwrap()).collect();
        assert_eq!(kept.len(), 8);
        assert!(resident() < before + (64 << 20), "{} bytes were taken", resident() - before);
    }
}
