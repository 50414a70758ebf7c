//! An allocator that counts, for test programs whose subject is memory: each such program has it as its
//! own.

#![allow(unsafe_code, reason = "only an allocator sees every allocation")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Every allocation since the thread began: each test runs on a thread of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) allocations: usize,
    pub(crate) bytes: usize,
    /// Still allocated; below 0 if what was there before has gone.
    pub(crate) live: isize,
    /// The most that was at once.
    pub(crate) peak: isize,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { allocations: 0, bytes: 0, live: 0, peak: 0 }) };
}

fn note(taken: usize, given_back: usize) {
    // A thread that ends has no count any more, and nobody who asks for it.
    let _ = COUNT.try_with(|cell| {
        let mut count = cell.get();
        count.allocations += usize::from(taken > 0);
        count.bytes += taken;
        count.live += taken as isize - given_back as isize;
        count.peak = count.peak.max(count.live);
        cell.set(count);
    });
}

struct Counting;

// SAFETY: all is left to the system's allocator; counting touches no memory of its own but a cell of
// the thread, which needs neither an allocation nor a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the rules of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the rules of this very function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: the caller keeps the rules of this very function.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: the caller keeps the rules of this very function.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread has allocated and not given back.
#[allow(dead_code, reason = "each test program uses its own part")]
pub(crate) fn live() -> isize {
    COUNT.get().live
}

/// What was allocated while this ran, and is still so after it.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> (T, Count) {
    COUNT.with(|cell| cell.set(Count { peak: cell.get().live, ..cell.get() }));
    let before = COUNT.get();
    let result = work();
    let after = COUNT.get();
    let count = Count {
        allocations: after.allocations - before.allocations,
        bytes: after.bytes - before.bytes,
        live: after.live - before.live,
        peak: after.peak - before.live,
    };
    (result, count)
}
