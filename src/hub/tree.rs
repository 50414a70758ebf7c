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

use alloc::boxed::Box;
use alloc::vec::Vec;

/// The patterns of one scope, each with a value.
#[derive(Debug)]
pub(super) struct Tree<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    /// What it adds to the bytes of its parent; of the root nothing, of any other at least one.
    edge: Box<[u8]>,
    value: Option<T>,
    /// By the first byte of their edges, ascending.
    children: Vec<(u8, Box<Self>)>,
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
                    node.children.insert(at, (first, Box::new(Node::new(rest))));
                    at
                }
            };
            let child = &mut node.children[at].1;
            let common = child.edge.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if common < child.edge.len() {
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
            node = &mut node.children[at].1;
            rest = rest.strip_prefix(&*node.edge)?;
        }
        node.value.as_mut()
    }

    /// Takes a pattern out.
    pub(super) fn remove(&mut self, pattern: &str) -> Option<T> {
        let (mut parent, mut rest) = (&mut self.root, pattern.as_bytes());
        loop {
            let at = parent.find(*rest.first()?).ok()?;
            let child = &mut parent.children[at].1;
            rest = rest.strip_prefix(&*child.edge)?;
            if rest.is_empty() {
                let value = child.value.take()?;
                if child.children.is_empty() {
                    parent.children.remove(at);
                    parent.join();
                } else {
                    child.join();
                }
                return Some(value);
            }
            parent = &mut parent.children[at].1;
        }
    }

    /// Calls with the value of each pattern that fits, always in the same order.
    pub(super) fn each_fitting<'a>(&'a self, topic: &str, found: &mut impl FnMut(&'a T)) {
        self.root.search(topic.as_bytes(), 0, found);
    }
}

impl<T> Node<T> {
    fn new(edge: &[u8]) -> Self {
        Self { edge: edge.into(), value: None, children: Vec::new() }
    }

    fn find(&self, first: u8) -> Result<usize, usize> {
        self.children.binary_search_by_key(&first, |(byte, _)| *byte)
    }

    fn child(&self, first: u8) -> Option<&Self> {
        self.find(first).ok().map(|at| &*self.children[at].1)
    }

    /// Makes two of it: itself up to there, and one child with all else.
    fn split(&mut self, at: usize) {
        let (front, back) = self.edge.split_at(at);
        let (front, back): (Box<[u8]>, Box<[u8]>) = (front.into(), back.into());
        let first = back[0];
        self.edge = front;
        let value = self.value.take();
        let children = core::mem::take(&mut self.children);
        self.children = Vec::from([(first, Box::new(Self { edge: back, value, children }))]);
    }

    /// Takes its only child into itself if it has no value of its own, and gives back what memory its
    /// children needed.
    fn join(&mut self) {
        if self.children.len() == 1 && self.value.is_none() && !self.edge.is_empty() {
            if let Some((_, child)) = self.children.pop() {
                self.edge = [&*self.edge, &*child.edge].concat().into();
                self.value = child.value;
                self.children = child.children;
            }
        }
        if self.children.len() * 4 <= self.children.capacity() {
            self.children.shrink_to(self.children.len() * 2);
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
                        if let Some(at) = follow(&child.edge, topic, at) {
                            child.search(topic, at, found);
                        }
                    }
                }
            }
            let Some(child) = node.child(topic[at]) else { return };
            let Some(end) = follow(&child.edge, topic, at) else { return };
            (node, at) = (child, end);
        }
        if let Some(value) = &node.value {
            found(value);
        }
    }
}

/// Where in the topic one stands behind an edge, if that fits from there.
fn follow(edge: &[u8], topic: &[u8], mut at: usize) -> Option<usize> {
    for byte in edge {
        match (*byte, topic.get(at)) {
            (_, None) => return None,
            (b'*', _) => at += topic[at..].iter().take_while(|byte| **byte != b'.').count(),
            (b'>', _) => at = topic.len(),
            (byte, Some(other)) if byte == *other => at += 1,
            _ => return None,
        }
    }
    Some(at)
}

/// Without a call for each level: patterns can be chosen so that there are 255 of them.
impl<T> Drop for Tree<T> {
    fn drop(&mut self) {
        let mut rest = core::mem::take(&mut self.root.children);
        while let Some((_, mut node)) = rest.pop() {
            rest.append(&mut node.children);
        }
    }
}
