//! `Tree`: patterns as a tree of their bytes. Called by the hub only; knows bytes and the two
//! wildcards.
//!
//! ```text
//! a.b     a.b.c     a.>             "a."
//!                                  /    \
//!                              "b"*      ">"*       (* has a value)
//!                               |
//!                             ".c"*
//! ```
//!
//! What shares a beginning shares its nodes, so that a search costs the bytes of the topic, however
//! many patterns there are; only a `*` on its way makes it go two ways. Nothing is hashed: nobody can
//! choose names that collide. A node without a value has two children or more, so that what goes takes
//! its memory along.

use alloc::vec::Vec;

use super::run::Run;

/// The patterns of one scope, each with a value.
#[derive(Debug)]
pub(super) struct Tree<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    /// What it adds to the bytes of its parent; of the root nothing, of any other at least one.
    edge: Run,
    value: Option<T>,
    /// The first byte of each child's edge, ascending.
    firsts: Run,
    /// In the same order.
    children: Vec<Self>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { root: Node::new(&[]) }
    }
}

impl<T> Tree<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.root.children.is_empty()
    }

    /// The value of a pattern, made if there is none.
    pub(super) fn entry(&mut self, pattern: &str) -> &mut T
    where
        T: Default,
    {
        let (mut node, mut rest) = (&mut self.root, pattern.as_bytes());
        while let Some(&first) = rest.first() {
            let at = match node.find(first) {
                Ok(at) => at,
                Err(at) => {
                    node.insert(at, Node::new(rest));
                    at
                }
            };
            let child = &mut node.children[at];
            let common = child.edge.bytes().iter().zip(rest).take_while(|(a, b)| a == b).count();
            if common < child.edge.bytes().len() {
                child.split(common);
            }
            node = child;
            rest = &rest[common..];
        }
        node.value.get_or_insert_default()
    }

    /// The value of a pattern.
    pub(super) fn get_mut(&mut self, pattern: &str) -> Option<&mut T> {
        let (mut node, mut rest) = (&mut self.root, pattern.as_bytes());
        while let Some(&first) = rest.first() {
            let at = node.find(first).ok()?;
            node = &mut node.children[at];
            rest = rest.strip_prefix(node.edge.bytes())?;
        }
        node.value.as_mut()
    }

    /// Takes a pattern out.
    pub(super) fn remove(&mut self, pattern: &str) -> Option<T> {
        let (mut parent, mut rest) = (&mut self.root, pattern.as_bytes());
        loop {
            let at = parent.find(*rest.first()?).ok()?;
            let child = &mut parent.children[at];
            rest = rest.strip_prefix(child.edge.bytes())?;
            if rest.is_empty() {
                let value = child.value.take()?;
                if child.children.is_empty() {
                    parent.remove(at);
                    parent.join();
                } else {
                    child.join();
                }
                return Some(value);
            }
            parent = &mut parent.children[at];
        }
    }

    /// Calls with the value of each pattern that fits, always in the same order.
    pub(super) fn each_fitting<'a>(&'a self, topic: &str, found: &mut impl FnMut(&'a T)) {
        self.root.search(topic.as_bytes(), 0, found);
    }
}

impl<T> Node<T> {
    fn new(edge: &[u8]) -> Self {
        Self { edge: Run::new(edge), value: None, firsts: Run::new(&[]), children: Vec::new() }
    }

    fn find(&self, first: u8) -> Result<usize, usize> {
        self.firsts.bytes().binary_search(&first)
    }

    fn child(&self, first: u8) -> Option<&Self> {
        self.find(first).ok().and_then(|at| self.children.get(at))
    }

    fn insert(&mut self, at: usize, child: Self) {
        // One more is all that it has room for: most nodes never have another.
        self.children.reserve_exact(1);
        self.children.insert(at, child);
        self.note_firsts();
    }

    fn remove(&mut self, at: usize) {
        self.children.remove(at);
        self.children.shrink_to_fit();
        self.note_firsts();
    }

    fn note_firsts(&mut self) {
        let firsts: Vec<u8> =
            self.children.iter().filter_map(|child| child.edge.bytes().first().copied()).collect();
        self.firsts = Run::new(&firsts);
    }

    /// Makes two of it: itself up to there, and one child with all else.
    fn split(&mut self, at: usize) {
        let (front, back) = self.edge.bytes().split_at(at);
        let (front, back) = (Self::new(front), Run::new(back));
        let back = Self { edge: back, ..core::mem::replace(self, front) };
        self.insert(0, back);
    }

    /// Takes its only child into itself if it has no value of its own.
    fn join(&mut self) {
        if self.children.len() == 1 && self.value.is_none() && !self.edge.bytes().is_empty() {
            if let Some(child) = self.children.pop() {
                let edge = [self.edge.bytes(), child.edge.bytes()].concat();
                *self = Self { edge: Run::new(&edge), ..child };
            }
        }
    }

    /// Goes on from here, where all before `at` fits. It calls itself once for each `*` on its way, of
    /// which there are as many as tokens.
    fn search<'a>(&'a self, topic: &[u8], mut at: usize, found: &mut impl FnMut(&'a T)) {
        let mut node = self;
        while at < topic.len() {
            if at == 0 || topic[at - 1] == b'.' {
                for wildcard in [b'*', b'>'] {
                    if let Some(child) = node.child(wildcard) {
                        if let Some(at) = child.edge.follow(topic, at) {
                            child.search(topic, at, found);
                        }
                    }
                }
            }
            let Some(child) = node.child(topic[at]) else { return };
            let Some(end) = child.edge.follow(topic, at) else { return };
            (node, at) = (child, end);
        }
        if let Some(value) = &node.value {
            found(value);
        }
    }
}

/// Without a call for each level: patterns can be chosen so that there are 255 of them.
impl<T> Drop for Tree<T> {
    fn drop(&mut self) {
        let mut rest = core::mem::take(&mut self.root.children);
        while let Some(mut node) = rest.pop() {
            rest.append(&mut node.children);
        }
    }
}
