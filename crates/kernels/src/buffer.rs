//! Memory on cache-line boundaries, and slices that tasks of one job write disjoint parts of.

use std::marker::PhantomData;

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
