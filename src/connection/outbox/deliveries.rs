//! `delivery` frames, which are encoded from publications, one or several at once. Part of the outbox.

use bytes::{BufMut, BytesMut};

use super::{COPIED, Counted, LENGTH, Outbox};
use crate::id::CallId;
use crate::publication::Publication;
use crate::wire::encode_delivery_head;

impl Outbox {
    /// Queues a `delivery`, whose length was looked at before.
    pub(crate) fn push_delivery(&mut self, subscription: CallId, publication: &Publication) {
        if self.severed {
            return;
        }
        let (head, tail) = publication.encoded();
        let start = self.buffer.len();
        let length =
            encode_delivery_head(&mut self.buffer, subscription, publication.encoded_len());
        if head.len() <= COPIED {
            self.buffer.put_slice(head);
        }
        let pieces = [head, tail].into_iter().filter(|piece| piece.len() > COPIED);
        self.note_frame(start, length, pieces.cloned(), Counted::Delivery);
    }

    /// Queues a `delivery` of each of these, likewise.
    pub(crate) fn push_deliveries(&mut self, subscription: CallId, publications: &[Publication]) {
        let small = |publication: &Publication| publication.encoded_len() <= COPIED;
        if self.severed || !publications.iter().all(small) {
            return publications.iter().for_each(|one| self.push_delivery(subscription, one));
        }
        let mut head = BytesMut::with_capacity(LENGTH + 16);
        encode_delivery_head(&mut head, subscription, 0);
        let head = &head[LENGTH..];
        let bodies: usize = publications.iter().map(Publication::encoded_len).sum();
        let (start, total) =
            (self.buffer.len(), bodies + publications.len() * (LENGTH + head.len()));
        // Room for all at once: to ask for it with each piece costs more than the pieces.
        self.buffer.resize(start + total, 0);
        let mut rest = &mut self.buffer[start..];
        for publication in publications {
            let body = publication.encoded().0;
            let length = head.len() + body.len();
            let (frame, behind) = core::mem::take(&mut rest).split_at_mut(LENGTH + length);
            let (prefix, frame) = frame.split_at_mut(LENGTH);
            prefix.copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
            frame[..head.len()].copy_from_slice(head);
            frame[head.len()..].copy_from_slice(body);
            rest = behind;
            self.queued += (LENGTH + length) as u64;
            self.frames.push_back((self.queued, Counted::Delivery));
        }
        self.deliveries += publications.len() as u32;
        self.note_buffered(total);
    }
}
