//! An allocator that counts for the whole process, for a program whose subject is memory: it has it as its
//! own.

#![allow(unsafe_code, reason = "only an allocator sees every allocation")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

static LIVE: AtomicIsize = AtomicIsize::new(0);
static MADE: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated now.
#[allow(dead_code, reason = "some who count want the one number, some the other")]
pub(crate) fn live() -> isize {
    LIVE.load(Ordering::SeqCst)
}

/// Allocations so far.
#[allow(dead_code, reason = "some who count want the one number, some the other")]
pub(crate) fn made() -> usize {
    MADE.load(Ordering::SeqCst)
}

fn note(taken: usize, given_back: usize) {
    MADE.fetch_add(usize::from(taken > 0), Ordering::SeqCst);
    LIVE.fetch_add(taken as isize - given_back as isize, Ordering::SeqCst);
}

struct Counting;

// SAFETY: all is left to the system's allocator; counting touches an atomic number of its own.
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
